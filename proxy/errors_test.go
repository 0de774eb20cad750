package proxy_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"hyok/internal/fault"
	"hyok/proxy"
	"hyok/proxy/xks"
)

// throttled is a store with room for one request; hurried one with little time.
func throttled(c *proxy.Config) { c.Stores[0].RateLimit = 1e-9 }
func hurried(c *proxy.Config)   { c.Stores[0].Deadline = 20 * time.Millisecond }

// XKS facts 1.11: each of the twelve names, with its status and a message.
func TestEachErrorIsGivenForItsReason(t *testing.T) {
	broken := fault.Rule{At: fault.HSM, Error: "CKR_DEVICE_ERROR"}
	slow := fault.Rule{At: fault.HSM, Latency: time.Second}
	for _, row := range []struct {
		name   xks.ErrorName
		why    string
		store  func(*proxy.Config)
		rule   fault.Rule
		path   string
		body   any
		before int // requests that go before
	}{
		{name: xks.ValidationException, why: "not JSON", path: "/keys/good/encrypt", body: "{"},
		{name: xks.InvalidStateException, why: "key disabled on the device", path: "/keys/off/encrypt", body: encryptBody()},
		{name: xks.InvalidStateException, why: "key disabled in the proxy", path: "/keys/good/encrypt", body: encryptBody(),
			store: func(c *proxy.Config) { c.Stores[0].Keys = map[string]proxy.Key{"good": {Disabled: true}} }},
		{name: xks.InvalidStateException, why: "store disabled", path: "/keys/good/encrypt", body: encryptBody(),
			store: func(c *proxy.Config) { c.Stores[0].Disabled = true }},
		{name: xks.InvalidStateException, why: "store disabled, health", path: "/health", body: encryptBody(),
			store: func(c *proxy.Config) { c.Stores[0].Disabled = true }},
		{name: xks.InvalidKeyUsageException, why: "key may not encrypt", path: "/keys/opener/encrypt", body: encryptBody()},
		{name: xks.InvalidKeyUsageException, why: "key may not decrypt, integrity value asked (XKS fact 84)", path: "/keys/sealer/encrypt", body: encryptBody()},
		{name: xks.InvalidKeyUsageException, why: "key of 128 bits", path: "/keys/small/encrypt", body: encryptBody()},
		{name: xks.AccessDeniedException, why: "no policy exists yet: injected", path: "/keys/good/encrypt", body: encryptBody(),
			rule: fault.Rule{At: fault.Proxy, Error: "AccessDeniedException"}},
		{name: xks.KeyNotFoundException, why: "no such key on the device", path: "/keys/none/encrypt", body: encryptBody()},
		{name: xks.KeyNotFoundException, why: "key not in the store's list", path: "/keys/good/encrypt", body: encryptBody(),
			store: func(c *proxy.Config) { c.Stores[0].Keys = map[string]proxy.Key{"other": {}} }},
		{name: xks.InvalidUriPathException, why: "key ID that cannot be one", path: "/keys/a+b/encrypt", body: encryptBody()},
		{name: xks.InvalidUriPathException, why: "no such operation", path: "/keys/good/sign", body: encryptBody()},
		{name: xks.ThrottlingException, why: "rate", path: "/keys/good/encrypt", body: encryptBody(), store: throttled, before: 1},
		{name: xks.UnsupportedOperationException, why: "plaintext of 4301 bytes (XKS fact 55)", path: "/keys/good/encrypt",
			body: encryptBody().with("plaintext", make([]byte, 4301))},
		{name: xks.UnsupportedOperationException, why: "AAD of 8193 bytes (XKS fact 55)", path: "/keys/good/encrypt",
			body: encryptBody().with("additionalAuthenticatedData", make([]byte, 8193))},
		{name: xks.DependencyTimeoutException, why: "device slow", path: "/keys/good/encrypt", body: encryptBody(), store: hurried, rule: slow},
		{name: xks.DependencyTimeoutException, why: "device slow, metadata", path: "/keys/good/metadata", body: encryptBody(), store: hurried, rule: slow},
		{name: xks.InternalException, why: "device broken", path: "/keys/good/encrypt", body: encryptBody(), rule: broken},
	} {
		t.Run(string(row.name)+", "+row.why, func(t *testing.T) {
			r := newRig(t, row.store)
			for range row.before {
				r.do(t, request{path: row.path, body: row.body})
			}
			if row.rule.At != "" {
				if _, err := r.faults.Add(row.rule); err != nil {
					t.Fatal(err)
				}
			}
			a := r.do(t, request{path: row.path, body: row.body})
			a.want(t, row.why, row.name)
			a.wantMessage(t)
		})
	}
}

// wantMessage checks a message's form and that it tells nothing of the request.
func (a answer) wantMessage(t *testing.T) {
	t.Helper()
	if a.Message == "" || xks.PrintableMessage(a.Message) != a.Message || strings.Contains(a.Message, "good") {
		t.Errorf("errorMessage is %q", a.Message)
	}
	if got := a.header.Get("Content-Type"); got != "application/json" { // XKS fact 7
		t.Errorf("Content-Type is %q", got)
	}
}

// XKS fact 68 and the trap of SoftHSM's one return code: see also
// TestDecryptRefusesWhateverWasChanged.
func TestADeviceThatIsAwayIsNoFaultOfTheCiphertextOrTheKey(t *testing.T) {
	r := newRig(t, nil)
	_, body := r.sealed(t, "good")
	if _, err := r.faults.Add(fault.Rule{At: fault.HSM, Error: "CKR_DEVICE_REMOVED"}); err != nil {
		t.Fatal(err)
	}
	for _, q := range []request{
		{path: "/keys/good/decrypt", body: body},
		{path: "/keys/good/metadata", body: body},
		{path: "/keys/none/metadata", body: body},
	} {
		if a := r.do(t, q); !a.Name.Retryable() { // XKS fact 87
			t.Errorf("%s: got %s, which KMS does not take for a fault of the device", q.path, a.Name)
		}
	}
	r.faults.Clear()
	c := r.client(t, short)
	for deadline := time.Now().Add(10 * time.Second); ; {
		_, err := c.GetKeyMetadata(soon(t), "good", &xks.GetKeyMetadataRequest{RequestMetadata: xks.RequestMetadata{
			AWSPrincipalArn: "a", KMSOperation: "b", KMSRequestID: "c"}})
		if err == nil {
			return // work has resumed without a restart
		}
		if time.Now().After(deadline) {
			t.Fatalf("the device is back, but: %v", err)
		}
	}
}

// XKS fact 10.
func TestOtherMethodsAreNotAllowed(t *testing.T) {
	r := newRig(t, nil)
	for _, path := range []string{"/health", "/keys/good/metadata", "/keys/good/encrypt", "/keys/good/decrypt"} {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodOptions} {
			a := r.do(t, request{method: method, path: path, body: "{}"})
			if a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != http.MethodPost {
				t.Errorf("%s %s: got %d, Allow %q", method, path, a.status, a.header.Get("Allow"))
			}
		}
	}
}
