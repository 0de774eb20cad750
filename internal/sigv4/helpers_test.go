package sigv4

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

const (
	testID     = "BETWEENTHEPROXYANDKMS"
	testSecret = "0123456789abcdefghijklmnopqrstuvwxyz/+ABCDE" // 43 characters
	testRegion = "eu-north-1"
	testDate   = "20260314T150926Z"
)

var (
	testNow  = time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)
	testBody = []byte(`{"requestMetadata":{"kmsOperation":"Encrypt"},"plaintext":"AAAA"}`)
)

func testVerifier(change ...func(*VerifierConfig)) *Verifier {
	c := VerifierConfig{
		Service: "kms-xks-proxy",
		Regions: []string{"us-east-1", testRegion},
		RawPath: true,
		Lookup:  func(id string) (string, bool) { return testSecret, id == testID },
	}
	for _, f := range change {
		f(&c)
	}
	return NewVerifier(c)
}

func newRequest(t testing.TB, target string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, "https://proxy.example.com:8443"+target, bytes.NewReader(testBody))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// signedRequest is an XKS request as KMS signs it.
func signedRequest(t testing.TB, o ...Options) *http.Request {
	t.Helper()
	r := newRequest(t, "/kms/xks/v1/keys/k1/encrypt")
	r.Header.Set("Content-Type", "application/json")
	o = append(o, Options{RawPath: true})
	err := Sign(r, testBody, Credential{AccessKeyID: testID, Secret: testSecret}, testRegion, "kms-xks-proxy", testNow, o[0])
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// edit changes one part of the Authorization header.
func edit(old, new string) func(*http.Request) {
	return func(r *http.Request) {
		value := r.Header.Get("Authorization")
		if strings.Count(value, old) != 1 {
			panic(fmt.Sprintf("%q is not once in %q", old, value))
		}
		r.Header.Set("Authorization", strings.Replace(value, old, new, 1))
	}
}

func set(name string, values ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header[name] = values }
}

func wantReason(t testing.TB, err error, want Reason) *Error {
	t.Helper()
	refusal, ok := errors.AsType[*Error](err)
	if !ok || refusal.Reason != want {
		t.Fatalf("got %v, want %v", err, want)
	}
	if text := refusal.Error(); strings.ContainsAny(text, "\r\n") || !strings.HasPrefix(text, want.String()+": ") {
		t.Errorf("the error is not one line that begins with its reason: %q", text)
	}
	return refusal
}

// asReceived gives r the request line that a server would have seen.
func asReceived(r *http.Request) *http.Request {
	c := r.Clone(r.Context())
	c.Host = requestHost(r)
	if c.RequestURI == "" {
		c.RequestURI = r.URL.RequestURI()
	}
	return c
}
