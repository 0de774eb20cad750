package proxy_test

import (
	"net/http"
	"strings"
	"testing"

	"hyok/internal/fault"
	"hyok/internal/sigv4"
	"hyok/proxy"
	"hyok/proxy/xks"
)

// DESIGN, order of checks: a request with the fault of one stage and those of
// all later ones gets the answer of the first. Where two faults cannot be in one
// request (a body is too large or not JSON), the row leaves the other out.
func TestTheFirstFaultIsAnswered(t *testing.T) {
	var (
		stranger = sigv4.Credential{AccessKeyID: strings.Repeat("Q", 20), Secret: strings.Repeat("q", 43)}
		huge     = strings.Repeat("x", 128<<10+1)
		bad      = encryptBody().with("plaintext", make([]byte, 4301))
		get      = http.MethodGet
	)
	full := func(c *proxy.Config) { c.Stores[0].RateLimit = 1e-9; c.Stores[0].Concurrency = 1 }
	listed := func(c *proxy.Config) {
		c.Stores[0].Keys = map[string]proxy.Key{"blocked": {Label: "opener", Disabled: true}, "opener": {}, "none": {}}
	}
	for _, row := range []struct {
		stage string
		store func(*proxy.Config)
		busy  bool // the store's only place is taken
		q     request
		want  xks.ErrorName
	}{
		{"path, before method", full, true, request{method: get, path: "/keys/good/sign", body: huge, credential: stranger}, xks.InvalidUriPathException},
		{"concurrency, before body size", full, true, request{path: "/keys/none/encrypt", body: huge, credential: stranger}, xks.ThrottlingException},
		{"body size, before signature", full, false, request{path: "/keys/none/encrypt", body: huge, credential: stranger}, xks.UnsupportedOperationException},
		{"signature, before rate", full, false, request{path: "/keys/none/encrypt", body: "{", credential: stranger}, xks.AuthenticationFailedException},
		{"rate, before JSON", full, false, request{path: "/keys/none/encrypt", body: "{"}, xks.ThrottlingException},
		{"JSON, before key", listed, false, request{path: "/keys/unlisted/encrypt", body: "{"}, xks.ValidationException},
		{"metadata, before key", listed, false, request{path: "/keys/unlisted/encrypt", body: bad.with("requestMetadata", nil)}, xks.ValidationException},
		{"key unlisted, before fields", listed, false, request{path: "/keys/unlisted/encrypt", body: bad}, xks.KeyNotFoundException},
		{"key unlisted, before base64", listed, false, request{path: "/keys/unlisted/encrypt", body: bad.with("plaintext", "?")}, xks.KeyNotFoundException},
		{"metadata after a member that is not base64", listed, false,
			request{path: "/keys/opener/encrypt", body: `{"plaintext":"?","requestMetadata":{}}`}, xks.ValidationException},
		{"key blocked, before fields", listed, false, request{path: "/keys/blocked/encrypt", body: bad}, xks.InvalidStateException},
		{"key not on the device, before fields", nil, false, request{path: "/keys/none/encrypt", body: bad}, xks.KeyNotFoundException},
		{"key not on the device, before base64", nil, false, request{path: "/keys/none/encrypt", body: bad.with("plaintext", "?")}, xks.KeyNotFoundException},
		{"key disabled, before fields", nil, false, request{path: "/keys/off/encrypt", body: bad}, xks.InvalidStateException},
		{"fields, before usage", nil, false, request{path: "/keys/opener/encrypt", body: bad}, xks.UnsupportedOperationException},
		{"usage", nil, false, request{path: "/keys/opener/encrypt", body: encryptBody()}, xks.InvalidKeyUsageException},
	} {
		t.Run(row.stage, func(t *testing.T) {
			r := newRig(t, row.store)
			if strings.Contains(row.stage, "rate") {
				r.do(t, request{path: "/health", body: "{}"}) // the one request that the rate allows
			}
			if row.busy {
				r.occupy(t)
			}
			r.do(t, row.q).want(t, row.stage, row.want)
			if row.q.method == "" && row.busy {
				row.q.method, row.q.body = get, "{"
				if a := r.do(t, row.q); a.status != http.StatusMethodNotAllowed {
					t.Errorf("method, before concurrency: got %d", a.status)
				}
			}
		})
	}
}

// occupy keeps one request under way until the test ends.
func (r *rig) occupy(t *testing.T) {
	t.Helper()
	if _, err := r.faults.Add(fault.Rule{At: fault.Proxy, Blackhole: true, Count: 1}); err != nil {
		t.Fatal(err)
	}
	body := `{"requestMetadata":{}}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.https.URL+prefix+xks.BasePath+"/health", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.sign(t, req, []byte(body), request{})
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: r.kit.ClientConfig()}}
	select {
	case <-r.authenticating:
	default:
	}
	go func() {
		if resp, err := client.Do(req); err == nil { // ends with the test's context
			resp.Body.Close()
		}
	}()
	<-r.authenticating
}
