package xks

import (
	"context"
	"errors"
	"os"
	"time"
)

// Warm opens up to n connections more and keeps them ready, so that a request
// after a quiet time finds one and spends none of its time on a handshake. A
// kept connection that is not used lives idleTime; called more often than that
// (WarmInterval), Warm leaves no gap. Its error is why it stopped early.
func (c *Client) Warm(ctx context.Context, n int) error {
	for range n {
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

// WarmInterval is how often to call Warm.
const WarmInterval = idleTime / 2
