package xks

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"hyok/internal/sigv4"
)

// Names and credentials of the test's key store. httptest's certificate is for
// example.com.
const (
	testHost   = "https://example.com"
	testPath   = "/tenant-1/kms/xks/v1"
	testRegion = "eu-central-1"
)

var testCredential = sigv4.Credential{AccessKeyID: "AKIAXKSTESTCREDENTIAL", Secret: "testtesttesttesttesttesttesttesttesttesttest"}

// A testProxy is an HTTPS server that counts what reaches it.
type testProxy struct {
	*httptest.Server
	requests, connections atomic.Int32
}

// startProxy serves h, which sees bodies that were read already. configure may
// be nil.
func startProxy(t *testing.T, h http.HandlerFunc, configure func(*httptest.Server)) *testProxy {
	t.Helper()
	p := new(testProxy)
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.requests.Add(1)
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		h(w, r)
	}))
	p.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			p.connections.Add(1)
		}
	}
	p.Config.ErrorLog = log.New(io.Discard, "", 0)
	if configure != nil {
		configure(p.Server)
	}
	p.StartTLS()
	t.Cleanup(p.Close)
	return p
}

// roots trusts the test server's certificate.
func (p *testProxy) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.Certificate())
	return pool
}

// client makes a client of p; change may be nil.
func (p *testProxy) client(t *testing.T, change func(*ClientConfig)) *Client {
	t.Helper()
	return newTestClient(t, func(c *ClientConfig) {
		c.TLS = &tls.Config{RootCAs: p.roots()}
		c.Resolve = map[string]string{"example.com": p.Listener.Addr().String()}
		if change != nil {
			change(c)
		}
	})
}

// newTestClient makes a client with time enough for a busy machine.
func newTestClient(t *testing.T, change func(*ClientConfig)) *Client {
	t.Helper()
	cfg := ClientConfig{Endpoint: testHost, Path: testPath, Credential: testCredential, Region: testRegion, Timeout: 10 * time.Second}
	change(&cfg)
	c, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func someMetadata() RequestMetadata {
	return RequestMetadata{
		AWSPrincipalArn: "arn:aws:iam::123456789012:user/Alice",
		KMSKeyArn:       "arn:aws:kms:us-east-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
		KMSOperation:    "Encrypt",
		KMSRequestID:    "4112f4d6-db54-4af4-ae30-c55a22a8dfae",
	}
}

// encryptOnce sends one Encrypt.
func encryptOnce(c *Client, plaintext string) (*EncryptResponse, error) {
	return c.Encrypt(context.Background(), "key", &EncryptRequest{
		RequestMetadata: someMetadata(), Plaintext: []byte(plaintext), EncryptionAlgorithm: AlgorithmAESGCM,
	})
}

// echoEncrypt answers Encrypt with the plaintext for a ciphertext, which shows
// whose answer it is.
func echoEncrypt(w http.ResponseWriter, r *http.Request) {
	var req EncryptRequest
	body, _ := io.ReadAll(r.Body)
	if err := Unmarshal(body, &req); err != nil {
		http.Error(w, err.Error(), http.StatusTeapot)
		return
	}
	_, _ = w.Write(mustMarshal(&EncryptResponse{
		Ciphertext: req.Plaintext, InitializationVector: make([]byte, IVSize), AuthenticationTag: make([]byte, TagSize),
	}))
}

// wantTransport checks that err is a TransportError of this kind and count.
func wantTransport(t *testing.T, err error, kind TransportKind, attempts int) {
	t.Helper()
	var te *TransportError
	if !errors.As(err, &te) || te.Kind != kind || te.Attempts != attempts {
		t.Errorf("got %v, want %s after %d attempts", err, kind, attempts)
	}
}

func mustMarshal(body any) []byte {
	b, err := Marshal(body)
	if err != nil {
		panic(err)
	}
	return b
}
