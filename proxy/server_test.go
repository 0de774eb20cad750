package proxy_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"hyok/internal/fault"
	"hyok/internal/logtest"
	"hyok/internal/metrics"
	"hyok/internal/sigv4"
	"hyok/proxy"
	"hyok/proxy/xks"
)

// XKS facts 69 to 71.
func TestHealthTellsOfTheProxyAndTheDevice(t *testing.T) {
	r := newRig(t, nil)
	c := r.client(t, short)
	req := &xks.GetHealthStatusRequest{RequestMetadata: xks.RequestMetadata{KMSOperation: "KmsHealthCheck", KMSRequestID: "1"}}
	got, err := c.GetHealthStatus(soon(t), req)
	if err != nil {
		t.Fatal(err)
	}
	want := &xks.GetHealthStatusResponse{
		XksProxyFleetSize: 1, XksProxyVendor: "hyok", XksProxyModel: "xksproxy " + metrics.Version(), EkmVendor: "SoftHSM project",
		EkmFleetDetails: []xks.EKMFleetDetail{{ID: r.token.Info().Serial, Model: "SoftHSM v2", HealthStatus: xks.HealthActive}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := r.faults.Add(fault.Rule{At: fault.HSM, Error: "CKR_DEVICE_ERROR"}); err != nil {
		t.Fatal(err)
	}
	if got, err = c.GetHealthStatus(soon(t), req); err != nil || got.EkmFleetDetails[0].HealthStatus != xks.HealthUnavailable {
		t.Errorf("of a broken device: %+v, %v", got, err)
	}
}

// XKS fact 75.
func TestChecksForBalancers(t *testing.T) {
	r := newRig(t, nil)
	s := httptest.NewServer(r.server.Operations())
	t.Cleanup(s.Close)
	get := func(path string) (int, string) {
		resp, err := http.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b)
	}
	r.do(t, request{path: "/health", body: members{"requestMetadata": metadataOf("KmsHealthCheck")}}) // waits for a check
	for _, path := range []string{"/livez", "/readyz"} {
		if status, body := get(path); status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if _, err := r.faults.Add(fault.Rule{At: fault.HSM, Error: "CKR_DEVICE_ERROR"}); err != nil {
		t.Fatal(err)
	}
	r.do(t, request{path: "/health", body: members{"requestMetadata": metadataOf("KmsHealthCheck")}})
	if status, _ := get("/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz without a device: %d", status)
	}
	r.faults.Clear()
	r.do(t, request{path: "/health", body: members{"requestMetadata": metadataOf("KmsHealthCheck")}})
	r.server.Drain()
	if status, body := get("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "shutting down") {
		t.Errorf("/readyz while draining: %d %s", status, body)
	}
	_, text := get("/metrics")
	for _, line := range []string{
		`hyok_build_info{go_version="[^"]*",program="test",version="v1.2.3"} 1`,
		`hyok_xks_requests_total{operation="GetHealthStatus",outcome="ok",store="/tenant-1"} 3`,
		`hyok_xks_requests_in_flight{operation="GetHealthStatus",store="/tenant-1"} 0`,
		`hyok_xks_hsm_seconds_count{operation="GetHealthStatus",store="/tenant-1"} 3`,
		`hyok_xks_device_up{token="` + r.label + `"} `,
	} {
		if !regexp.MustCompile(`(?m)^` + line).MatchString(text) {
			t.Errorf("the metrics have no line %s", line)
		}
	}
}

// XKS facts 63, 67, 96: one line a request, with what an operator needs and
// nothing of what is encrypted.
func TestTheAccessLog(t *testing.T) {
	r := newRig(t, nil)
	secret := []byte("a plaintext nobody may see")
	body := encryptBody().with("plaintext", secret).with("additionalAuthenticatedData", secret)
	r.do(t, request{path: "/keys/good/encrypt", body: body}).want(t, "encrypting", "")
	r.do(t, request{path: "/keys/none/encrypt", body: body}).want(t, "encrypting", xks.KeyNotFoundException)
	if _, err := r.faults.Add(fault.Rule{At: fault.Proxy, Error: "InternalException"}); err != nil {
		t.Fatal(err)
	}
	r.do(t, request{path: "/keys/good/encrypt", body: body}).want(t, "encrypting", xks.InternalException)
	r.https.Close() // the last line is written after the answer

	log := r.log.String()
	for _, hidden := range []string{string(secret), base64.StdEncoding.EncodeToString(secret), short.Secret} {
		if strings.Contains(log, hidden) {
			t.Errorf("the log shows %q", hidden)
		}
	}
	lines := strings.Split(strings.TrimSpace(log), "\n")
	if len(lines) != 3 {
		t.Fatalf("three requests made %d lines:\n%s", len(lines), log)
	}
	for i, want := range []map[string]any{
		{"level": "INFO", "outcome": "ok", "key": "good", "status": 200.0},
		{"level": "INFO", "outcome": "KeyNotFoundException", "key": "none", "status": 404.0},
		{"level": "WARN", "outcome": "InternalException", "key": "good", "status": 500.0},
	} {
		var got map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
			t.Fatal(err)
		}
		want["operation"], want["kms_operation"], want["kms_request_id"] = "Encrypt", "Encrypt", "not-a-uuid"
		want["principal"], want["store"], want["access_key_id"] = "arn:aws:iam::123456789012:user/Alice", prefix, short.AccessKeyID
		for name, value := range want {
			if got[name] != value {
				t.Errorf("line %d: %s is %v, want %v", i, name, got[name], value)
			}
		}
		if _, ok := got["latency_ms"].(float64); !ok || i == 0 && got["hsm_ms"].(float64) <= 0 {
			t.Errorf("line %d: latency_ms %v, hsm_ms %v", i, got["latency_ms"], got["hsm_ms"])
		}
	}
}

