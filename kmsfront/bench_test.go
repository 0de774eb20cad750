package kmsfront

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"hyok/internal/sigv4"
	"hyok/kmsfront/api"
)

// BenchmarkEncrypt is the whole way of an Encrypt with an AWS_KMS key, from the
// signed HTTP request to the encoded answer, without the network.
func BenchmarkEncrypt(b *testing.B) {
	k := newKit(b, quotasOff)
	h := api.NewHandler(api.HandlerConfig{Service: k.Server, Authenticate: func(string) (string, string, api.Caller, bool) {
		return "secret", "", api.Caller{Account: testAccount, ARN: "arn:aws:iam::111122223333:user/admin", Type: "IAMUser", UserName: "admin"}, true
	}})
	text := []byte(body("KeyId", k.newKey(), "Plaintext", b64(make([]byte, 32)), "EncryptionContext", map[string]string{"purpose": "bench"}))
	req := httptest.NewRequest(http.MethodPost, "/", nil)
	req.Header.Set("X-Amz-Target", "TrentService.Encrypt")
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	credential := sigv4.Credential{AccessKeyID: "AKIDEXAMPLE", Secret: "secret"}
	if err := sigv4.Sign(req, text, credential, testRegion, "kms", time.Now(), sigv4.Options{}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r := req.Clone(b.Context())
			r.Body = readCloser{bytes.NewReader(text)}
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, r); w.Code != http.StatusOK {
				b.Fatalf("%d %s", w.Code, w.Body)
			}
		}
	})
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }
