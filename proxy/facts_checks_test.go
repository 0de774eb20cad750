package proxy_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"hyok/hsm"
	"hyok/proxy"
	"hyok/proxy/xks"
)

// The checks of facts that have no test of their own elsewhere.

func theFourOperations(t *testing.T, r *rig) {
	_, decrypt := r.sealed(t, "good")
	for path, body := range map[string]members{
		"/keys/good/metadata": encryptBody(), "/keys/good/encrypt": encryptBody(), "/keys/good/decrypt": decrypt, "/health": encryptBody(),
	} {
		r.do(t, request{path: path, body: body}).want(t, path, "")
	}
}

func onlyAES256(t *testing.T, r *rig) {
	_, decrypt := r.sealed(t, "good")
	for path, body := range map[string]members{"/keys/small/encrypt": encryptBody(), "/keys/small/decrypt": decrypt} {
		r.do(t, request{path: path, body: body}).want(t, path, xks.InvalidKeyUsageException)
	}
	r.do(t, request{path: "/keys/good/encrypt", body: encryptBody().with("encryptionAlgorithm", "AES_CBC")}).want(t, "another algorithm", xks.ValidationException)
}

func noOtherOperations(t *testing.T, r *rig) {
	for _, path := range []string{"/keys", "/keys/", "/keys/good", "/keys/good/", "/keys/good/rotate", "/keys/good/encrypt/", "/healths", "/", ""} {
		r.do(t, request{path: path, body: encryptBody()}).want(t, path, xks.InvalidUriPathException)
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch} {
		if a := r.do(t, request{method: method, path: "/keys/good/encrypt", body: encryptBody()}); a.status != http.StatusMethodNotAllowed {
			t.Errorf("%s: got %d %s", method, a.status, a.Name)
		}
	}
	if keys, err := r.token.Keys(soon(t)); err != nil || len(keys) < 5 || slices.ContainsFunc(keys, func(k hsm.Key) bool { return k.Label == "good" && !k.Enabled }) {
		t.Errorf("afterwards: %v, %v", keys, err)
	}
}

func contentIsJSON(t *testing.T, r *rig) {
	for what, q := range map[string]request{
		"a success": {path: "/keys/good/encrypt", body: encryptBody()}, "a refusal": {path: "/keys/none/encrypt", body: encryptBody()},
		"no such path": {path: "/nothing", body: encryptBody()}, "another method": {method: http.MethodGet, path: "/health", body: "{}"},
	} {
		if got := r.do(t, q).header["Content-Type"]; !slices.Equal(got, []string{"application/json"}) {
			t.Errorf("%s: Content-Type %q", what, got)
		}
	}
}

// connectionsStayOpen asks on one connection, with refusals between, and begins
// another one with the first one's session.
func connectionsStayOpen(t *testing.T, r *rig) {
	c := r.kit.ClientConfig()
	c.ServerName, c.NextProtos, c.ClientSessionCache = "localhost", []string{"http/1.1"}, tls.NewLRUClientSessionCache(1)
	for i := range 2 {
		conn, err := tls.Dial("tcp", "127.0.0.1:"+r.port(), c)
		if err != nil {
			t.Fatal(err)
		}
		answers := bufio.NewReader(conn)
		for range 3 {
			for _, what := range []string{"good", "refused"} {
				req := r.encryptRequest(t)
				if what == "refused" {
					req.Header.Del("Authorization")
				}
				if err := req.Write(conn); err != nil {
					t.Fatal(err)
				}
				resp, err := http.ReadResponse(answers, req)
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.Close {
					t.Errorf("%s: %v, the connection is to be closed: %t", what, err, resp.Close)
				}
			}
		}
		if resumed := conn.ConnectionState().DidResume; resumed != (i > 0) {
			t.Errorf("connection %d resumes a session: %t", i+1, resumed)
		}
		conn.Close()
	}
}

func bothBases(t *testing.T, r *rig) {
	other := newRig(t, func(c *proxy.Config) {
		bare := c.Stores[0]
		bare.PathPrefix = ""
		c.Stores = append(c.Stores, bare)
	})
	for _, base := range []string{"", prefix} {
		other.do(t, request{path: "/health", body: encryptBody(), before: underPrefix(base)}).want(t, base+xks.BasePath, "")
	}
	r.do(t, request{path: "/health", body: encryptBody(), before: underPrefix("")}).want(t, "a base that is not served", xks.InvalidUriPathException)
}

