package xks

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// avoidTime is how long an address that failed is tried after the others only.
const avoidTime = 10 * time.Second

// A dialer makes connections to the addresses of one name, each to the next one
// in turn. An address that refuses is passed over at once; one that swallows
// costs the attempt its time, and the next attempt goes elsewhere.
type dialer struct {
	network string
	host    string   // looked up for each connection
	port    string   // of all addresses of host
	fixed   []string // host:port to dial instead of host and port
	lookup  func(ctx context.Context, network, host string) ([]netip.Addr, error)

	mu     sync.Mutex
	turn   int
	failed map[string]time.Time // addresses that failed, and when
}

// newDialer says where to connect. Targets from resolve may be of any address
// family, for rehearsals; else only IPv4 is used (XKS fact 11).
func newDialer(u *url.URL, resolve map[string]string) *dialer {
	d := &dialer{
		network: "tcp4", host: u.Hostname(), port: cmp.Or(u.Port(), httpsPort),
		lookup: net.DefaultResolver.LookupNetIP, failed: map[string]time.Time{},
	}
	for _, name := range []string{net.JoinHostPort(d.host, d.port), u.Host, d.host} {
		if targets := resolve[name]; targets != "" {
			d.network, d.fixed = "tcp", strings.Split(targets, ",")
			break
		}
	}
	return d
}

// dial makes a TCP connection and says to which address.
func (d *dialer) dial(ctx context.Context) (net.Conn, string, error) {
	all, err := d.addresses(ctx)
	if err != nil {
		return nil, "", err
	}
	var errs []error
	for _, addr := range d.order(all, time.Now()) {
		conn, err := (&net.Dialer{}).DialContext(ctx, d.network, addr)
		if err == nil {
			return conn, addr, nil
		}
		d.note(addr, false)
		errs = append(errs, err)
		if outOfTime(ctx, err) { // the attempt is over
			return nil, "", err
		}
	}
	return nil, "", errors.Join(errs...)
}

func (d *dialer) addresses(ctx context.Context) ([]string, error) {
	if d.fixed != nil {
		return d.fixed, nil
	}
	found, err := d.lookup(ctx, "ip4", d.host)
	if err != nil {
		return nil, err
	}
	all := make([]string, len(found))
	for i, a := range found {
		all[i] = net.JoinHostPort(a.Unmap().String(), d.port)
	}
	return all, nil
}

// order begins with the address whose turn it is, and puts those that failed
// within avoidTime behind the others.
func (d *dialer) order(all []string, now time.Time) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	for a, since := range d.failed {
		if now.Sub(since) >= avoidTime {
			delete(d.failed, a)
		}
	}
	first := d.turn % max(1, len(all))
	d.turn++
	turned := slices.Concat(all[first:], all[:first])
	slices.SortStableFunc(turned, func(a, b string) int { return d.failed[a].Compare(d.failed[b]) })
	return turned
}

// note remembers whether a connection to addr could be set up, TLS included.
func (d *dialer) note(addr string, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if ok {
		delete(d.failed, addr)
		return
	}
	d.failed[addr] = time.Now()
}
