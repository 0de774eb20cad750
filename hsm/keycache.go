package hsm

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/pkcs11"
)

const (
	// freshFor is how long what is known of a key is believed without asking
	// the token again; a change by another process shows within a second.
	freshFor = 500 * time.Millisecond
	// wrongFor is the same for a key that cannot be used, so that enabling it
	// shows sooner.
	wrongFor = 100 * time.Millisecond
)

// An entry is a key in the cache.
type entry struct {
	handle  pkcs11.ObjectHandle // of the key on the token
	key     Key
	read    atomic.Int64  // when, in nanoseconds since started
	suspect atomic.Bool   // the token did not know the handle any more
	working atomic.Uint64 // the handle of its copy, or handle; 0: not known yet
}

var started = time.Now()

func (e *entry) olderThan(d time.Duration) bool {
	return int64(time.Since(started))-e.read.Load() > int64(d)
}

// newEntry is a key as it was just read.
func newEntry(handle pkcs11.ObjectHandle, k Key) *entry {
	e := &entry{handle: handle, key: k}
	e.read.Store(int64(time.Since(started)))
	return e
}

// A keyCache holds the versions of keys by label, and their copies. Only keys
// that exist are in it.
type keyCache struct {
	byLabel  sync.Map
	copies   copies
	surveyed atomic.Bool // all keys that there were are in it, if they are many
}

// get gives the versions of a key; nil if it is not there.
func (c *keyCache) get(label string) *family {
	if f, ok := c.byLabel.Load(label); ok {
		return f.(*family)
	}
	return nil
}

func (c *keyCache) put(label string, f *family) { c.byLabel.Store(label, f) }

// replace puts f in the place of old, which may be nil, and tells whether old was
// still there.
func (c *keyCache) replace(label string, old, f *family) bool {
	if old == nil {
		_, there := c.byLabel.LoadOrStore(label, f)
		return !there
	}
	return c.byLabel.CompareAndSwap(label, old, f)
}

// entries gives all keys by their handles.
func (c *keyCache) entries() map[pkcs11.ObjectHandle]*entry {
	all := make(map[pkcs11.ObjectHandle]*entry)
	c.byLabel.Range(func(_, f any) bool {
		for _, e := range f.(*family).versions {
			all[e.handle] = e
		}
		return true
	})
	return all
}

func (c *keyCache) remove(label string) { c.byLabel.Delete(label) }

// any gives a key whose handle worked when it was last used; nil if there is none.
func (c *keyCache) any() (found *entry) {
	c.byLabel.Range(func(_, f any) bool {
		if e := f.(*family).newest; !e.suspect.Load() {
			found = e
		}
		return found == nil
	})
	return found
}
