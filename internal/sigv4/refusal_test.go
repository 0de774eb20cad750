package sigv4

import (
	"net/http"
	"strings"
	"testing"
)

var refusals = []struct {
	name   string
	change func(*http.Request)
	want   Reason
}{
	{"no Authorization header", func(r *http.Request) { r.Header.Del("Authorization") }, Missing},
	{"two Authorization headers", func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }, Incomplete},
	{"an empty Authorization header", set("Authorization", ""), Incomplete},
	{"another scheme", set("Authorization", "Bearer abc"), Incomplete},
	{"another algorithm", edit("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512"), Incomplete},
	{"an algorithm in lower case", edit("AWS4-HMAC-SHA256", "aws4-hmac-sha256"), Incomplete},
	{"a comma after the algorithm", edit("SHA256 ", "SHA256, "), Incomplete},
	{"no Credential", edit("Credential=", ""), Incomplete},
	{"no SignedHeaders", edit(" SignedHeaders=host;x-amz-date,", ""), Incomplete},
	{"no Signature", edit("Signature=", ""), Incomplete},
	{"an empty SignedHeaders", edit("host;x-amz-date", ""), Incomplete},
	{"a doubled Credential", edit("Credential=", "Credential=a/b/c/d/e, Credential="), Incomplete},
	{"a field nobody knows", edit("Signature=", "Nonce=1, Signature="), Incomplete},
	{"a field's name in lower case", edit("Signature=", "signature="), Incomplete},
	{"blanks around the equals sign", edit("Signature=", "Signature = "), Incomplete},
	{"a credential of four parts", edit("/aws4_request", ""), Incomplete},
	{"a credential of six parts", edit("/aws4_request", "/aws4_request/"), Incomplete},
	{"an empty access key ID", edit(testID, ""), Incomplete},
	{"host not signed", edit("host;", ""), Incomplete},
	{"the date not signed", edit(";x-amz-date", ""), Incomplete},
	{"signed headers out of order", edit("host;x-amz-date", "x-amz-date;host"), Incomplete},
	{"a signed header named twice", edit("host;", "host;host;"), Incomplete},
	{"a signed header with capitals", edit("host;", "Host;"), Incomplete},
	{"a signed header without a name", edit("host;", ";host;"), Incomplete},
	{"a signed header that is not there", edit("host;", "host;x-absent;"), Incomplete},
	{"no X-Amz-Date", func(r *http.Request) { r.Header.Del("X-Amz-Date") }, Incomplete},
	{"two X-Amz-Date", set("X-Amz-Date", testDate, testDate), Incomplete},
	{"a date in another format", set("X-Amz-Date", "2026-03-14T15:09:26Z"), Incomplete},
	{"a date with fractions of seconds", set("X-Amz-Date", "20260314T150926.5Z"), Incomplete},
	{"a date that does not exist", set("X-Amz-Date", "20260230T150926Z"), Incomplete},
	{"two session tokens", set("X-Amz-Security-Token", "a", "b"), Incomplete},
	{"X-Amz-Target that is not signed", set("X-Amz-Target", "TrentService.Decrypt"), Incomplete},
	{"another day in the scope", edit("20260314", "20260313"), WrongScope},
	{"no day in the scope", edit("20260314", ""), WrongScope},
	{"a Region that is not served", edit("eu-north-1", "eu-north-2"), WrongScope},
	{"no Region", edit("eu-north-1", ""), WrongScope},
	{"another service", edit("kms-xks-proxy", "kms"), WrongScope},
	{"another terminator", edit("aws4_request", "aws5_request"), WrongScope},
	{"an unknown access key ID", edit(testID, "Invalid"+testID), UnknownKey},
	{"another Region that is served", edit("eu-north-1", "us-east-1"), Mismatch},
	{"a signature in capitals", func(r *http.Request) {
		head, signature, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
		r.Header.Set("Authorization", head+"Signature="+strings.ToUpper(signature))
	}, Mismatch},
	{"a signature cut short", func(r *http.Request) {
		value := r.Header.Get("Authorization")
		r.Header.Set("Authorization", value[:len(value)-1])
	}, Mismatch},
	{"a signature that goes on", func(r *http.Request) {
		r.Header.Set("Authorization", r.Header.Get("Authorization")+"0")
	}, Mismatch},
	{"another date inside the window", set("X-Amz-Date", "20260314T150927Z"), Mismatch},
	{"another host", func(r *http.Request) { r.Host = "proxy.example.com" }, Mismatch},
	{"another method", func(r *http.Request) { r.Method = http.MethodPut }, Mismatch},
	{"another path", func(r *http.Request) { r.RequestURI = "/kms/xks/v1/keys/k2/encrypt" }, Mismatch},
	{"a query that was not signed", func(r *http.Request) { r.RequestURI = "/kms/xks/v1/keys/k1/encrypt?a" }, Mismatch},
}

func TestRefusals(t *testing.T) {
	v := testVerifier()
	if _, err := v.Verify(signedRequest(t), testBody, testNow); err != nil {
		t.Fatalf("the unchanged request: %v", err)
	}
	for _, row := range refusals {
		t.Run(row.name, func(t *testing.T) {
			r := signedRequest(t)
			row.change(r)
			got, err := v.Verify(r, testBody, testNow)
			wantReason(t, err, row.want)
			if got != (Result{}) {
				t.Errorf("a refusal gives %+v", got)
			}
		})
	}
}
