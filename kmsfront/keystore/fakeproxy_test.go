package keystore

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"hyok/certs/certstest"
	"hyok/internal/sigv4"
	"hyok/kmsfront/api"
	"hyok/proxy/xks"
)

// A fakeProxy is an HTTPS server that speaks the protocol well until it is told
// to misbehave, and remembers what it was asked.
type fakeProxy struct {
	*httptest.Server
	aead cipher.AEAD

	mu     sync.Mutex
	creds  map[string]string           // valid secrets by access key ID
	path   string                      // before the operations
	rude   map[string]http.HandlerFunc // instead of answering, by operation; "*": all
	calls  []fakeCall
	cert   *tls.Certificate // nil: the kit's
	newest uint16           // version of TLS; 0: the newest there is
	suites []uint16         // of TLS 1.2; nil: the usual ones
	reset  bool             // cut each connection when it comes
	open   int              // connections; under the recorder's lock
}

type fakeCall struct {
	operation, keyID string
	metadata         map[string]string
	aad              []byte
	plaintext        []byte
}

const (
	accessKey = "ABCDEFGHIJKLMNOPQRST"
	secretKey = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"
)

func newFakeProxy(t *testing.T, e *env) *fakeProxy {
	t.Helper()
	key := make([]byte, 32)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeProxy{aead: aead, creds: map[string]string{accessKey: secretKey}, path: xks.BasePath, rude: map[string]http.HandlerFunc{}}
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(f.serve))
	f.Config.ErrorLog = log.New(io.Discard, "", 0)
	f.Listener = resetListener{f.Listener, f}
	own := e.kit.ServerConfig(t)
	f.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		c := own.Clone()
		c.GetConfigForClient = nil
		c.SessionTicketsDisabled = true // each handshake shows the certificate
		c.MaxVersion = f.newest
		if f.suites != nil {
			c.CipherSuites = f.suites
		}
		if f.newest != 0 {
			c.MinVersion = tls.VersionTLS10
		}
		if f.cert != nil {
			c.GetCertificate = certstest.Static(*f.cert)
		}
		return c, nil
	}}
	f.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			e.seen.note(func() { f.open++ })
		case http.StateClosed:
			e.seen.note(func() { f.open-- })
		}
	}
	f.StartTLS()
	t.Cleanup(f.Close)
	return f
}

type resetListener struct {
	net.Listener
	f *fakeProxy
}

func (l resetListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	if l.f.reset {
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
	return c, nil
}

func (f *fakeProxy) endpoint() string {
	return "https://localhost:" + strings.TrimPrefix(f.Listener.Addr().String(), "127.0.0.1:")
}

// request asks for a key store of this proxy.
func (f *fakeProxy) request(name string) *api.CreateCustomKeyStoreRequest {
	return &api.CreateCustomKeyStoreRequest{
		CustomKeyStoreName: name, CustomKeyStoreType: "EXTERNAL_KEY_STORE", XksProxyConnectivity: "PUBLIC_ENDPOINT",
		XksProxyUriEndpoint: f.endpoint(), XksProxyUriPath: xks.BasePath,
		XksProxyAuthenticationCredential: &api.XksProxyAuthenticationCredentialType{AccessKeyId: accessKey, RawSecretAccessKey: secretKey},
	}
}

// change changes the proxy's behaviour.
func (f *fakeProxy) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

// misbehave lets h answer an operation, "*" for all.
func (f *fakeProxy) misbehave(operation string, h http.HandlerFunc) {
	f.change(func() { f.rude[operation] = h })
}

// asked gives the calls of an operation so far.
func (f *fakeProxy) asked(operation string) (found []fakeCall) {
	f.change(func() {
		for _, c := range f.calls {
			if c.operation == operation {
				found = append(found, c)
			}
		}
	})
	return found
}

// refuses is an answer with an error name of the protocol.
func refuses(name xks.ErrorName) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(name.Status())
		_ = json.NewEncoder(w).Encode(xks.Error{Name: name, Message: "the proxy's own words"})
	}
}

// sleeps never answers.
func sleeps(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func answers(v any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(v) }
}

