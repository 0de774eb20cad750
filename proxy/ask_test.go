package proxy_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"hyok/internal/sigv4"
	"hyok/proxy/xks"
)

// A request is a POST to the store under prefix that is right, but for what the
// test changes.
type request struct {
	method, path string // the path after prefix and xks.BasePath
	body         any    // a string is sent as it is
	credential   sigv4.Credential
	region       string
	date         time.Time
	before       func(*http.Request) // before it is signed
	after        func(*http.Request) // after
}

// An answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
	xks.Error
}

func (r *rig) do(t testing.TB, q request) answer {
	t.Helper()
	body, ok := q.body.(string)
	if !ok {
		b, err := json.Marshal(q.body)
		if err != nil {
			t.Fatal(err)
		}
		body = string(b)
	}
	if q.method == "" {
		q.method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(soon(t), q.method, r.https.URL+prefix+xks.BasePath+q.path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if q.before != nil {
		q.before(req)
	}
	r.sign(t, req, []byte(body), q)
	if q.after != nil {
		q.after(req)
	}
	return r.send(t, req)
}

func (r *rig) sign(t testing.TB, req *http.Request, body []byte, q request) {
	t.Helper()
	if q.credential.AccessKeyID == "" {
		q.credential = short
	}
	if q.region == "" {
		q.region = region
	}
	if q.date.IsZero() {
		q.date = r.time()
	}
	if err := sigv4.Sign(req, body, q.credential, q.region, xks.Service, q.date, sigv4.Options{RawPath: true}); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) send(t testing.TB, req *http.Request) answer {
	t.Helper()
	resp, err := r.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	if a.status != http.StatusOK {
		if err := xks.Unmarshal(a.body, &a.Error); err != nil {
			t.Fatalf("an error answer of status %d is not the protocol's: %q", a.status, a.body)
		}
	}
	return a
}

// want checks the name and its status; "" is success.
func (a answer) want(t testing.TB, what string, name xks.ErrorName) {
	t.Helper()
	status := http.StatusOK
	if name != "" {
		status = name.Status()
	}
	if a.Name != name || a.status != status {
		t.Errorf("%s: got %d %s (%s), want %d %s", what, a.status, a.Name, a.Message, status, name)
	}
}

// members is a body that a test takes members from, or gives them.
type members map[string]any

func (m members) with(name string, value any) members {
	n := members{}
	for k, v := range m {
		n[k] = v
	}
	if n[name] = value; value == nil {
		delete(n, name)
	}
	return n
}

func metadataOf(op string) members {
	return members{
		"awsPrincipalArn": "arn:aws:iam::123456789012:user/Alice",
		"kmsKeyArn":       "arn:aws:kms:us-east-2:123456789012:/key/1234abcd", // XKS fact 50
		"kmsOperation":    op, "kmsRequestId": "not-a-uuid", "kmsViaService": "ebs",
	}
}

func encryptBody() members {
	return members{"requestMetadata": metadataOf("Encrypt"), "plaintext": []byte("text"), "encryptionAlgorithm": "AES_GCM",
		"additionalAuthenticatedData": []byte("aad"), "ciphertextDataIntegrityValueAlgorithm": "SHA_256"}
}

// sealed encrypts under key, and gives the answer and the body that decrypts it.
func (r *rig) sealed(t testing.TB, key string) (xks.EncryptResponse, members) {
	t.Helper()
	a := r.do(t, request{path: "/keys/" + key + "/encrypt", body: encryptBody()})
	a.want(t, "encrypting", "")
	var e xks.EncryptResponse
	if err := xks.Unmarshal(a.body, &e); err != nil {
		t.Fatal(err)
	}
	return e, members{"requestMetadata": metadataOf("Decrypt"), "encryptionAlgorithm": "AES_GCM",
		"ciphertext": e.Ciphertext, "initializationVector": e.InitializationVector, "authenticationTag": e.AuthenticationTag,
		"ciphertextMetadata": e.CiphertextMetadata, "additionalAuthenticatedData": []byte("aad")}
}
