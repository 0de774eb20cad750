// Package clock is the time that waiting periods follow.
//
// Production uses System. `hyok clock` uses Movable, which runs with the real
// clock but ahead of it by an offset that only grows (or returns to zero), so
// that a deletion due in thirty days can be seen now. Signatures never use this
// package: they are checked against the real clock.
package clock

import (
	"fmt"
	"sync"
	"time"
)

// A Clock tells the time and runs functions when a moment has come.
type Clock interface {
	// Now is the current time.
	Now() time.Time
	// AfterFunc runs f in its own goroutine once d has passed on this clock.
	// The returned function stops it and reports whether it did so in time.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

// System is the real clock.
type System struct{}

// Now is time.Now.
func (System) Now() time.Time { return time.Now() }

// AfterFunc is time.AfterFunc.
func (System) AfterFunc(d time.Duration, f func()) func() bool {
	return time.AfterFunc(d, f).Stop
}

// Movable is the real clock plus an offset. Its zero value has no offset.
type Movable struct {
	mu     sync.Mutex
	offset time.Duration
	timers map[*timer]struct{}
}

type timer struct {
	due   time.Time // on the moved clock
	f     func()
	under *time.Timer
}

// Now is the real time plus the offset.
func (m *Movable) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now()
}

func (m *Movable) now() time.Time { return time.Now().Add(m.offset) }

// Offset is how far the clock is ahead of the real one.
func (m *Movable) Offset() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.offset
}

// AfterFunc runs f when the moved clock reaches now+d.
func (m *Movable) AfterFunc(d time.Duration, f func()) func() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := &timer{due: m.now().Add(d), f: f}
	if m.timers == nil {
		m.timers = make(map[*timer]struct{})
	}
	m.timers[t] = struct{}{}
	t.under = time.AfterFunc(d, func() { m.fire(t) })
	return func() bool { return m.take(t) }
}

// Advance moves the clock forward by d, which must not be negative, and runs
// what has become due.
func (m *Movable) Advance(d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("the clock cannot go back by %s; use reset to return to the real time", -d)
	}
	m.move(func() { m.offset += d })
	return nil
}

// Reset returns to the real time. Timers keep the moment they were set for.
func (m *Movable) Reset() { m.move(func() { m.offset = 0 }) }

func (m *Movable) move(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
	now := m.now()
	for t := range m.timers {
		t.under.Stop()
		t.under = time.AfterFunc(max(0, t.due.Sub(now)), func() { m.fire(t) })
	}
}

func (m *Movable) fire(t *timer) {
	if m.take(t) {
		t.f()
	}
}

// take removes t and reports whether it was still waiting, so that a timer
// that was re-armed while it fired runs once.
func (m *Movable) take(t *timer) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.timers[t]; !ok {
		return false
	}
	delete(m.timers, t)
	t.under.Stop()
	return true
}