// fakeRequest has the members of all four operations.
type fakeRequest struct {
	Metadata map[string]string `json:"requestMetadata"`
	AAD      []byte            `json:"additionalAuthenticatedData"`
	Plain    []byte            `json:"plaintext"`
	Cipher   []byte            `json:"ciphertext"`
	IV       []byte            `json:"initializationVector"`
	Tag      []byte            `json:"authenticationTag"`
	Meta     []byte            `json:"ciphertextMetadata"`
}

func (f *fakeProxy) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, rest, _ := strings.Cut(r.URL.Path, xks.BasePath+"/keys/")
	keyID, end, _ := strings.Cut(rest, "/")
	op := map[string]string{"metadata": xks.OpGetKeyMetadata, "encrypt": xks.OpEncrypt, "decrypt": xks.OpDecrypt}[end]
	if strings.HasSuffix(r.URL.Path, "/health") {
		op = xks.OpGetHealthStatus
	}
	var in fakeRequest
	err := json.Unmarshal(body, &in)

	f.mu.Lock()
	f.calls = append(f.calls, fakeCall{op, keyID, in.Metadata, in.AAD, in.Plain})
	creds, path := f.creds, f.path
	h := f.rude[op]
	if h == nil {
		h = f.rude["*"]
	}
	f.mu.Unlock()

	v := sigv4.NewVerifier(sigv4.VerifierConfig{Service: xks.Service, Regions: []string{"us-east-1"}, RawPath: true,
		Lookup: func(id string) (string, bool) { s, ok := creds[id]; return s, ok }})
	r.Body = io.NopCloser(bytes.NewReader(body))
	_, denied := v.Verify(r, body, time.Now())
	switch {
	case h != nil:
	case !strings.HasPrefix(r.URL.Path, path+"/"):
		h = refuses(xks.InvalidUriPathException)
	case denied != nil:
		h = refuses(xks.AuthenticationFailedException)
	case err != nil || op == "":
		h = refuses(xks.ValidationException)
	default:
		h = f.do(op, &in)
	}
	h(w, r)
}

// fakeMetadata is the ciphertext metadata of all that the proxy encrypts.
var fakeMetadata = []byte("v1")

func (f *fakeProxy) do(op string, in *fakeRequest) http.HandlerFunc {
	switch op {
	case xks.OpGetHealthStatus:
		return answers(health(xks.HealthActive))
	case xks.OpGetKeyMetadata:
		return answers(keyMetadata("AES_256", "ENABLED", "ENCRYPT", "DECRYPT", "WRAP"))
	case xks.OpEncrypt:
		iv := make([]byte, 12)
		rand.Read(iv)
		sealed := f.aead.Seal(nil, iv, in.Plain, xks.Frame(in.AAD, fakeMetadata))
		ct, tag := sealed[:len(in.Plain)], sealed[len(in.Plain):]
		sum := xks.IntegrityValue(in.AAD, fakeMetadata, iv, ct, tag)
		return answers(xks.EncryptResponse{AuthenticationTag: tag, Ciphertext: ct, InitializationVector: iv,
			CiphertextMetadata: fakeMetadata, CiphertextDataIntegrityValue: sum[:]})
	default:
		p, err := f.aead.Open(nil, in.IV, append(in.Cipher, in.Tag...), xks.Frame(in.AAD, in.Meta))
		if err != nil {
			return refuses(xks.InvalidCiphertextException)
		}
		return answers(xks.DecryptResponse{Plaintext: p})
	}
}

func health(states ...string) xks.GetHealthStatusResponse {
	r := xks.GetHealthStatusResponse{XksProxyFleetSize: 1, XksProxyVendor: "v", XksProxyModel: "m", EkmVendor: "e"}
	for _, s := range states {
		r.EkmFleetDetails = append(r.EkmFleetDetails, xks.EKMFleetDetail{ID: "1", Model: "m", HealthStatus: s})
	}
	return r
}

func keyMetadata(spec, status string, usage ...string) xks.GetKeyMetadataResponse {
	return xks.GetKeyMetadataResponse{KeySpec: spec, KeyStatus: status, KeyUsage: usage}
}

// hold says that a request has begun, waits to go on, and lets h answer.
func hold(begun chan<- struct{}, goOn <-chan struct{}, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		<-goOn
		h(w, r)
	}
}
