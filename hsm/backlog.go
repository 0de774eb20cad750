package hsm

import (
	"sync/atomic"
	"time"
)

// A mean is the mean time of a call, with more weight on the latest. Writers
// may lose to each other; it stays a mean of what they saw.
type mean struct{ nanoseconds atomic.Int64 }

// meanWeight is the number of calls over which the mean forgets.
const meanWeight = 16

// add counts calls that took d together.
func (m *mean) add(d time.Duration, calls int) {
	each, old := int64(d)/int64(calls), m.nanoseconds.Load()
	if old == 0 {
		m.nanoseconds.Store(each)
		return
	}
	m.nanoseconds.Store(old + (each-old)*int64(min(calls, meanWeight))/meanWeight)
}

func (m *mean) load() time.Duration { return time.Duration(m.nanoseconds.Load()) }

// Backlog estimates how long a call that came now would wait for its turn: the
// calls in the queue times what calls took lately, over the workers. A server
// that sheds load asks it before it takes on work that it could only answer late.
func (t *Token) Backlog() time.Duration {
	return time.Duration(len(t.quick.requests)) * t.quick.mean.load() / time.Duration(t.quick.size)
}
