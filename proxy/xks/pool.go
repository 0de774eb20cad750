package xks

import (
	"slices"
	"time"
)

// pop takes the connection used last, or nil. It may have been closed by the
// other side.
func (t *transport) pop() *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.idle)
	if n == 0 {
		return nil
	}
	c := t.idle[n-1]
	t.idle[n-1] = nil
	t.idle = t.idle[:n-1]
	return c
}

// put keeps c for the next request.
func (t *transport) put(c *conn) {
	c.lastUsed = time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || len(t.idle) >= maxIdle {
		c.close()
		return
	}
	t.idle = append(t.idle, c)
	if t.sweep == nil {
		t.sweep = time.AfterFunc(idleTime, t.closeExpired)
	}
}

// closeExpired closes what has not been used for idleTime, and comes again
// while there is something left.
func (t *transport) closeExpired() {
	t.mu.Lock()
	defer t.mu.Unlock()
	limit := time.Now().Add(-idleTime)
	n := 0
	for n < len(t.idle) && !t.idle[n].lastUsed.After(limit) {
		t.idle[n].close()
		n++
	}
	t.idle = slices.Delete(t.idle, 0, n)
	t.sweep = nil
	if len(t.idle) > 0 {
		t.sweep = time.AfterFunc(t.idle[0].lastUsed.Sub(limit), t.closeExpired)
	}
}

// closeIdle closes all connections that are not in use.
func (t *transport) closeIdle() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.idle {
		c.close()
	}
	clear(t.idle)
	t.idle = t.idle[:0]
}

// close is closeIdle, also for the connections that are in use when they end.
func (t *transport) close() {
	t.mu.Lock()
	t.closed = true
	if t.sweep != nil {
		t.sweep.Stop()
	}
	t.mu.Unlock()
	t.closeIdle()
}