// theRawPath signs a path that decodes to another key's.
func theRawPath(t *testing.T, r *rig) {
	escaped := func(req *http.Request) { req.URL.RawPath = strings.Replace(req.URL.Path, "good", "go%6Fd", 1) }
	r.do(t, request{path: "/keys/good/metadata", body: encryptBody(), before: escaped}).want(t, "go%6Fd", xks.InvalidUriPathException)
}

// aCertificateIsNoSignature asks as somebody whose certificate was accepted.
func aCertificateIsNoSignature(t *testing.T, r *rig) {
	for _, path := range []string{"/health", "/keys/good/metadata", "/keys/good/encrypt", "/keys/good/decrypt"} {
		req, err := http.NewRequest(http.MethodPost, "https://localhost"+prefix+xks.BasePath+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.RequestURI = req.URL.Path
		kms := &x509.Certificate{DNSNames: []string{"cks.kms.us-east-1.amazonaws.com"}}
		req.TLS = &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: []*x509.Certificate{kms}, VerifiedChains: [][]*x509.Certificate{{kms}}}
		w := &recorder{header: http.Header{}}
		if r.server.Handler().ServeHTTP(w, req); w.status != http.StatusUnauthorized {
			t.Errorf("%s: got %d", path, w.status)
		}
	}
}

func oddMetadata(t *testing.T, r *rig) {
	odd := members{"awsPrincipalArn": "?", "kmsKeyArn": "?", "kmsOperation": "?", "kmsRequestId": "?", "kmsViaService": "?", "awsSourceVpc": "?", "awsSourceVpce": "?"}
	r.do(t, request{path: "/keys/good/encrypt", body: encryptBody().with("requestMetadata", odd)}).want(t, "odd metadata", "")
}

// knownKMSOperations asks for each operation as KMS does.
func knownKMSOperations(t *testing.T, r *rig) {
	_, decrypt := r.sealed(t, "good")
	for _, row := range []struct {
		path string
		body members
		kms  []string
	}{
		{"/keys/good/metadata", encryptBody(), []string{"CreateKey", "DescribeKey"}},
		{"/keys/good/encrypt", encryptBody(), []string{"Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncrypt"}},
		{"/keys/good/decrypt", decrypt, []string{"Decrypt", "ReEncrypt"}},
		{"/health", encryptBody(), []string{"CreateCustomKeyStore", "ConnectCustomKeyStore", "UpdateCustomKeyStore", "KmsHealthCheck"}},
	} {
		for _, op := range row.kms {
			body := row.body.with("requestMetadata", row.body["requestMetadata"].(members).with("kmsOperation", op))
			r.do(t, request{path: row.path, body: body}).want(t, row.path+" for "+op, "")
		}
	}
}

// unknownForms decrypts what has metadata that this proxy does not write.
func unknownForms(t *testing.T, r *rig) {
	_, body := r.sealed(t, "good")
	for _, metadata := range [][]byte{{2, 0, 0, 0, 1}, {1, 0, 0, 0, 0}, {1, 0, 0, 0, 9}, {1, 0, 0, 1}, {1}, make([]byte, 20)} {
		r.do(t, request{path: "/keys/good/decrypt", body: body.with("ciphertextMetadata", metadata)}).
			want(t, fmt.Sprintf("metadata %x", metadata), xks.InvalidCiphertextException)
	}
}

// everyRequestMayComeTwice sends the same bytes twice, as KMS does after a network
// time-out, and decrypts what both give.
func everyRequestMayComeTwice(t *testing.T, r *rig) {
	conn := r.dial(t)
	var ivs []string
	req := r.encryptRequest(t)
	for range 2 {
		body, err := req.GetBody()
		if err != nil {
			t.Fatal(err)
		}
		req.Body = body
		a, err := roundTrip(conn, req)
		var e xks.EncryptResponse
		if err != nil || xks.Unmarshal(a.body, &e) != nil {
			t.Fatalf("got %s, %v", a.body, err)
		}
		ivs = append(ivs, string(e.InitializationVector))
		r.do(t, request{path: "/keys/good/decrypt", body: members{
			"requestMetadata": metadataOf("Decrypt"), "encryptionAlgorithm": "AES_GCM", "additionalAuthenticatedData": []byte("aad"),
			"ciphertext": e.Ciphertext, "initializationVector": e.InitializationVector, "authenticationTag": e.AuthenticationTag, "ciphertextMetadata": e.CiphertextMetadata,
		}}).want(t, "one of the two", "")
	}
	if ivs[0] == ivs[1] {
		t.Error("both have one IV")
	}
}
