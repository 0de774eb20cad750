package xks

import (
	"context"
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
		c.t.put(conn)
	}
	return nil
}

// WarmInterval is how often to call Warm.
const WarmInterval = idleTime / 2
