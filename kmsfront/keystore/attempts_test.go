package keystore

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"hyok/proxy/xks"
)

// A gate stands before a proxy and counts what comes to its socket.
type gate struct {
	seen *recorder
	addr string
	shut atomic.Bool // keeps new connections without a word

	made, open int // connections; under the recorder's lock
}

func newGate(e *env, target string) *gate {
	e.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { l.Close() })
	g := &gate{seen: e.seen, addr: l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			g.seen.note(func() { g.made++; g.open++ })
			go func() {
				g.pass(c, target)
				g.seen.note(func() { g.open-- })
			}()
		}
	}()
	return g
}

func (g *gate) pass(in net.Conn, target string) {
	defer in.Close()
	if g.shut.Load() {
		_, _ = io.Copy(io.Discard, in) // until the client gives up
		return
	}
	out, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer out.Close()
	go func() { _, _ = io.Copy(out, in); out.Close() }()
	_, _ = io.Copy(in, out)
}

func (g *gate) connections() int {
	g.seen.mu.Lock()
	defer g.seen.mu.Unlock()
	return g.made
}

// An attempt is a case of custom-key-stores §12.
type attempt struct {
	what                         string
	spoil                        func(f *fakeProxy, g *gate)
	connections, requests, waits int
}

// attempts is what happens, how many new connections come to the socket and
// requests to the proxy, and how many time-outs the caller waits for.
var attempts = []attempt{
	//                                                                                  connections requests waits
	{"the connection set-up never completes", both(shut, cutAll), 2, 0, 2},                    // TO-02
	{"connected, no answer in time", rude(sleeps), 0, 1, 1},                                   // TO-03
	{"a new connection, no answer in time", both(rude(sleeps), cutAll), 1, 1, 1},              // TO-03
	{"the connection is cut instead of an answer", rude(aborts), 0, 1, 0},                     // TO-04
	{"the connection is cut as soon as it is there", both(resets, cutAll), 1, 0, 0},           // TO-04
	{"the proxy throttles: 429", rude(refuses(xks.ThrottlingException)), 0, 1, 0},             // TO-04
	{"the proxy is out of time: 503", rude(refuses(xks.DependencyTimeoutException)), 0, 1, 0}, // TO-04
	{"the proxy has no manager: 500", rude(refuses(xks.InternalException)), 0, 1, 0},          // TO-04
	{"the proxy has closed the connections that are kept", cutAll, 1, 1, 0},                   // none of them is picked
	{"all is well", func(*fakeProxy, *gate) {}, 0, 1, 0},
}

func both(a, b func(*fakeProxy, *gate)) func(*fakeProxy, *gate) {
	return func(f *fakeProxy, g *gate) { a(f, g); b(f, g) }
}

func rude(h http.HandlerFunc) func(*fakeProxy, *gate) {
	return func(f *fakeProxy, _ *gate) { f.misbehave("*", h) }
}

func shut(_ *fakeProxy, g *gate)                { g.shut.Store(true) }
func resets(f *fakeProxy, _ *gate)              { f.change(func() { f.reset = true }) }
func cutAll(f *fakeProxy, _ *gate)              { f.CloseClientConnections() }
func aborts(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func TestAttempts(t *testing.T) { // guide 004:21444-21446, contradictions 11, 35
	for _, c := range attempts {
		t.Run(c.what, func(t *testing.T) { c.try(t) })
	}
}

func (c attempt) try(t *testing.T) {
	var f *fakeProxy
	var g *gate
	e := newEnv(t, func(e *env) {
		f = newFakeProxy(t, e)
		g = newGate(e, f.Listener.Addr().String())
		e.c.Resolve, e.c.Ready = map[string]string{f.host(): g.addr}, -1
		if c.waits > 0 {
			brief(e)
		}
	})
	k := e.key(e.connected(e.create(f.request("one"))), "external-1")
	e.until("the connection that is kept", func() bool { return g.open == 1 && f.open == 1 })
	c.spoil(f, g)
	if c.connections > 0 {
		e.until("the end of the connections", func() bool { return g.open == 0 })
	}
	connections, requests := g.connections(), len(f.asked(xks.OpEncrypt))
	start := time.Now()
	_, err := e.encrypt(k, "p")
	took := time.Since(start)
	if got := g.connections() - connections; got != c.connections {
		t.Errorf("%d new connections, want %d (%v)", got, c.connections, err)
	}
	if got := len(f.asked(xks.OpEncrypt)) - requests; got != c.requests {
		t.Errorf("%d requests, want %d (%v)", got, c.requests, err)
	}
	waited := time.Duration(c.waits) * e.c.ProxyTimeout
	if took < waited {
		t.Errorf("took %s, want %s or more", took, waited)
	}
	last := e.seen.calls[len(e.seen.calls)-1]
	if c.waits > 0 && last.Latency != waited {
		t.Errorf("the metric has %s, want %s", last.Latency, waited)
	}
	t.Logf("the caller waited %s, the metric has %s: %v", took.Round(100*time.Microsecond), last.Latency.Round(100*time.Microsecond), err)
}

// A proxy's late answer is nobody's: neither of the next request nor of one
// that is under way (guide TO-06).
func TestALateAnswerIsNeverAnothers(t *testing.T) {
	e, f, k := usable(t, brief)
	blobs := map[string][]byte{}
	for i := range 8 {
		text := fmt.Sprint("plaintext ", i)
		blob, err := e.encrypt(k, text)
		if err != nil {
			t.Fatal(err)
		}
		blobs[text] = blob
	}
	goOn, begun := make(chan struct{}), make(chan struct{}, 1)
	f.misbehave(xks.OpDecrypt, hold(begun, goOn, f.late))
	_, err := e.decrypt(k, blobs["plaintext 0"])
	refused(t, err, "KMSInvalidStateException", msgTimedOut)
	f.misbehave(xks.OpDecrypt, nil)
	close(goOn) // the answer to plaintext 0 comes now
	for range 3 {
		for text, blob := range blobs {
			if got, err := e.decrypt(k, blob); err != nil || got != text {
				t.Errorf("got %q, %v, want %q", got, err, text)
			}
		}
	}
}

// late answers well what it was asked.
func (f *fakeProxy) late(w http.ResponseWriter, r *http.Request) {
	var in fakeRequest
	if err := json.NewDecoder(r.Body).Decode(&in); err == nil {
		f.do(xks.OpDecrypt, &in)(w, r)
	}
}