func TestTheAccessLogCanBeTurnedOff(t *testing.T) {
	out := new(logtest.Buffer)
	r := newRig(t, func(c *proxy.Config) {
		c.Log = slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: slog.LevelWarn}))
	})
	r.sealed(t, "good")
	r.https.Close()
	if out.String() != "" {
		t.Errorf("logged %s", out)
	}
}

// XKS facts 8, 9: both versions of HTTP, and no TLS before 1.2.
func TestTransports(t *testing.T) {
	r := newRig(t, nil)
	for name, want := range map[string]string{"h2": "HTTP/2.0", "http/1.1": "HTTP/1.1"} {
		transport := &http.Transport{TLSClientConfig: r.kit.ClientConfig(), ForceAttemptHTTP2: name == "h2"}
		resp, err := (&http.Client{Transport: transport}).Post(r.https.URL+prefix+xks.BasePath+"/health", "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.Proto != want || resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("got %s, %d; want %s", resp.Proto, resp.StatusCode, want)
		}
		transport.CloseIdleConnections()
	}
	old := r.kit.ClientConfig()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if conn, err := tls.Dial("tcp", "127.0.0.1:"+r.port(), old); err == nil {
		conn.Close()
		t.Error("TLS 1.1 was accepted")
	}
}

func TestClustersAreServedBeside(t *testing.T) {
	r := newRig(t, func(c *proxy.Config) {
		c.Clusters = []proxy.Cluster{{ID: "cluster-1", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.URL.Path)
		})}}
	})
	for path, want := range map[string]int{"/cluster/cluster-1/v1/describe": 200, "/cluster/cluster-2/v1/describe": 404, "/cluster/cluster-1": 404} {
		w := &recorder{header: http.Header{}, status: 200}
		req, _ := http.NewRequest(http.MethodPost, "https://localhost"+path, nil)
		r.server.Handler().ServeHTTP(w, req)
		if w.status != want || want == 200 && w.body.String() != path {
			t.Errorf("%s: got %d %s", path, w.status, &w.body)
		}
	}
}

func TestConfigurationsThatCannotBeServed(t *testing.T) {
	r := newRig(t, nil)
	good := proxy.Store{Credentials: []sigv4.Credential{short}, Token: r.token}
	nothing := http.NotFoundHandler()
	for name, change := range map[string]func(*proxy.Config){
		"no store":                func(c *proxy.Config) { c.Stores = nil },
		"one prefix twice":        func(c *proxy.Config) { c.Stores = append(c.Stores, good) },
		"prefix that cannot be":   func(c *proxy.Config) { c.Stores[0].PathPrefix = "/a/" },
		"no token":                func(c *proxy.Config) { c.Stores[0].Token = nil },
		"no credential":           func(c *proxy.Config) { c.Stores[0].Credentials = nil },
		"key ID that cannot be":   func(c *proxy.Config) { c.Stores[0].Keys = map[string]proxy.Key{"a b": {}} },
		"cluster ID cannot be":    func(c *proxy.Config) { c.Clusters = []proxy.Cluster{{ID: "../x", Handler: nothing}} },
		"cluster without handler": func(c *proxy.Config) { c.Clusters = []proxy.Cluster{{ID: "cluster-1"}} },
		"one cluster twice": func(c *proxy.Config) {
			c.Clusters = []proxy.Cluster{{ID: "cluster-1", Handler: nothing}, {ID: "cluster-1", Handler: nothing}}
		},
	} {
		c := proxy.Config{Stores: []proxy.Store{good}}
		change(&c)
		if s, err := proxy.New(context.Background(), c); err == nil {
			s.Close()
			t.Errorf("%s: accepted", name)
		}
	}
}

// A change of the stores does not forget what the limits have counted.
func TestStoresAreReplacedWhileServing(t *testing.T) {
	r := newRig(t, func(c *proxy.Config) { c.Stores[0].RateLimit = 1e-9 })
	health := request{path: "/health", body: members{"requestMetadata": metadataOf("KmsHealthCheck")}}
	r.do(t, health).want(t, "the first request", "")
	st := proxy.Store{PathPrefix: prefix, Credentials: []sigv4.Credential{short}, Token: r.token, RateLimit: 1e-9}
	if err := r.server.SetStores([]proxy.Store{st}); err != nil {
		t.Fatal(err)
	}
	r.do(t, health).want(t, "the second request", xks.ThrottlingException)
	st.PathPrefix = "/moved"
	if err := r.server.SetStores([]proxy.Store{st}); err != nil {
		t.Fatal(err)
	}
	r.do(t, health).want(t, "the old prefix", xks.InvalidUriPathException)
	health.before = underPrefix("/moved")
	r.do(t, health).want(t, "the new prefix", "")
}
