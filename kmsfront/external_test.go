package kmsfront

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"hyok/certs/certstest"
	"hyok/kmsfront/api"
	"hyok/kmsfront/keystore"
	"hyok/kmsfront/quota"
	"hyok/proxy/xks"
)

// An xksProxy answers what an external key store proxy answers, without
// encrypting: what comes back is the plaintext. It counts its requests.
type xksProxy struct {
	*httptest.Server
	mu    sync.Mutex
	calls map[string]int
	fault http.HandlerFunc // instead of answering; nil: none
}

func newXksProxy(t *testing.T, kit *certstest.Kit) *xksProxy {
	t.Helper()
	p := &xksProxy{calls: map[string]int{}}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(p.serve))
	p.Config.ErrorLog = log.New(io.Discard, "", 0)
	p.TLS = kit.ServerConfig(t)
	p.StartTLS()
	t.Cleanup(p.Close)
	return p
}

func (p *xksProxy) serve(w http.ResponseWriter, r *http.Request) {
	op := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	p.mu.Lock()
	p.calls[op]++
	fault := p.fault
	p.mu.Unlock()
	if fault != nil {
		fault(w, r)
		return
	}
	var in struct {
		AAD    []byte `json:"additionalAuthenticatedData"`
		Plain  []byte `json:"plaintext"`
		Cipher []byte `json:"ciphertext"`
	}
	_ = json.NewDecoder(r.Body).Decode(&in)
	var out any
	switch op {
	case "health":
		out = xks.GetHealthStatusResponse{XksProxyFleetSize: 1, XksProxyVendor: "v", XksProxyModel: "m", EkmVendor: "e",
			EkmFleetDetails: []xks.EKMFleetDetail{{ID: "1", Model: "m", HealthStatus: xks.HealthActive}}}
	case "metadata":
		out = xks.GetKeyMetadataResponse{KeySpec: xks.KeySpecAES256, KeyStatus: xks.StatusEnabled, KeyUsage: []string{xks.UsageEncrypt, xks.UsageDecrypt}}
	case "encrypt":
		iv, tag := make([]byte, xks.IVSize), make([]byte, xks.TagSize)
		sum := xks.IntegrityValue(in.AAD, nil, iv, in.Plain, tag)
		out = xks.EncryptResponse{AuthenticationTag: tag, Ciphertext: in.Plain, InitializationVector: iv, CiphertextDataIntegrityValue: sum[:]}
	case "decrypt":
		out = xks.DecryptResponse{Plaintext: in.Cipher}
	}
	_ = json.NewEncoder(w).Encode(out)
}

// asked is how often an operation was asked for.
func (p *xksProxy) asked(op string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[op]
}

// misbehave lets h answer everything; nil ends it.
func (p *xksProxy) misbehave(h http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = h
}

func refuses(name xks.ErrorName) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(name.Status())
		_ = json.NewEncoder(w).Encode(xks.Error{Name: name, Message: "the proxy's own words"})
	}
}

// An externalKit is a kit with a connected external key store and a key in it.
type externalKit struct {
	*kit
	proxy   *xksProxy
	storeID string
	key     string
}

// states tells a test of connection states.
type states struct {
	keystore.Observer
	changed   chan string
	throttled chan string
}

func (s *states) State(_, state, code string)   { s.changed <- strings.TrimSpace(state + " " + code) }
func (s *states) Throttled(_, operation string) { s.throttled <- operation }

func newExternalKit(t *testing.T, quotas quota.Config) (*externalKit, *states) {
	t.Helper()
	tls := certstest.New(t)
	x := &externalKit{proxy: newXksProxy(t, tls)}
	seen := &states{Observer: keystore.Observers{}, changed: make(chan string, 100), throttled: make(chan string, 100)}
	x.kit = newKitWith(t, quotas, keystore.Config{
		AllowEndpointPort: true, Roots: tls.Authority.Pool(), ProxyTimeout: 10 * time.Second, HealthInterval: -1, Observer: seen,
	})
	x.storeID = ok[api.CreateCustomKeyStoreResponse](x.kit, "CreateCustomKeyStore", x.creates("one")).CustomKeyStoreId
	seen.await(t, "DISCONNECTED")
	ok[api.ConnectCustomKeyStoreResponse](x.kit, "ConnectCustomKeyStore", body("CustomKeyStoreId", x.storeID))
	seen.await(t, "CONNECTED")
	x.key = x.newExternalKey("external-1")
	return x, seen
}

// creates is the body of a CreateCustomKeyStore.
func (x *externalKit) creates(name string) string {
	return body("CustomKeyStoreName", name, "CustomKeyStoreType", "EXTERNAL_KEY_STORE", "XksProxyConnectivity", "PUBLIC_ENDPOINT",
		"XksProxyUriEndpoint", "https://localhost"+x.proxy.URL[strings.LastIndexByte(x.proxy.URL, ':'):], "XksProxyUriPath", "/"+name+xks.BasePath,
		"XksProxyAuthenticationCredential", map[string]string{"AccessKeyId": "ABCDEFGHIJKLMNOPQRST", "RawSecretAccessKey": strings.Repeat("s", 43)})
}

func (x *externalKit) newExternalKey(id string) string {
	x.t.Helper()
	return ok[api.CreateKeyResponse](x.kit, "CreateKey", x.createsKey(id)).KeyMetadata.KeyId
}

