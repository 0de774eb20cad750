package proxy_test

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"hyok/internal/sigv4"
	"hyok/proxy/xks"
)

// serveBody sends a signed body to the handler itself. Whatever it is, the answer
// must be the protocol's.
func (r *rig) serveBody(t *testing.T, path string, body []byte) *recorder {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, "https://localhost"+prefix+xks.BasePath+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.RequestURI = req.URL.Path
	if err := sigv4.Sign(req, body, short, region, xks.Service, time.Now(), sigv4.Options{RawPath: true}); err != nil {
		t.Fatal(err)
	}
	w := &recorder{header: http.Header{}}
	r.server.Handler().ServeHTTP(w, req)
	if w.status == http.StatusOK {
		return w
	}
	var e xks.Error
	if err := xks.Unmarshal(w.body.Bytes(), &e); err != nil || !e.Name.Valid() || e.Name.Status() != w.status {
		t.Fatalf("%q was answered with %d %q", body, w.status, w.body.Bytes())
	}
	if e.Name.Retryable() && e.Name != xks.ThrottlingException && e.Name != xks.DependencyTimeoutException {
		t.Fatalf("%q was answered as a fault of the proxy: %+v", body, e)
	}
	return w
}

func FuzzEncryptBody(f *testing.F) {
	r := newRig(f, nil)
	good, err := json.Marshal(encryptBody())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(bytes.Replace(good, []byte("SHA_256"), []byte("SHA_1"), 1))
	f.Add([]byte(`{"requestMetadata":null,"plaintext":"\u0041A=="}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		w := r.serveBody(t, "/keys/good/encrypt", body)
		if w.status != http.StatusOK {
			return
		}
		var req xks.EncryptRequest
		var resp xks.EncryptResponse
		if err := xks.Unmarshal(body, &req); err != nil {
			t.Fatalf("a body that does not decode was encrypted: %v", err)
		}
		if err := xks.Unmarshal(w.body.Bytes(), &resp); err != nil {
			t.Fatal(err)
		}
		plaintext, err := r.token.Decrypt(soon(t), "good", resp.InitializationVector, resp.Ciphertext, resp.AuthenticationTag,
			xks.Frame(req.AdditionalAuthenticatedData, resp.CiphertextMetadata))
		if err != nil || !bytes.Equal(plaintext, req.Plaintext) {
			t.Fatalf("%q decrypts to %x, %v", body, plaintext, err)
		}
	})
}

func FuzzDecryptBody(f *testing.F) {
	r := newRig(f, nil)
	e, members := r.sealed(f, "good")
	good, err := json.Marshal(members)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"requestMetadata":{"kmsRequestId":"a"},"ciphertext":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		w := r.serveBody(t, "/keys/good/decrypt", body)
		if w.status != http.StatusOK {
			return
		}
		// Only what was sealed above can be opened.
		var req xks.DecryptRequest
		if err := xks.Unmarshal(body, &req); err != nil || !bytes.Equal(req.Ciphertext, e.Ciphertext) ||
			!bytes.Equal(req.InitializationVector, e.InitializationVector) || !bytes.Equal(req.AuthenticationTag, e.AuthenticationTag) ||
			!bytes.Equal(req.CiphertextMetadata, e.CiphertextMetadata) || string(req.AdditionalAuthenticatedData) != "aad" {
			t.Fatalf("%q was decrypted", body)
		}
	})
}

// Whatever asks for a key's metadata, what is told is of that key.
func FuzzGetKeyMetadataBody(f *testing.F) {
	r := newRig(f, nil)
	addMetadataSeeds(f, "CreateKey")
	f.Fuzz(func(t *testing.T, body []byte) {
		w := r.serveBody(t, "/keys/off/metadata", body)
		if w.status != http.StatusOK {
			return
		}
		requireMetadata(t, body, true)
		var resp xks.GetKeyMetadataResponse
		if err := xks.Unmarshal(w.body.Bytes(), &resp); err != nil || resp.KeySpec != "AES_256" || resp.KeyStatus != "DISABLED" {
			t.Fatalf("%q is told %q", body, w.body.Bytes())
		}
	})
}

// Whatever asks for the health, the answer keeps the protocol's rules.
func FuzzGetHealthStatusBody(f *testing.F) {
	r := newRig(f, nil)
	addMetadataSeeds(f, "KmsHealthCheck")
	f.Fuzz(func(t *testing.T, body []byte) {
		w := r.serveBody(t, "/health", body)
		if w.status != http.StatusOK {
			return
		}
		requireMetadata(t, body, false)
		var resp xks.GetHealthStatusResponse
		if err := xks.Unmarshal(w.body.Bytes(), &resp); err != nil || resp.XksProxyFleetSize != 1 || len(resp.EkmFleetDetails) != 1 {
			t.Fatalf("%q is told %q", body, w.body.Bytes())
		}
	})
}

func addMetadataSeeds(f *testing.F, operation string) {
	good, err := json.Marshal(members{"requestMetadata": metadataOf(operation)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	for _, seed := range []string{``, `{}`, `null`, `[]`, `{"requestMetadata":null}`, `{"requestMetadata":[]}`,
		`{"requestMetadata":{"kmsRequestId":1}}`, `{"requestMetadata":{"kmsRequestId":"\ud800","kmsOperation":"a","awsPrincipalArn":"\u0000"}}`,
		`{"requestMetadata":{"kmsRequestId":"a","kmsRequestId":"b","kmsOperation":"c"}}`,
	} {
		f.Add([]byte(seed))
	}
}

// requireMetadata wants the members in a body that was accepted (XKS facts 1.6).
func requireMetadata(t *testing.T, body []byte, principal bool) {
	t.Helper()
	var req xks.GetKeyMetadataRequest
	err := xks.Unmarshal(body, &req)
	m := req.RequestMetadata
	if err != nil || m.KMSRequestID == "" || m.KMSOperation == "" || principal && m.AWSPrincipalArn == "" {
		t.Fatalf("%q was accepted: %v", body, err)
	}
}
