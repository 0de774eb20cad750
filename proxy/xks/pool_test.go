package xks

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// together makes n calls at once and gives how many failed.
func together(n int, c *Client) int32 {
	var wg sync.WaitGroup
	var failed atomic.Int32
	for range n {
		wg.Go(func() {
			if _, err := encryptOnce(c, "x"); err != nil {
				failed.Add(1)
			}
		})
	}
	wg.Wait()
	return failed.Load()
}

func TestABurstWithoutConnectionsMakesAFew(t *testing.T) {
	p := startProxy(t, echoEncrypt, nil)
	c := p.client(t, nil)
	if n := together(200, c); n > 0 {
		t.Errorf("%d of 200 calls failed", n)
	}
	if n := p.connections.Load(); n > 60 {
		t.Errorf("200 calls at once took %d connections", n)
	}
	if c.t.dialing != 0 || len(c.t.waiting) != 0 {
		t.Errorf("afterwards %d connections are being made and %d calls wait", c.t.dialing, len(c.t.waiting))
	}
}

// A stall costs the calls under way, and their connections, but not the next ones.
func TestAStallOfTheProxyIsOverWhenItIsOver(t *testing.T) {
	var stalled atomic.Bool
	stall := make(chan struct{})
	p := startProxy(t, func(w http.ResponseWriter, r *http.Request) {
		if stalled.Load() {
			<-stall
		}
		echoEncrypt(w, r)
	}, nil)
	c := p.client(t, func(c *ClientConfig) { c.Timeout = time.Second })
	if n := together(64, c); n > 0 {
		t.Fatalf("%d calls failed before the stall", n)
	}
	stalled.Store(true)
	if n := together(64, c); n != 64 {
		t.Errorf("%d of 64 calls failed during the stall", n)
	}
	stalled.Store(false)
	close(stall)
	if _, err := encryptOnce(c, "x"); err != nil {
		t.Errorf("the first call after the stall: %v", err)
	}
	if n := together(32, c); n > 0 {
		t.Errorf("%d of 32 calls failed after the stall", n)
	}
	if c.t.dialing != 0 || len(c.t.waiting) != 0 {
		t.Errorf("afterwards %d connections are being made and %d calls wait", c.t.dialing, len(c.t.waiting))
	}
}

func TestWarmConnectionsAreUsed(t *testing.T) {
	p := startProxy(t, echoEncrypt, nil)
	c := p.client(t, nil)
	if err := c.Warm(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, err := encryptOnce(c, "x"); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.connections.Load(); n != 2 {
		t.Errorf("two warm connections and five calls took %d connections", n)
	}
}

// Called again, Warm replaces what the proxy has cut, and no more.
func TestWarmReplacesConnectionsThatWereCut(t *testing.T) {
	p := startProxy(t, echoEncrypt, nil)
	c := p.client(t, nil)
	for _, want := range []int32{2, 2, 4} {
		if want == 4 {
			p.CloseClientConnections()
		}
		if err := c.Warm(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		if n := p.connections.Load(); n != want || len(c.t.idle) != 2 {
			t.Errorf("%d connections were made, want %d; %d are kept", n, want, len(c.t.idle))
		}
	}
	c.t.idle[0].lastUsed = time.Now().Add(-idleTime + WarmInterval) // soon closed
	if err := c.Warm(t.Context(), 2); err != nil || p.connections.Load() != 5 {
		t.Errorf("%v, %d connections", err, p.connections.Load())
	}
}
