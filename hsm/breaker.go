package hsm

import (
	"fmt"
	"sync/atomic"
	"time"
)

// A breaker keeps callers from a token that cannot be used: while it is open
// each is refused at once, and only the mender asks the device, attempt by
// attempt, until one succeeds. It is opened and closed with mender.mu held.
type breaker struct {
	atomic.Pointer[outage]               // nil: closed, the token is believed to be well
	opened                 atomic.Uint64 // times
}

// An outage is why the token cannot be used at present.
type outage struct {
	err   error
	since time.Time
}

// openBreaker opens the breaker for the round r, unless that is over; open
// already, it gets another reason.
func (t *Token) openBreaker(r *mending, cause, recovery error) {
	t.mender.mu.Lock()
	defer t.mender.mu.Unlock()
	t.openBreakerLocked(r, cause, recovery)
}

func (t *Token) openBreakerLocked(r *mending, cause, recovery error) {
	if t.mender.round != r {
		return
	}
	next := &outage{err: fmt.Errorf("%w: recovering: %v", ErrUnavailable, recovery), since: time.Now()}
	if before := t.down.Load(); before != nil {
		next.since = before.since
	} else {
		t.down.opened.Add(1)
		t.config.Log.Warn("the token is unavailable", "token", t.info.Label, "error", cause, "recovery", recovery)
	}
	t.down.Store(next)
}

// endRound ends the round of mending, which has succeeded, and closes the
// breaker; mender.mu is held.
func (t *Token) endRound() {
	t.mender.round = nil
	if was := t.down.Swap(nil); was != nil {
		t.config.Log.Info("the token is available again", "token", t.info.Label, "after", time.Since(was.since).Round(time.Millisecond))
	}
}
