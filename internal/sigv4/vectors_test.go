package sigv4

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// vectorCount is the number of cases in the suite: a lost one must not go unseen.
const vectorCount = 38

// A vector is one case of the published suite, in header form.
type vector struct {
	name    string
	context struct {
		Credentials struct {
			AccessKeyID string `json:"access_key_id"`
			Secret      string `json:"secret_access_key"`
			Token       string `json:"token"`
		} `json:"credentials"`
		Expiration       int       `json:"expiration_in_seconds"` // of the query form
		Normalize        bool      `json:"normalize"`
		Region           string    `json:"region"`
		Service          string    `json:"service"`
		SignBody         bool      `json:"sign_body"`
		Timestamp        time.Time `json:"timestamp"`
		OmitSessionToken bool      `json:"omit_session_token"`
	}
	request, canonical, toSign, signature, signed string
}

func loadVectors(t testing.TB) []*vector {
	t.Helper()
	dirs, err := filepath.Glob("testdata/vectors/*/context.json")
	if err != nil || len(dirs) != vectorCount {
		t.Fatalf("%d vectors (%v), want %d", len(dirs), err, vectorCount)
	}
	var all []*vector
	for _, path := range dirs {
		dir := filepath.Dir(path)
		v := &vector{name: filepath.Base(dir)}
		read := func(name string) string {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			return string(data)
		}
		decoder := json.NewDecoder(strings.NewReader(read("context.json")))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&v.context); err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		v.request = read("request.txt")
		v.canonical = read("header-canonical-request.txt")
		v.toSign = read("header-string-to-sign.txt")
		v.signature = read("header-signature.txt")
		v.signed = read("header-signed-request.txt")
		all = append(all, v)
	}
	return all
}

func (v *vector) verifier() *Verifier {
	return NewVerifier(VerifierConfig{
		Service: v.context.Service,
		Regions: []string{v.context.Region},
		RawPath: !v.context.Normalize,
		Lookup: func(id string) (string, bool) {
			return v.context.Credentials.Secret, id == v.context.Credentials.AccessKeyID
		},
	})
}

// parseRequest reads a request as a server does, but for a request line that
// may hold blanks and anything else, as some of the vectors do.
func parseRequest(raw []byte) (*http.Request, []byte, error) {
	line, rest, _ := bytes.Cut(raw, []byte("\n"))
	first, last := bytes.IndexByte(line, ' '), bytes.LastIndexByte(line, ' ')
	if first < 1 || last == first {
		return nil, nil, errors.New("malformed request line")
	}
	text := slices.Concat([]byte("POST / HTTP/1.1\n"), rest)
	if !bytes.Contains(text, []byte("\n\n")) {
		text = append(text, "\n\n"...)
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(text)))
	if err != nil {
		return nil, nil, err
	}
	r.Method, r.RequestURI = string(line[:first]), string(line[first+1:last])
	body, err := io.ReadAll(r.Body)
	return r, body, err
}

func mustParse(t testing.TB, raw string) (*http.Request, []byte) {
	t.Helper()
	r, body, err := parseRequest([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return r, body
}

// sign signs the vector's request as its context says, and gives it with its
// body.
func (v *vector) sign(t testing.TB) (*http.Request, []byte) {
	t.Helper()
	r, body := mustParse(t, v.request)
	c := Credential{v.context.Credentials.AccessKeyID, v.context.Credentials.Secret, v.context.Credentials.Token}
	if v.context.OmitSessionToken {
		c.SessionToken = ""
	}
	o := Options{RawPath: !v.context.Normalize}
	for name := range r.Header {
		o.SignedHeaders = append(o.SignedHeaders, name)
	}
	if v.context.SignBody {
		o.SignedHeaders = append(o.SignedHeaders, "X-Amz-Content-Sha256")
	}
	if err := Sign(r, body, c, v.context.Region, v.context.Service, v.context.Timestamp, o); err != nil {
		t.Fatal(err)
	}
	if v.context.OmitSessionToken { // it is added after signing
		r.Header.Set("X-Amz-Security-Token", v.context.Credentials.Token)
	}
	return r, body
}

// signedText is the vector's request with the headers that r has gained.
func (v *vector) signedText(r *http.Request, body []byte) string {
	head, _, _ := strings.Cut(v.request, "\n\n")
	text := strings.TrimSpace(head) + "\n"
	for _, name := range []string{"X-Amz-Security-Token", "X-Amz-Date", "x-amz-content-sha256", "Authorization"} {
		if value := r.Header.Get(name); value != "" {
			text += name + ":" + value + "\n"
		}
	}
	return strings.TrimSpace(text + "\n" + string(body))
}

func TestVectorsSigned(t *testing.T) {
	for _, v := range loadVectors(t) {
		t.Run(v.name, func(t *testing.T) {
			r, body := v.sign(t)
			if diff := cmp.Diff(strings.TrimSpace(v.signed), v.signedText(r, body)); diff != "" {
				t.Errorf("signed request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVectorsVerified(t *testing.T) {
	for _, v := range loadVectors(t) {
		t.Run(v.name, func(t *testing.T) {
			r, body := mustParse(t, v.signed)
			got, err := v.verifier().Verify(r, body, v.context.Timestamp.Add(time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			want := Result{
				AccessKeyID: v.context.Credentials.AccessKeyID, Region: v.context.Region, Service: v.context.Service,
				Time: v.context.Timestamp, SessionToken: v.context.Credentials.Token,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
		})
	}
}

// A refusal shows what was computed: that is how the intermediate forms of the
// vectors are seen from outside.
func TestVectorsCanonicalRequestAndStringToSign(t *testing.T) {
	for _, v := range loadVectors(t) {
		t.Run(v.name, func(t *testing.T) {
			forged := strings.Replace(v.signed, v.signature, strings.Repeat("0", hexHash), 1)
			r, body := mustParse(t, forged)
			_, err := v.verifier().Verify(r, body, v.context.Timestamp)
			refusal, ok := errors.AsType[*Error](err)
			if !ok || refusal.Reason != Mismatch {
				t.Fatalf("a signature of zeros: %v, want a mismatch", err)
			}
			if diff := cmp.Diff(v.canonical, refusal.CanonicalRequest); diff != "" {
				t.Errorf("canonical request (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(v.toSign, refusal.StringToSign); diff != "" {
				t.Errorf("string to sign (-want +got):\n%s", diff)
			}
		})
	}
}
