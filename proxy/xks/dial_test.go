package xks

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// towards makes a client of p that dials addrs in turn.
func (p *testProxy) towards(t *testing.T, addrs string) (*Client, *[]int) {
	t.Helper()
	attempts := new([]int)
	return p.client(t, func(c *ClientConfig) {
		c.Resolve, c.Timeout = map[string]string{"example.com": addrs}, time.Second
		c.Observe = func(o Observation) { *attempts = append(*attempts, o.Attempts) }
	}), attempts
}

// closeAfter answers and ends the connection, so that each call makes one.
func closeAfter(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	echoEncrypt(w, r)
}

func calls(t *testing.T, c *Client, n int) {
	t.Helper()
	for range n {
		if _, err := encryptOnce(c, "x"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestConnectionsAreSpreadOverTheAddressesOfAName(t *testing.T) {
	one, two := startProxy(t, closeAfter, nil), startProxy(t, closeAfter, nil)
	c, _ := one.towards(t, one.Listener.Addr().String()+","+two.Listener.Addr().String())
	calls(t, c, 10)
	if a, b := one.connections.Load(), two.connections.Load(); a != 5 || b != 5 {
		t.Errorf("ten connections went %d and %d times to the two addresses", a, b)
	}
}

func TestTheAddressesOfANameComeFromDNS(t *testing.T) {
	one := startProxy(t, closeAfter, nil)
	port := one.Listener.Addr().(*net.TCPAddr).AddrPort().Port()
	second, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), port)))
	if err != nil {
		t.Fatal(err)
	}
	two := startProxy(t, closeAfter, func(s *httptest.Server) { s.Listener.Close(); s.Listener = second })
	c := one.client(t, func(c *ClientConfig) { c.Resolve = nil })
	c.t.dialer.port = netip.AddrPortFrom(netip.IPv4Unspecified(), port).String()[len("0.0.0.0:"):]
	c.t.dialer.lookup = func(_ context.Context, network, host string) ([]netip.Addr, error) {
		if network != "ip4" || host != "example.com" {
			t.Errorf("looked up %s as %s", host, network)
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")}, nil
	}
	calls(t, c, 4)
	if a, b := one.connections.Load(), two.connections.Load(); a != 2 || b != 2 {
		t.Errorf("four connections went %d and %d times to the two addresses", a, b)
	}
}

func TestAnAddressThatRefusesIsPassedOver(t *testing.T) {
	one, two := startProxy(t, echoEncrypt, nil), startProxy(t, echoEncrypt, nil)
	c, attempts := one.towards(t, one.Listener.Addr().String()+","+two.Listener.Addr().String())
	calls(t, c, 1) // keeps a connection to the one that goes away
	one.Close()
	calls(t, c, 3)
	if d := cmp.Diff([]int{1, 1, 1, 1}, *attempts); d != "" {
		t.Error(d)
	}
}

// An address that swallows costs one request one attempt; the next ones avoid it.
func TestAnAddressThatSwallowsIsAvoided(t *testing.T) {
	p := startProxy(t, closeAfter, nil)
	for name, hole := range map[string]string{"no TCP": fullListener(t), "no TLS": first(stalled(t, 99, nil))} {
		t.Run(name, func(t *testing.T) {
			c, attempts := p.towards(t, hole+","+p.Listener.Addr().String())
			calls(t, c, 5)
			if d := cmp.Diff([]int{2, 1, 1, 1, 1}, *attempts); d != "" {
				t.Error(d)
			}
		})
	}
}

func first[T, U any](a T, _ U) T { return a }

func TestAddressesThatFailedComeLastForAWhile(t *testing.T) {
	now := time.Now()
	d := &dialer{failed: map[string]time.Time{"a": now.Add(-time.Second), "b": now.Add(-2 * time.Second)}}
	all := []string{"a", "b", "c"}
	for i, want := range [][]string{{"c", "b", "a"}, {"c", "b", "a"}, {"c", "b", "a"}} {
		if diff := cmp.Diff(want, d.order(all, now)); diff != "" {
			t.Errorf("turn %d: %s", i, diff)
		}
	}
	later := now.Add(avoidTime)
	if diff := cmp.Diff([]string{"a", "b", "c"}, d.order(all, later)); diff != "" {
		t.Errorf("after the time has passed: %s", diff)
	}
	d.note("b", false)
	d.note("b", true)
	if diff := cmp.Diff([]string{"b", "c", "a"}, d.order(all, later)); diff != "" {
		t.Errorf("after a success: %s", diff)
	}
}
