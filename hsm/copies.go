package hsm

import (
	"slices"
	"sync"

	"github.com/miekg/pkcs11"
)

// maxCopies bounds the copies of a connection. SoftHSM takes eight kilobytes for
// each; keys beyond are used as they are, which is slower.
const maxCopies = 256

// copies are session objects with the material of keys on the token, made where
// the profile allows it: SoftHSM reads a key's file anew for every operation, and
// a session object from memory. The key on the token stays the one whose
// attributes count, and is asked for every freshFor. A copy is used when each has
// decrypted what the other encrypted.
type copies struct {
	mu    sync.Mutex
	of    map[pkcs11.ObjectHandle]copied // by the handle of the key on the token
	ended bool
}

type copied struct {
	handle           pkcs11.ObjectHandle
	encrypt, decrypt bool // as the key had them when it was copied
}

// working is the handle to use e's key with: its copy, if there can be one.
func (w *worker) working(e *entry) pkcs11.ObjectHandle {
	if !w.t.profile.Copies {
		return e.handle
	}
	if h := e.working.Load(); h != 0 {
		return pkcs11.ObjectHandle(h)
	}
	h := w.copyOf(e)
	e.working.Store(uint64(h))
	return h
}

// suspect says that the token did not know a handle of e's.
func (w *worker) suspect(e *entry) {
	e.suspect.Store(true)
	w.dropCopy(e)
}

func (w *worker) dropCopy(e *entry) { w.conn.keys.copies.drop(w.t.lib, w.conn.guard, e.handle) }

// dropCopies drops the copies of the keys of f, which may be nil, that are not
// among those that were found.
func (w *worker) dropCopies(f *family, found []pkcs11.ObjectHandle) {
	if f == nil {
		return
	}
	for _, e := range f.versions {
		if !slices.Contains(found, e.handle) {
			w.dropCopy(e)
		}
	}
}

// copyOf gives the copy of e's key, made if need be, or the key's own handle if
// there can be none. Copies live in the guard's session.
func (w *worker) copyOf(e *entry) pkcs11.ObjectHandle {
	c, l, s := &w.conn.keys.copies, w.t.lib, w.conn.guard
	c.mu.Lock()
	defer c.mu.Unlock()
	old, ok := c.of[e.handle]
	if ok && old.encrypt == e.key.Encrypt && old.decrypt == e.key.Decrypt {
		return old.handle
	}
	c.remove(l, s, e.handle)
	if c.ended || len(c.of) >= maxCopies || !e.key.Encrypt || !e.key.Decrypt {
		return e.handle
	}
	h, err := l.ctx.CopyObject(s, e.handle, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_TOKEN, false)})
	if err != nil {
		return e.handle // a key that must not be copied, or is gone: its use will tell
	}
	// Another process may have been changing the key, or the token was going
	// away: SoftHSM then copies what it can still read.
	if w.t.singUnder(w.session, h, e.handle) != nil || w.t.singUnder(w.session, e.handle, h) != nil {
		_ = l.ctx.DestroyObject(s, h)
		return e.handle
	}
	if c.of == nil {
		c.of = make(map[pkcs11.ObjectHandle]copied)
	}
	c.of[e.handle] = copied{h, e.key.Encrypt, e.key.Decrypt}
	return h
}

// drop destroys the copy of the key with this handle, if there is one.
func (c *copies) drop(l *library, s pkcs11.SessionHandle, key pkcs11.ObjectHandle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(l, s, key)
}

// end destroys all copies, and no more are made.
func (c *copies) end(l *library, s pkcs11.SessionHandle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	for key := range c.of {
		c.remove(l, s, key)
	}
}

// remove is drop; c.mu is held. That the copy is gone already is no error.
func (c *copies) remove(l *library, s pkcs11.SessionHandle, key pkcs11.ObjectHandle) {
	if old, ok := c.of[key]; ok {
		delete(c.of, key)
		_ = l.ctx.DestroyObject(s, old.handle)
	}
}
