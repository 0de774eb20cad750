package keystore

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"hyok/kmsfront/material"
)

// settings are all of a record that a session depends on: when they change, a
// new session takes its place.
type settings struct {
	owner     Owner
	attempt   uint64
	proxy     Proxy
	clusterID string
}

func (r *Record) settings() settings {
	s := settings{owner: r.Owner, attempt: r.Attempt, clusterID: r.ClusterID}
	if r.Proxy != nil {
		s.proxy = *r.Proxy
		s.proxy.CredentialCreated = time.Time{} // times do not compare
	}
	return s
}

// A session is what a connected key store is used through: the clients, and who
// uses them. It ends when it was retired and its last user has left, so that
// nobody's request is cut off.
type session struct {
	material.Backend
	settings settings
	external *external       // external key stores
	cluster  *clusterSession // AWS CloudHSM key stores
	users    atomic.Int64    // and one more until it is retired
	tickers  []*ticker
	end      func()
	ended    chan struct{}
}

func newSession(s settings) *session {
	n := &session{settings: s, ended: make(chan struct{})}
	n.users.Store(1)
	return n
}

// enter makes the caller a user; false when the session has ended.
func (s *session) enter() bool {
	for {
		n := s.users.Load()
		if n == 0 {
			return false
		}
		if s.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// leave is called by each user once, and by the owner to retire the session.
func (s *session) leave() {
	if s.users.Add(-1) == 0 {
		s.end()
		close(s.ended)
	}
}

func (s *session) retire() {
	for _, t := range s.tickers {
		t.stop()
	}
	s.leave()
}

// every calls do again and again, first after a while and then d after the last
// call has returned, until the session is retired. after is the clock's way to wait.
func (s *session) every(m *Manager, first, d time.Duration, after func(time.Duration, func()) func() bool, do func(context.Context)) {
	t := &ticker{}
	s.tickers = append(s.tickers, t)
	var tick func()
	tick = func() {
		if !m.background() {
			return
		}
		defer m.steps.Done()
		if !s.enter() {
			return
		}
		do(m.ctx)
		s.leave()
		t.arm(func() func() bool { return after(d, tick) })
	}
	t.arm(func() func() bool { return after(first, tick) })
}

// A ticker can be stopped while it is being armed again.
type ticker struct {
	mu      sync.Mutex
	cancel  func() bool
	stopped bool
}

func (t *ticker) arm(set func() (cancel func() bool)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.stopped {
		t.cancel = set()
	}
}

func (t *ticker) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	if t.cancel != nil {
		t.cancel()
	}
}
