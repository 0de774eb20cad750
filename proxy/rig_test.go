package proxy_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"hyok/certs/certstest"
	"hyok/hsm"
	"hyok/internal/fault"
	"hyok/internal/metrics"
	"hyok/internal/sigv4"
	"hyok/proxy"
	"hyok/proxy/xks"
	"hyok/softhsm"
	"hyok/softhsm/softhsmtest"
)

const (
	prefix = "/tenant-1"
	region = "us-east-1"
)

// Credentials of the shortest and the longest form (XKS fact 37).
var (
	short = sigv4.Credential{AccessKeyID: strings.Repeat("A2", 10), Secret: strings.Repeat("a", 42) + "="}
	long  = sigv4.Credential{AccessKeyID: strings.Repeat("B7Z", 10), Secret: strings.Repeat("a/+9", 16)}
)

// A rig is a proxy on a SoftHSM token of its own, served over TLS. The token has
// the keys good, other, sealer (may only encrypt), opener (may only decrypt),
// off (disabled) and small (AES-128).
type rig struct {
	server   *proxy.Server
	https    *httptest.Server
	token    *hsm.Token
	faults   *fault.Set
	registry *metrics.Registry
	log      *syncBuffer
	now      time.Time // zero: the real time
	// authenticating gets a value, when it has none, as a request's signature is
	// about to be verified.
	authenticating chan struct{}
	kit            *certstest.Kit
	http           *http.Client
	dir            *softhsm.Dir
	label          string
}

// newRig serves one store under prefix; change may be nil.
func newRig(t testing.TB, change func(*proxy.Config)) *rig {
	t.Helper()
	r := &rig{faults: fault.New(nil), registry: metrics.New("test", "v1.2.3"), log: new(syncBuffer), kit: certstest.New(t),
		authenticating: make(chan struct{}, 1)}
	r.openToken(t)
	c := proxy.Config{
		Stores: []proxy.Store{{
			PathPrefix: prefix, Credentials: []sigv4.Credential{short, long}, Regions: []string{region},
			Token: r.token, RateLimit: -1, Deadline: 5 * time.Second,
		}},
		Faults: r.faults, Metrics: r.registry, Now: r.serverTime,
		Log: slog.New(slog.NewJSONHandler(r.log, nil)),
	}
	if change != nil {
		change(&c)
	}
	var err error
	if r.server, err = proxy.New(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.server.Close() })
	r.https = httptest.NewUnstartedServer(r.server.Handler())
	r.https.EnableHTTP2 = true
	r.https.TLS = r.kit.ServerConfig(t)
	r.https.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	r.https.StartTLS()
	t.Cleanup(r.https.Close)
	transport := &http.Transport{TLSClientConfig: r.kit.ClientConfig()}
	t.Cleanup(transport.CloseIdleConnections)
	r.http = &http.Client{Transport: transport}
	return r
}

func (r *rig) time() time.Time {
	if r.now.IsZero() {
		return time.Now()
	}
	return r.now
}

func (r *rig) serverTime() time.Time {
	select {
	case r.authenticating <- struct{}{}:
	default:
	}
	return r.time()
}

func (r *rig) openToken(t testing.TB) {
	t.Helper()
	r.label = softhsmtest.Label(t)
	r.dir = softhsmtest.TestDir(t, r.label)
	path, err := softhsm.Module()
	if err != nil {
		t.Fatal(err)
	}
	module, err := hsm.Load(hsm.ModuleConfig{Path: path, Faults: r.faults})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { module.Close() })
	if r.token, err = module.Open(soon(t), hsm.TokenConfig{Label: r.label, Profile: "softhsm", PIN: softhsmtest.PIN}); err != nil {
		t.Fatal(err)
	}
	for _, label := range []string{"good", "other", "off", ".", ".."} {
		if _, err := r.token.CreateKey(soon(t), label); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.token.SetEnabled(soon(t), "off", false); err != nil {
		t.Fatal(err)
	}
	r.makeKey(t, "sealer", 32, true, false)
	r.makeKey(t, "opener", 32, false, true)
	r.makeKey(t, "small", 16, true, true)
}

// soon is a context for what must not take long.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// client makes a client of the store under prefix.
func (r *rig) client(t testing.TB, c sigv4.Credential) *xks.Client {
	t.Helper()
	return r.clientAt(t, c, r.port())
}

func (r *rig) clientAt(t testing.TB, c sigv4.Credential, port string) *xks.Client {
	t.Helper()
	client, err := xks.NewClient(xks.ClientConfig{
		Endpoint: "https://localhost:" + port, Path: prefix + xks.BasePath,
		Credential: c, Region: region, TLS: r.kit.ClientConfig(), Timeout: 20 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func (r *rig) port() string {
	u, err := url.Parse(r.https.URL)
	if err != nil {
		panic(err)
	}
	return u.Port()
}

// syncBuffer is a buffer for many writers.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
