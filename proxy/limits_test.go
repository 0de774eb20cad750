package proxy_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hyok/internal/fault"
	"hyok/internal/sigv4"
	"hyok/proxy"
	"hyok/proxy/xks"
)

// XKS facts 52 to 56: the largest legal body is read, and the limit is exact.
func TestTheBodyLimit(t *testing.T) {
	r := newRig(t, nil)
	for n, want := range map[int]xks.ErrorName{128 << 10: "", 128<<10 + 1: xks.UnsupportedOperationException} {
		body := `{"requestMetadata":{"kmsOperation":"a","kmsRequestId":"b"}}`
		body += strings.Repeat(" ", n-len(body))
		r.do(t, request{path: "/health", body: body}).want(t, fmt.Sprintf("%d bytes", n), want)
		chunked := func(r *http.Request) { r.ContentLength = -1 }
		r.do(t, request{path: "/health", body: body, after: chunked}).want(t, fmt.Sprintf("%d bytes, chunked", n), want)
	}
}

func TestABodyThatEndsEarlyIsRefused(t *testing.T) {
	r := newRig(t, nil)
	conn := r.dial(t)
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{}", prefix+xks.BasePath+"/health")
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("got %+v, %v", resp, err)
	}
}

func (r *rig) dial(t *testing.T) *tls.Conn {
	t.Helper()
	c := r.kit.ClientConfig()
	c.ServerName, c.NextProtos = "localhost", []string{"http/1.1"}
	conn, err := tls.Dial("tcp", "127.0.0.1:"+r.port(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// A client that sends its body slowly does not take a place.
func TestSlowBodiesDoNotCountAsUnderWay(t *testing.T) {
	r := newRig(t, func(c *proxy.Config) { c.Stores[0].Concurrency = 1 })
	conn := r.dial(t)
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n", prefix+xks.BasePath+"/health")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil) // comes when the handler begins to read
	if err != nil || resp.StatusCode != http.StatusContinue {
		t.Fatalf("got %+v, %v", resp, err)
	}
	r.do(t, request{path: "/health", body: members{"requestMetadata": metadataOf("KmsHealthCheck")}}).want(t, "another's request", "")
}

func TestConcurrencyIsPerStoreAndIsGivenBack(t *testing.T) {
	r := newRig(t, func(c *proxy.Config) {
		second := c.Stores[0]
		second.PathPrefix = "/other"
		c.Stores[0].Concurrency = 1
		c.Stores = append(c.Stores, second)
	})
	health := request{path: "/health", body: members{"requestMetadata": metadataOf("KmsHealthCheck")}}
	t.Run("while one is under way", func(t *testing.T) {
		r.occupy(t)
		r.do(t, health).want(t, "same store", xks.ThrottlingException)
		other := health
		other.before = underPrefix("/other")
		r.do(t, other).want(t, "another store", "")
	})
	for range 100 { // the place is free as soon as the server has seen the client go
		if a := r.do(t, health); a.status == http.StatusOK {
			return
		}
	}
	t.Error("the place was not given back")
}

// XKS facts 24, 92: a bucket of one second's worth.
func TestTheRateLimit(t *testing.T) {
	for limit, want := range map[float64]int{3: 3, 0.5: 1, -1: 20} {
		r := newRig(t, func(c *proxy.Config) { c.Stores[0].RateLimit = limit })
		synctest.Test(t, func(t *testing.T) { // no time passes but what we let pass
			h := r.server.Handler()
			first := allowed(r, h, 20)
			if first != want {
				t.Errorf("limit %g: %d of 20 requests at once, want %d", limit, first, want)
			}
			if <-time.After(2 * time.Second); limit == 0.5 {
				if n := allowed(r, h, 5); n != 1 {
					t.Errorf("limit %g: %d two seconds later, want 1", limit, n)
				}
			}
		})
	}
}

// allowed sends n requests that are not JSON and counts those that got so far.
func allowed(r *rig, h http.Handler, n int) (got int) {
	for range n {
		body := []byte("x")
		req, _ := http.NewRequest(http.MethodPost, "https://localhost"+prefix+xks.BasePath+"/health", bytes.NewReader(body))
		req.RequestURI = req.URL.Path
		_ = sigv4.Sign(req, body, short, region, xks.Service, r.time(), sigv4.Options{RawPath: true})
		w := &recorder{header: http.Header{}}
		if h.ServeHTTP(w, req); w.status == http.StatusBadRequest {
			got++
		}
	}
	return got
}

// recorder is the least ResponseWriter.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

// What a fault at the proxy is to KMS.
func TestInjectedFaults(t *testing.T) {
	r := newRig(t, nil)
	c, err := xks.NewClient(xks.ClientConfig{Endpoint: "https://localhost:" + r.port(), Path: prefix + xks.BasePath,
		Credential: short, Region: region, TLS: r.kit.ClientConfig()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for _, row := range []struct {
		rule fault.Rule
		want string
	}{
		{fault.Rule{Latency: 300 * time.Millisecond}, "TimedOut"},
		{fault.Rule{Blackhole: true}, "TimedOut"},
		{fault.Rule{Reset: true}, "Unreachable"},
		{fault.Rule{Error: "ThrottlingException"}, "ThrottlingException"},
		{fault.Rule{Latency: time.Millisecond}, ""},
		{fault.Rule{Op: "Decrypt", Reset: true}, ""},
	} {
		row.rule.At = fault.Proxy
		if _, err := r.faults.Add(row.rule); err != nil {
			t.Fatal(err)
		}
		_, err := c.GetHealthStatus(soon(t), &xks.GetHealthStatusRequest{RequestMetadata: xks.RequestMetadata{KMSOperation: "a", KMSRequestID: "b"}})
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%+v: got %v, want %s", row.rule, err, row.want)
		}
		r.faults.Clear()
	}
}

// XKS fact 81: a ciphertext that does not decrypt is made again once, and then
// it is the proxy's fault, never the caller's.
func TestTheVerifyingDecryption(t *testing.T) {
	r := newRig(t, nil)
	once := fault.Rule{At: fault.HSM, Op: "Decrypt", Error: "CKR_ENCRYPTED_DATA_INVALID", Count: 1}
	if _, err := r.faults.Add(once); err != nil {
		t.Fatal(err)
	}
	_, body := r.sealed(t, "good")
	if left := r.faults.List(); len(left) != 0 {
		t.Fatalf("the failure was not met: %+v", left)
	}
	r.do(t, request{path: "/keys/good/decrypt", body: body}).want(t, "what was made the second time", "")
	once.Count = 2
	if _, err := r.faults.Add(once); err != nil {
		t.Fatal(err)
	}
	r.do(t, request{path: "/keys/good/encrypt", body: encryptBody()}).want(t, "two failures", xks.InternalException)
}
