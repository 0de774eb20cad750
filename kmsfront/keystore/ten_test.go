package keystore

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hyok/kmsfront/material"
	hsmcluster "hyok/proxy/cluster"
	"hyok/proxy/xks"
)

// Ten key stores of both types are connected and disconnected again and again
// while their keys are in use, and leave nothing behind. HYOK_ROUNDS sets how
// often each is; 1000 make ten thousand in all.
const (
	tenKinds      = 5
	defaultRounds = 10
)

// A footprint is what a process holds.
type footprint struct{ goroutines, descriptors int }

func footprintNow(t *testing.T) footprint {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return footprint{runtime.NumGoroutine(), len(fds)}
}

// A ten is the key stores and what is behind them.
type ten struct {
	*env
	f        *fakeProxy
	clusters []*realCluster
	ids      []string
	keys     []*material.Key
	before   footprint
}

func newTen(t *testing.T) *ten {
	t.Helper()
	n := &ten{}
	n.env = newEnv(t, func(e *env) {
		n.f = newFakeProxy(t, e)
		n.f.change(func() { n.f.path = "" }) // every path is served
		for i := range tenKinds {
			n.clusters = append(n.clusters, newCluster(e, fmt.Sprintf("cluster-abcdefghi%dk", i+2)))
		}
		n.before = footprintNow(t)
	})
	for i, c := range n.clusters {
		c.reconfigure(func(conf *hsmcluster.Config) { conf.Certificate = fmt.Sprint("history ", i) }) // one of its own
		n.ids = append(n.ids, n.create(c.request(fmt.Sprint("hsm ", i))))
	}
	for i := range tenKinds {
		in := n.f.request(fmt.Sprint("external ", i))
		in.XksProxyUriPath = fmt.Sprintf("/p%d%s", i, xks.BasePath)
		n.ids = append(n.ids, n.create(in))
	}
	for i, id := range n.ids {
		n.connected(id)
		k := n.key(id, "")
		if i >= tenKinds {
			k = n.key(id, "external-1")
		}
		if _, err := n.prepare(k); err != nil {
			t.Fatal(err)
		}
		n.keys = append(n.keys, k)
	}
	return n
}

// load uses a key until stop is closed; errs gets the first answer that must not be.
func (n *ten) load(k *material.Key, stop <-chan struct{}, errs chan<- error) {
	tick := time.NewTicker(2 * time.Millisecond) // so that the connecting has the processor too
	defer tick.Stop()
	for {
		select {
		case <-stop:
			errs <- nil
			return
		case <-tick.C:
		}
		if _, err := n.encrypt(k, "plaintext"); err != nil && !strings.Contains(err.Error(), "is unavailable") {
			errs <- fmt.Errorf("%s: %w", k.Origin, err)
			return
		}
	}
}

// leaves waits until the process holds no more than at the beginning.
func (n *ten) leaves() {
	n.t.Helper()
	deadline, tick := time.Now().Add(patience), time.NewTicker(50*time.Millisecond)
	defer tick.Stop()
	for {
		now := footprintNow(n.t)
		if now.goroutines <= n.before.goroutines && now.descriptors <= n.before.descriptors {
			n.t.Logf("before %+v, afterwards %+v", n.before, now)
			return
		}
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			n.t.Fatalf("before %+v, afterwards %+v:\n%s", n.before, now, buf[:runtime.Stack(buf, true)])
		}
		<-tick.C
	}
}

func TestTenKeyStoresLeaveNothingBehind(t *testing.T) {
	rounds := defaultRounds
	if s := os.Getenv("HYOK_ROUNDS"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	n := newTen(t)
	stop, errs := make(chan struct{}), make(chan error, len(n.ids))
	for _, k := range n.keys {
		go n.load(k, stop, errs)
	}
	start := time.Now()
	var wg sync.WaitGroup
	for _, id := range n.ids {
		wg.Go(func() {
			for range rounds {
				n.disconnected(id)
				n.connected(id)
			}
			n.disconnected(id)
		})
	}
	wg.Wait()
	took := time.Since(start)
	close(stop)
	for range n.ids {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	n.seen.mu.Lock()
	calls := len(n.seen.calls)
	n.seen.mu.Unlock()
	t.Logf("%d connects and disconnects in %s, %d requests to the proxy meanwhile", rounds*len(n.ids), took.Round(time.Millisecond), calls)
	for _, c := range n.clusters {
		if c.token.LoggedIn() {
			t.Errorf("kmsuser of %s stays logged in", c.conf.ID)
		}
	}
	for _, id := range n.ids {
		l, _ := n.links.Load(id)
		if l := l.(*link); l.session.Load() != nil || l.spare != nil {
			t.Errorf("%s still has a session", id)
		}
	}
	n.until("the last connection to the proxy to end", func() bool { return n.f.open == 0 })
	n.stop()
	for _, c := range n.clusters {
		c.CloseClientConnections()
	}
	n.leaves()
	n.start() // for the test's end
}
