package keystore

import (
	"context"
	"sync"
	"sync/atomic"

	"hyok/kmsfront/material"
)

// A link is a key store in memory. It is the material.Backend of its keys.
type link struct {
	m       *Manager
	storeID string
	session atomic.Pointer[session] // nil: not connected

	step sync.Mutex // held by the step under way: connecting, disconnecting

	mu       sync.Mutex // of all below
	closed   bool
	state    string          // that the observer was told
	attempt  uint64          // whose step is waiting or has begun
	stop     func() bool     // ends the wait of that step
	spare    *session        // has proved itself, and waits for the record to say CONNECTED
	last     *session        // retired last
	creating map[string]bool // labels and external key IDs of keys being created
}

func newLink(m *Manager, storeID string) *link {
	return &link{m: m, storeID: storeID, creating: map[string]bool{}}
}

// Encrypt encrypts under the material of k, with what the key store is connected to.
func (l *link) Encrypt(ctx context.Context, k *material.Key, plaintext, aad []byte) ([]byte, error) {
	s := l.enter()
	if s == nil {
		return nil, unavailable(k.ARN)
	}
	defer s.leave()
	return s.Encrypt(ctx, k, plaintext, aad)
}

// Decrypt opens what Encrypt gave.
func (l *link) Decrypt(ctx context.Context, k *material.Key, blob, aad []byte) ([]byte, error) {
	s := l.enter()
	if s == nil {
		return nil, unavailable(k.ARN)
	}
	defer s.leave()
	return s.Decrypt(ctx, k, blob, aad)
}

// enter gives the session, whose leave must be called; nil: not connected.
func (l *link) enter() *session {
	for {
		s := l.session.Load()
		if s == nil || s.enter() {
			return s
		}
	}
}

// follow makes the link what the record says: it opens, changes or ends the
// session, and schedules the step that a transient state asks for.
func (l *link) follow() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	r, ok := l.m.Get(l.storeID)
	if !ok {
		l.m.links.CompareAndDelete(l.storeID, l)
		l.shut()
		l.m.c.Observer.State(l.storeID, "", "")
		return nil
	}
	var err error
	switch {
	case verdictOf(r.State, useCrypto) == pass:
		err = l.open(r)
	case r.State == connecting, r.State == disconnecting:
		l.replace(nil)
		l.schedule(r)
	default:
		l.shut()
	}
	if r.State != l.state {
		l.state = r.State
		l.m.c.Observer.State(l.storeID, r.State, r.ErrorCode)
	}
	if s := l.session.Load(); s != nil && s.external != nil {
		l.m.reconnected(l.storeID, s)
	}
	return err
}

// close ends everything, for good.
func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.shut()
}

func (l *link) shut() {
	if l.stop != nil {
		l.stop()
	}
	l.replace(nil)
	l.keep(nil)
}

// open sees to it that the session has the record's settings.
func (l *link) open(r *Record) error {
	want := r.settings()
	if s := l.session.Load(); s != nil && s.settings == want {
		return nil
	}
	s := l.spare
	if s != nil && s.settings == want {
		l.spare = nil
	} else {
		var err error
		if s, err = l.m.newSession(r); err != nil {
			l.replace(nil)
			return err
		}
		if r.Cluster != nil {
			l.m.relogin(s) // after a restart, nobody may be logged in any more
		}
	}
	if r.Proxy != nil {
		l.m.watch(l.storeID, s)
	}
	l.replace(s)
	return nil
}

func (l *link) replace(s *session) {
	if old := l.session.Swap(s); old != nil {
		old.retire()
		l.last = old
	}
}

// keep holds s until the record says CONNECTED with its settings.
func (l *link) keep(s *session) {
	if l.spare != nil {
		l.spare.retire()
	}
	l.spare = s
}

// prove is keep for those who do not hold the link's lock.
func (l *link) prove(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		s.retire()
		return
	}
	l.keep(s)
}

// forget is keep(nil) if s is what is kept.
func (l *link) forget(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.spare == s {
		l.keep(nil)
	}
}

// drained waits until nobody uses the session that was retired last.
func (l *link) drained() {
	l.mu.Lock()
	last := l.last
	l.mu.Unlock()
	if last != nil {
		<-last.ended
	}
}

// reserve keeps name (an external key ID or a label) for one creation at a
// time. The function it gives ends the reservation, once; nil when it is taken.
func (l *link) reserve(name string) (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.creating[name] {
		return nil
	}
	l.creating[name] = true
	return sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.creating, name)
	})
}

// busy tells whether a key is being created.
func (l *link) busy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.creating) > 0
}
