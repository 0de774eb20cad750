package sigv4

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Generators of what requests are made of, odd things first.
var (
	genSegment = rapid.OneOf(
		rapid.SampledFrom([]string{"", ".", "..", "...", "%2e%2e", "%2F", "%2f", "a%20b", "é", "ሴ", "a+b", "k=v;w", "~", "*", "keys", "v1"}),
		rapid.StringMatching(`[A-Za-z0-9._-]{1,20}`),
	)
	genPath = rapid.Custom(func(t *rapid.T) string {
		return "/" + strings.Join(rapid.SliceOfN(genSegment, 0, 6).Draw(t, "segments"), "/")
	})
	genQuery = rapid.OneOf(
		rapid.SampledFrom([]string{"", "a", "a=", "=b", "a=1&a=0", "b=1&&a=2", "a+b=c+d", "a=%2B", "a=%zz", "%", "x=é", "a=b=c", "Param-3=3&Param=2"}),
		rapid.StringMatching(`([a-z%&=+~/.-]|%[0-9a-fA-F]{2}){0,20}`),
	)
	genSecret = rapid.StringMatching(`[A-Za-z0-9/+=]{43,64}`)
	genValue  = rapid.StringMatching(`[ -~]{0,30}`)
)

// genRequest draws a request as a client builds it, with up to three headers.
func genRequest(t *rapid.T, body []byte) (r *http.Request, headers []string) {
	path := genPath.Draw(t, "path")
	u := &url.URL{Scheme: "https", Host: rapid.SampledFrom([]string{"kms.example.com", "127.0.0.1:8443", "[::1]:443"}).Draw(t, "host")}
	u.RawPath = path
	unescaped, err := url.PathUnescape(path)
	if err != nil {
		unescaped = path
	}
	u.Path, u.RawQuery = unescaped, genQuery.Draw(t, "query")
	r = &http.Request{
		Method: rapid.SampledFrom([]string{"POST", "GET", "PUT"}).Draw(t, "method"),
		URL:    u, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"X-A", "X-Amz-Meta", "content-type", "x-amz-target"}), 0, 3, rapid.ID).Draw(t, "headers") {
		for _, value := range rapid.SliceOfN(genValue, 1, 3).Draw(t, name) {
			r.Header.Add(name, value)
		}
		headers = append(headers, name)
	}
	return r, headers
}

// sendAndReceive passes a request through the bytes that net/http writes.
func sendAndReceive(t *rapid.T, r *http.Request) (*http.Request, []byte) {
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		t.Fatal(err)
	}
	received, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(received.Body)
	if err != nil {
		t.Fatal(err)
	}
	return received, body
}

// What Sign signs, Verify accepts at the other end of a connection, with the
// same reading as the reference; with another secret it does not.
func TestWhatIsSignedIsVerified(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "body")
		r, headers := genRequest(t, body)
		c := Credential{
			AccessKeyID: testID, Secret: genSecret.Draw(t, "secret"),
			SessionToken: rapid.SampledFrom([]string{"", "token//+=="}).Draw(t, "token"),
		}
		o := Options{RawPath: rapid.Bool().Draw(t, "raw"), SignedHeaders: headers}
		if rapid.Bool().Draw(t, "hash") {
			o.SignedHeaders = append(o.SignedHeaders, "X-Amz-Content-Sha256")
		}
		at := testNow.Add(time.Duration(rapid.IntRange(-300, 300).Draw(t, "skew")) * time.Second)
		if err := Sign(r, body, c, testRegion, "kms", at, o); err != nil {
			t.Fatal(err)
		}
		received, gotBody := sendAndReceive(t, r)
		secret := c.Secret
		v := NewVerifier(VerifierConfig{
			Service: "kms", RawPath: o.RawPath,
			Lookup: func(string) (string, bool) { return secret, true },
		})
		got, err := v.Verify(received, gotBody, testNow)
		if err != nil {
			t.Fatal(err)
		}
		if got.SessionToken != c.SessionToken || !got.Time.Equal(at) || got.Region != testRegion {
			t.Fatalf("result %+v", got)
		}
		if reference, ok := readReference(received, gotBody, o.RawPath); !ok || referenceSignature(secret, reference) != reference.signature {
			t.Fatalf("the reference reads another signature from\n%s", reference.canonical)
		}
		secret = strings.ToLower(secret[1:]) + "0"
		_, err = v.Verify(received, gotBody, testNow)
		if refusal, ok := err.(*Error); !ok || refusal.Reason != Mismatch {
			t.Fatalf("another secret: %v", err)
		}
	})
}
