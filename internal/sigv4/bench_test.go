package sigv4

import (
	"bytes"
	"testing"
)

// benchBody has the size of an encryption request to a proxy.
var benchBody = bytes.Repeat([]byte("x"), 600)

func BenchmarkVerify(b *testing.B) {
	v := testVerifier()
	r := newRequest(b, "/kms/xks/v1/keys/k1/encrypt")
	r.RequestURI = r.URL.RequestURI()
	c := Credential{AccessKeyID: testID, Secret: testSecret}
	if err := Sign(r, benchBody, c, testRegion, "kms-xks-proxy", testNow, Options{RawPath: true}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(r, benchBody, testNow); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyKMS has what the AWS SDK for Go signs.
func BenchmarkVerifyKMS(b *testing.B) {
	v := NewVerifier(VerifierConfig{Service: "kms", Lookup: func(string) (string, bool) { return testSecret, true }})
	r := newRequest(b, "/")
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "TrentService.Encrypt")
	r.Header.Set("Amz-Sdk-Invocation-Id", "5f2a1a2e-7d0b-4a6e-9a39-7a1d0a1f6d3b")
	c := Credential{AccessKeyID: testID, Secret: testSecret}
	o := Options{SignedHeaders: []string{"Content-Length", "Amz-Sdk-Invocation-Id"}}
	if err := Sign(r, benchBody, c, testRegion, "kms", testNow, o); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(r, benchBody, testNow); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyUnknownKey differs from BenchmarkVerify by the text of the
// refusal alone.
func BenchmarkVerifyUnknownKey(b *testing.B) {
	v := testVerifier()
	r := signedRequest(b)
	edit(testID, "NOBODY")(r)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(r, benchBody, testNow); err == nil {
			b.Fatal("accepted")
		}
	}
}

func BenchmarkSign(b *testing.B) {
	r := newRequest(b, "/kms/xks/v1/keys/k1/encrypt")
	c := Credential{AccessKeyID: testID, Secret: testSecret}
	b.ReportAllocs()
	for b.Loop() {
		if err := Sign(r, benchBody, c, testRegion, "kms-xks-proxy", testNow, Options{RawPath: true}); err != nil {
			b.Fatal(err)
		}
	}
}
