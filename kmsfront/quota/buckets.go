package quota

import (
	"maps"
	"sync"
	"sync/atomic"
)

// buckets is a map for many readers and rare additions: a reader loads one
// pointer and takes no lock, and whoever adds copies the map. Its zero value is
// empty.
type buckets[K comparable, V any] struct {
	mu      sync.Mutex // held by whoever adds or drops
	current atomic.Pointer[map[K]V]
}

// get gives the value of k, made once by add.
func (b *buckets[K, V]) get(k K, add func(K) V) V {
	if m := b.current.Load(); m != nil {
		if v, ok := (*m)[k]; ok {
			return v
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	next := b.copy()
	v, ok := next[k]
	if !ok {
		v = add(k)
		next[k] = v
		b.current.Store(&next)
	}
	return v
}

// drop removes k.
func (b *buckets[K, V]) drop(k K) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := b.copy()
	delete(next, k)
	b.current.Store(&next)
}

func (b *buckets[K, V]) copy() map[K]V {
	next := make(map[K]V)
	if m := b.current.Load(); m != nil {
		maps.Copy(next, *m)
	}
	return next
}
