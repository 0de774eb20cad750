package proxy_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"hyok/internal/sigv4"
	"hyok/proxy/xks"
)

// absolute is what comes before the path in the absolute form of a target, which
// servers must take (RFC 9112, 3.2.2).
const absolute = `^(?:[A-Za-z][A-Za-z0-9+.-]*:(?://[^/?]*)?)?`

// The paths of the operations, to the byte (XKS facts 18 to 22).
var (
	keyPath    = regexp.MustCompile(absolute + prefix + `/kms/xks/v1/keys/([A-Za-z0-9._-]{1,128})/(metadata|encrypt|decrypt)(?:\?.*)?$`)
	healthPath = regexp.MustCompile(absolute + prefix + `/kms/xks/v1/health(?:\?.*)?$`)
)

// FuzzPath sends any method and target, as a server reads them and rightly signed:
// the answer is the protocol's, and what is used is the key that the path names and
// no other. "." and ".." are keys like the others; nothing is cleaned or unescaped.
func FuzzPath(f *testing.F) {
	r := newRig(f, nil)
	body, err := json.Marshal(encryptBody())
	if err != nil {
		f.Fatal(err)
	}
	base := prefix + xks.BasePath
	for _, target := range []string{
		"/keys/good/encrypt", "/keys/good/metadata", "/keys/./encrypt", "/keys/../encrypt", "/keys/../metadata", "/keys/none/encrypt",
		"/keys/x/../good/encrypt", "/keys/good/./encrypt", "/keys//good/encrypt", "/keys/good%2fencrypt", "/keys/%67ood/encrypt",
		"/keys/%2e%2e/encrypt", "/keys/good/encrypt?key=other", "/keys/good/encrypt/", "/keys/good;x/encrypt", "/keys/good\xff/encrypt",
		"/health", "/health/", "/keys/off/metadata", "/keys/good/decrypt", "", "/keys/{keyID}/encrypt", "/keys/*/encrypt",
	} {
		f.Add("POST", base+target, body)
	}
	f.Add("GET", base+"/keys/good/encrypt", body)
	f.Add("OPTIONS", "*", []byte{})
	f.Add("POST", "https://localhost"+base+"/keys/good/encrypt", body)
	f.Add("CONNECT", "localhost:443", []byte{})
	f.Fuzz(func(t *testing.T, method, target string, body []byte) {
		w := r.serveTarget(t, method, target, body)
		if w == nil {
			return // the server answers what is no request of HTTP
		}
		named := keyPath.FindStringSubmatch(target)
		if w.status != http.StatusOK {
			checkPathAnswer(t, w, method, target, named != nil)
			return
		}
		switch {
		case method == http.MethodPost && healthPath.MatchString(target):
			return
		case method != http.MethodPost || named == nil:
			t.Fatalf("%s %q is answered with %q", method, target, w.body.Bytes())
		}
		r.checkKeyUsed(t, named[1], named[2], body, w.body.Bytes())
	})
}

// serveTarget hands a request line and a signed body to the handler; nil when the
// line is none.
func (r *rig) serveTarget(t *testing.T, method, target string, body []byte) *recorder {
	t.Helper()
	text := method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n"
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil || req.Method != method || req.RequestURI != target {
		return nil
	}
	req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if sigv4.Sign(req, body, short, region, xks.Service, time.Now(), sigv4.Options{RawPath: true}) != nil {
		return nil
	}
	w := &recorder{header: http.Header{}}
	r.server.Handler().ServeHTTP(w, req)
	return w
}

// checkPathAnswer wants an error of the protocol: for what names no key that the
// path is wrong, or the method.
func checkPathAnswer(t *testing.T, w *recorder, method, target string, named bool) {
	t.Helper()
	var e xks.Error
	if err := xks.Unmarshal(w.body.Bytes(), &e); err != nil || !e.Name.Valid() {
		t.Fatalf("%s %q is answered with %d %q", method, target, w.status, w.body.Bytes())
	}
	wrongMethod := method != http.MethodPost && w.status == http.StatusMethodNotAllowed && e.Name == xks.ValidationException
	if !wrongMethod && e.Name.Status() != w.status {
		t.Fatalf("%s %q is answered with %d %s", method, target, w.status, e.Name)
	}
	switch e.Name {
	case xks.InternalException, xks.DependencyTimeoutException:
		t.Fatalf("%s %q is answered as a fault of the proxy: %+v", method, target, e)
	case xks.InvalidUriPathException:
		if named && method == http.MethodPost {
			t.Fatalf("%q names a key, and is answered with %+v", target, e)
		}
	case xks.KeyNotFoundException, xks.InvalidStateException, xks.InvalidKeyUsageException:
		if !named {
			t.Fatalf("%q names no key, and is answered with %+v", target, e)
		}
	}
}

// checkKeyUsed wants that an operation succeeded with the key named, which is there.
func (r *rig) checkKeyUsed(t *testing.T, key, op string, body, answer []byte) {
	t.Helper()
	if op != "encrypt" {
		if _, err := r.token.Key(soon(t), key); err != nil {
			t.Fatalf("%s of key %q succeeds: %v", op, key, err)
		}
		return
	}
	var req xks.EncryptRequest
	var resp xks.EncryptResponse
	if err := xks.Unmarshal(body, &req); err != nil {
		t.Fatal(err)
	}
	if err := xks.Unmarshal(answer, &resp); err != nil {
		t.Fatal(err)
	}
	plaintext, err := r.token.Decrypt(soon(t), key, resp.InitializationVector, resp.Ciphertext, resp.AuthenticationTag,
		xks.Frame(req.AdditionalAuthenticatedData, resp.CiphertextMetadata))
	if err != nil || !bytes.Equal(plaintext, req.Plaintext) {
		t.Fatalf("what key %q is said to have encrypted is decrypted to %x by it, %v", key, plaintext, err)
	}
}
