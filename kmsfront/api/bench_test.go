package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"hyok/internal/sigv4"
)

const testARN = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

// encryptBody is an Encrypt request with 48 bytes of plaintext.
var encryptBody = []byte(`{"KeyId":"` + testARN + `","Plaintext":"` +
	base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 48)) +
	`","EncryptionContext":{"purpose":"test"}}`)

var encryptAnswer = &EncryptResponse{
	CiphertextBlob:      bytes.Repeat([]byte{9}, 200),
	EncryptionAlgorithm: EncryptionAlgorithmSpecSymmetricDefault,
	KeyId:               testARN,
}

func BenchmarkDecodeEncrypt(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(Operations[OpEncrypt], encryptBody); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeEncrypt(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Encode(encryptAnswer); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecodePolicy has a policy of 32 KiB, whose pattern is checked.
func BenchmarkDecodePolicy(b *testing.B) {
	body, err := Encode(&PutKeyPolicyRequest{KeyId: testARN, Policy: string(bytes.Repeat([]byte{'p'}, 32<<10))})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := Decode(Operations[OpPutKeyPolicy], body); err != nil {
			b.Fatal(err)
		}
	}
}

// discard is a ResponseWriter that costs nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// BenchmarkHandlerEncrypt is the handler alone: no connection, a service that
// answers at once.
func BenchmarkHandlerEncrypt(b *testing.B) {
	now := time.Now()
	h := NewHandler(HandlerConfig{
		Authenticate: authenticate,
		Now:          func() time.Time { return now },
		Service:      serviceFunc(func(context.Context, *Call) (any, error) { return encryptAnswer, nil }),
	})
	r := httptest.NewRequest(http.MethodPost, "http://kms.us-east-1.amazonaws.com/", nil)
	r.Header.Set("X-Amz-Target", targetPrefix+OpEncrypt)
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	if err := sigv4.Sign(r, encryptBody, alice, "us-east-1", signingName, now, sigv4.Options{}); err != nil {
		b.Fatal(err)
	}
	body := bytes.NewReader(encryptBody)
	r.Body, r.ContentLength = io.NopCloser(body), int64(len(encryptBody))
	w := &discard{header: make(http.Header)}
	b.ReportAllocs()
	for b.Loop() {
		body.Reset(encryptBody)
		h.ServeHTTP(w, r)
	}
}
