package policy

import "sync"

// Bounds of a cache: 4 MiB of requests for a key store at the worst.
const (
	maxCached      = 1024
	maxCachedBytes = 4 << 10
)

// A cache remembers decisions. That is right because a decision depends on the
// Request and the policies alone, and both never change: Cedar has no clock, and
// a reload makes a new Set.
type cache struct {
	mu        sync.RWMutex
	decisions map[Request]Decision
}

func (c *cache) get(r *Request) (Decision, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	d, ok := c.decisions[*r]
	return d, ok
}

// put remembers d, and forgets all others when there are too many: what is asked
// often comes back at once.
func (c *cache) put(r *Request, d Decision) {
	if r.size() > maxCachedBytes {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.decisions == nil || len(c.decisions) >= maxCached {
		c.decisions = make(map[Request]Decision)
	}
	c.decisions[*r] = d
}

// size is the bytes of the strings in r.
func (r *Request) size() int {
	return len(r.Operation) + len(r.Key) + len(r.Principal) + len(r.KMSOperation) + len(r.KMSKeyARN) +
		len(r.ViaService) + len(r.SourceVPC) + len(r.SourceVPCE)
}
