package xks

import (
	"testing"
	"time"

	"hyok/internal/fault"
)

// faulty makes a client whose network suffers r, with one connection kept.
func faulty(t *testing.T, r fault.Rule) (*testProxy, *Client) {
	t.Helper()
	p := startProxy(t, echoEncrypt, nil)
	set := fault.New(nil)
	c := p.client(t, func(c *ClientConfig) { c.Faults, c.Timeout = set, 0 })
	if _, err := encryptOnce(c, "x"); err != nil {
		t.Fatal(err)
	}
	r.At = fault.Network
	if _, err := set.Add(r); err != nil {
		t.Fatal(err)
	}
	return p, c
}

func TestInjectedLatency(t *testing.T) {
	_, c := faulty(t, fault.Rule{Op: OpEncrypt, Latency: time.Second, Count: 1})
	took(t, 1, func() {
		_, err := encryptOnce(c, "x")
		wantTransport(t, err, TimedOut, 1)
	})
	if _, err := encryptOnce(c, "x"); err != nil {
		t.Error(err)
	}
}

func TestInjectedLatencyBelowTheLimitOnlySlows(t *testing.T) {
	_, c := faulty(t, fault.Rule{Op: fault.AnyOp, Latency: 30 * time.Millisecond})
	start := time.Now()
	if _, err := encryptOnce(c, "x"); err != nil || time.Since(start) < 30*time.Millisecond {
		t.Errorf("%v after %s", err, time.Since(start))
	}
}

func TestInjectedReset(t *testing.T) {
	p, c := faulty(t, fault.Rule{Op: fault.AnyOp, Reset: true, Count: 1})
	_, err := encryptOnce(c, "x")
	wantTransport(t, err, Unreachable, 1)
	if _, err := encryptOnce(c, "x"); err != nil || p.connections.Load() != 2 {
		t.Errorf("%v, %d connections; the kept one must have been cut", err, p.connections.Load())
	}
}

func TestInjectedBlackhole(t *testing.T) {
	p, c := faulty(t, fault.Rule{Op: fault.AnyOp, Blackhole: true, Count: 3})
	took(t, 2, func() {
		_, err := encryptOnce(c, "x")
		wantTransport(t, err, Unreachable, 2)
	})
	if n := len(c.t.idle); n != 0 {
		t.Errorf("%d connections are kept in a black hole", n)
	}
	took(t, 1, func() { // the second attempt gets through
		if _, err := encryptOnce(c, "x"); err != nil {
			t.Error(err)
		}
	})
	if n := p.requests.Load(); n != 2 {
		t.Errorf("%d requests", n)
	}
}
