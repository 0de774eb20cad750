package xks

import (
	"slices"
	"time"
)

// maxDialing bounds the handshakes under way at once. After a stall every
// connection in use has run out of its time and is gone; were all requests to
// make new ones at once, handshakes would take the processor and no request its
// answer. This way a few connections come back soon and serve the others.
const maxDialing = 8

// A waiter is a request without a connection while maxDialing are being made.
// It gets a kept connection, or nil for the turn to make one.
type waiter chan *conn

// reserve gives a kept connection, which may have been closed by the other side;
// or the turn to make one, when both results are nil; or a place to wait.
func (t *transport) reserve() (*conn, waiter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.popLocked(); c != nil {
		return c, nil
	}
	if t.dialing < maxDialing {
		t.dialing++
		return nil, nil
	}
	w := make(waiter, 1)
	t.waiting = append(t.waiting, w)
	return nil, w
}

// pop takes the connection used last, or nil.
func (t *transport) pop() *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.popLocked()
}

func (t *transport) popLocked() *conn {
	n := len(t.idle)
	if n == 0 {
		return nil
	}
	c := t.idle[n-1]
	t.idle[n-1] = nil
	t.idle = t.idle[:n-1]
	return c
}

// dialed ends a turn to make a connection, and passes it on.
func (t *transport) dialed(success bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if success {
		t.connected++
	}
	if !t.wakeLocked(nil) {
		t.dialing--
	}
}

// wakeLocked gives c, or the turn, to the request that came last: it has the
// most time left, and under overload the oldest would only be answered too late.
func (t *transport) wakeLocked(c *conn) bool {
	n := len(t.waiting)
	if n == 0 {
		return false
	}
	t.waiting[n-1] <- c
	t.waiting[n-1] = nil
	t.waiting = t.waiting[:n-1]
	return true
}

// leave gives up w's place. What was given to w in the same moment is passed on.
func (t *transport) leave(w waiter) {
	t.mu.Lock()
	i := slices.Index(t.waiting, w)
	if i >= 0 {
		t.waiting = slices.Delete(t.waiting, i, i+1)
	}
	t.mu.Unlock()
	if i >= 0 {
		return
	}
	if c := <-w; c != nil {
		t.put(c)
	} else {
		t.dialed(false)
	}
}

// put keeps c for the next request.
func (t *transport) put(c *conn) {
	c.lastUsed = time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed && t.wakeLocked(c) {
		return
	}
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
