package xks

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"
)

// Warm sees to it that n connections are ready, so that a request after a quiet
// time finds one and spends none of its time on a handshake. It closes those that
// the proxy has cut, and opens what is missing. Called every WarmInterval, it leaves a
// gap no longer than that. Its error is why a connection could not be opened.
func (c *Client) Warm(ctx context.Context, n int) error {
	for range n - c.t.ready(time.Now()) {
		conn, err := c.t.dial(ctx, time.Now().Add(c.t.timeout))
		if err != nil {
			return &TransportError{Kind: err.kind, Attempts: 1, Err: err.err}
		}
		if !conn.settle() {
			conn.close()
			continue
		}
		c.t.put(conn)
	}
	return nil
}

// ready closes the kept connections that have been cut, and counts those that
// will still be kept when Warm is called again.
func (t *transport) ready(now time.Time) (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.idle = slices.DeleteFunc(t.idle, func(c *conn) bool {
		if c.tls.SetDeadline(now.Add(t.timeout)) != nil || !c.alive() {
			c.close()
			return true
		}
		if now.Sub(c.lastUsed) < idleTime-2*WarmInterval {
			n++
		}
		return false
	})
	return n
}

// settleTime is how long the proxy's session tickets may take after a handshake.
const settleTime = 20 * time.Millisecond

// settle reads what the proxy sends by itself after the handshake, so that the
// connection is quiet when it is taken. It reports whether it can be kept.
func (c *conn) settle() bool {
	if c.tls.SetReadDeadline(time.Now().Add(settleTime)) != nil {
		return false
	}
	_, err := c.tls.Read(make([]byte, 1))
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// WarmInterval is how often to call Warm. Some proxies cut a quiet connection
// after five seconds.
const WarmInterval = time.Second
