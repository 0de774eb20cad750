package proxy_test

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"hyok/internal/serve"
	"hyok/proxy"
	"hyok/proxy/xks"
)

// bad are the ways of clients that never finish.
var bad = []struct{ name, start, drip string }{
	{"a header that dribbles", "POST / HTTP/1.1\r\nHost: x\r\nX-Slow: ", "a"},
	{"a body that dribbles", "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", "a"},
	{"a chunked body without an end", "POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n"},
	{"a header that is too large", "POST / HTTP/1.1\r\nHost: x\r\nX-Large: " + strings.Repeat("a", 15<<10), "aaaa"},
	{"nothing after the handshake", "", ""},
}

// dribble opens n connections, in turn each of the bad ways, and keeps them
// dribbling until the test ends.
func dribble(t *testing.T, n int, addr string, config *tls.Config) {
	t.Helper()
	var opened, clients sync.WaitGroup
	stop := make(chan struct{})
	places := make(chan struct{}, 16) // handshakes at once
	for i := range n {
		opened.Add(1)
		clients.Go(func() {
			places <- struct{}{}
			conn, err := tls.Dial("tcp", addr, config)
			<-places
			if err != nil {
				t.Error(err)
				opened.Done()
				return
			}
			defer conn.Close()
			way := bad[i%len(bad)]
			start := way.start
			if strings.Contains(start, "%s") {
				start = fmt.Sprintf(start, prefix+xks.BasePath+"/keys/good/encrypt")
			}
			_, err = conn.Write([]byte(start))
			opened.Done()
			for err == nil {
				select {
				case <-stop:
					return
				case <-time.After(time.Second):
					_, err = conn.Write([]byte(way.drip)) // the server may have had enough
				}
			}
		})
	}
	opened.Wait()
	t.Cleanup(func() {
		close(stop)
		clients.Wait()
	})
}

// good lets eight callers encrypt for a time.
func good(c *xks.Client, d time.Duration) *load {
	l := new(load)
	var callers sync.WaitGroup
	end := time.Now().Add(d)
	for range 8 {
		callers.Go(func() {
			for time.Now().Before(end) {
				timed(l, c)
			}
		})
	}
	callers.Wait()
	return l
}

func TestClientsThatDribbleDoNotDisturbOthers(t *testing.T) {
	r := newRig(t, func(c *proxy.Config) {
		c.Stores[0].Deadline, c.Log = 0, slog.New(slog.DiscardHandler)
	})
	g, err := serve.Start(serve.Endpoint{Name: "xks", Listen: "127.0.0.1:0", TLS: r.kit.ServerConfig(t), Handler: r.server.Handler()})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close(time.Second)
	_, port, err := net.SplitHostPort(g.Addr("xks"))
	if err != nil {
		t.Fatal(err)
	}
	c := r.clientAt(t, short, port)

	before := good(c, 2*time.Second)
	dribble(t, 1000, g.Addr("xks"), r.kit.ClientConfig())
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	during := good(c, 3*time.Second)
	if len(before.refused)+len(before.others)+len(during.refused)+len(during.others) > 0 {
		t.Errorf("good calls failed: %d refused, others %v", len(before.refused)+len(during.refused), append(before.others, during.others...))
	}
	was, is := p99(before.accepted), p99(during.accepted)
	t.Logf("p99 of good calls %s, with 1000 clients that dribble %s; the heap, clients included, is %d MiB", was, is, m.HeapInuse>>20)
	if limit := max(2*was, 10*time.Millisecond); is > limit {
		t.Errorf("p99 of good calls went from %s to %s", was, is)
	}
}
