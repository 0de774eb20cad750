package hsm

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// fairTry is the least time in which a member must answer a try, or counts as
	// out: with less it is the caller who is late.
	fairTry = 20 * time.Millisecond
	// calm is how long after a failure the next one counts as the first again.
	calm = 10 * time.Second
)

// A member is a token of a group.
type member struct {
	token *Token
	out   atomic.Pointer[outage] // why other members are tried first; nil: they are not

	mu    sync.Mutex
	pause time.Duration // before the next probe
	last  time.Time     // when it was last out
}

// isOut tells whether the member can hardly do work now.
func (m *member) isOut() bool { return m.out.Load() != nil || m.token.down.Load() != nil }

// try has the member do work, in half of the time left when there are others to
// try after it, and remembers if it could not.
func (m *member) try(ctx context.Context, others bool, work func(context.Context, *Token) error) error {
	limit := fairTry
	bounded := ctx
	if deadline, ok := ctx.Deadline(); ok {
		limit = time.Until(deadline)
		if others {
			limit /= 2
			var cancel context.CancelFunc
			bounded, cancel = context.WithTimeout(ctx, limit)
			defer cancel()
		}
	}
	err := work(bounded, m.token)
	if err != nil && limit >= fairTry && ctx.Err() != context.Canceled && outWith(err) {
		m.takeOut(err)
	}
	return err
}

// askLimit bounds a call of a comparison, so that a member which hangs does not
// hold up the comparing of the others.
const askLimit = time.Second

// ask is try for a comparison, which has time but does not wait for a member that
// is out.
func (m *member) ask(ctx context.Context, work func(context.Context, *Token) error) error {
	if m.isOut() {
		return ErrUnavailable
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	return m.try(ctx, false, work)
}

// takeOut has the other members tried first until this one passes a probe.
func (m *member) takeOut(why error) {
	if !m.out.CompareAndSwap(nil, &outage{err: why}) {
		return
	}
	m.mu.Lock()
	if time.Since(m.last) > calm {
		m.pause = 0
	}
	m.last = time.Now()
	m.pause = min(max(2*m.pause, firstPause), lastPause)
	pause := m.pause
	m.mu.Unlock()
	go m.bringBack(pause)
}

// bringBack probes the member until it is well, or closed. The pause before the
// first probe is for a member whose probes succeed and whose work does not.
func (m *member) bringBack(pause time.Duration) {
	for m.token.sleep(pause) {
		ctx, cancel := context.WithTimeout(m.token.life, m.token.config.Timeout)
		well := m.token.LoggedIn() && m.token.Health(ctx).OK
		cancel()
		if well {
			m.out.Store(nil)
			return
		}
	}
}