func (x *externalKit) createsKey(id string) string {
	return body("Origin", "EXTERNAL_KEY_STORE", "CustomKeyStoreId", x.storeID, "XksKeyId", id)
}

// await waits until the connection state is the one wanted, CONNECTING and the like aside.
func (s *states) await(t *testing.T, want string) {
	t.Helper()
	for limit := time.After(20 * time.Second); ; {
		select {
		case got := <-s.changed:
			if got == want {
				return
			}
		case <-limit:
			t.Fatalf("waited for %s in vain", want)
		}
	}
}

func TestWhatAProxyRefusesIsRecorded(t *testing.T) { // custom-key-stores §18, CT-03, contradiction 29
	x, seen := newExternalKit(t, quotasOff)
	encrypts := body("KeyId", x.key, "Plaintext", "c2VjcmV0")
	want := []string{}
	tries := func(operation, in string) {
		t.Helper()
		_, err := x.call(operation, in)
		if err == nil {
			t.Fatalf("%s succeeds", operation)
		}
		want = append(want, operation+" "+message(err))
	}
	for _, name := range []xks.ErrorName{
		xks.InvalidStateException, xks.InvalidCiphertextException, xks.InvalidKeyUsageException, xks.AuthenticationFailedException,
		xks.AccessDeniedException, xks.KeyNotFoundException, xks.InvalidUriPathException, xks.ThrottlingException,
		xks.UnsupportedOperationException, xks.DependencyTimeoutException, xks.InternalException, xks.ValidationException,
	} {
		x.proxy.misbehave(refuses(name))
		tries("Encrypt", encrypts)
		tries("CreateKey", x.createsKey("external-2"))
		tries("CreateCustomKeyStore", x.creates("two"))
		tries("UpdateCustomKeyStore", body("CustomKeyStoreId", x.storeID, "XksProxyUriPath", xks.BasePath))
	}
	ok[api.DisconnectCustomKeyStoreResponse](x.kit, "DisconnectCustomKeyStore", body("CustomKeyStoreId", x.storeID))
	seen.await(t, "DISCONNECTED")
	ok[api.ConnectCustomKeyStoreResponse](x.kit, "ConnectCustomKeyStore", body("CustomKeyStoreId", x.storeID))
	seen.await(t, "FAILED XKS_PROXY_INVALID_RESPONSE") // ValidationException was the last
	tries("Encrypt", encrypts)
	x.shut()
	var got []string
	for _, r := range x.lines("trail.jsonl") {
		if r["errorCode"] == nil {
			continue // that a connection fails is no error of a request (CT-06)
		}
		got = append(got, r["eventName"].(string)+" "+r["errorCode"].(string)+": "+r["errorMessage"].(string))
		asked := !strings.HasSuffix(r["errorMessage"].(string), "unavailable KMS key.")
		if extra, _ := r["additionalEventData"].(map[string]any); r["eventName"] == "Encrypt" && asked && (extra["customKeyStoreId"] != x.storeID || extra["xksKeyId"] != "external-1") {
			t.Errorf("Encrypt's record has %v", extra)
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the records are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if raw := x.raw("trail.jsonl"); strings.Contains(raw, "own words") || strings.Contains(raw, strings.Repeat("s", 43)) {
		t.Error("the trail has the proxy's words or a secret")
	}
}

// The quota of a key store is shared by its keys and spent before the proxy is
// asked (custom-key-stores QU-01, QU-02).
func TestTheQuotaOfAKeyStoreIsSpentBeforeTheProxyIsAsked(t *testing.T) {
	x, seen := newExternalKit(t, quota.Config{
		Values: quota.File{Requests: map[string]float64{quota.NameExternalStore: 2}}, Now: func() time.Time { return time.Unix(0, 0) }})
	second := x.newExternalKey("external-2")
	blob := ok[api.EncryptResponse](x.kit, "Encrypt", body("KeyId", x.key, "Plaintext", "c2VjcmV0")).CiphertextBlob
	ok[api.EncryptResponse](x.kit, "Encrypt", body("KeyId", second, "Plaintext", "c2VjcmV0"))
	before := x.proxy.asked("encrypt") + x.proxy.asked("decrypt")
	for _, c := range [][2]string{
		{"Encrypt", body("KeyId", x.key, "Plaintext", "c2VjcmV0")},
		{"Encrypt", body("KeyId", second, "Plaintext", "c2VjcmV0")},
		{"Decrypt", body("CiphertextBlob", blob)},
		{"GenerateDataKey", body("KeyId", x.key, "KeySpec", "AES_256")},
		{"GenerateDataKeyWithoutPlaintext", body("KeyId", x.key, "KeySpec", "AES_256")},
		{"ReEncrypt", body("CiphertextBlob", blob, "DestinationKeyId", x.newKey())},
	} {
		x.refused(c[0], c[1], throttledText)
		if got := <-seen.throttled; got != c[0] {
			t.Errorf("the metric has %s, want %s", got, c[0])
		}
	}
	if got := x.proxy.asked("encrypt") + x.proxy.asked("decrypt"); got != before {
		t.Errorf("the proxy was asked %d times", got-before)
	}
	ok[api.DescribeKeyResponse](x.kit, "DescribeKey", body("KeyId", x.key)) // management does not count (QU-03)
	x.newExternalKey("external-3")
	ok[api.EncryptResponse](x.kit, "Encrypt", body("KeyId", x.newKey(), "Plaintext", "c2VjcmV0"))
}
