package sigv4

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestWhatCannotBeSigned(t *testing.T) {
	good := Credential{AccessKeyID: testID, Secret: testSecret}
	for _, row := range []struct {
		name    string
		c       Credential
		region  string
		service string
		o       Options
		noHost  bool
	}{
		{"no access key ID", Credential{Secret: testSecret}, testRegion, "kms", Options{}, false},
		{"no secret", Credential{AccessKeyID: testID}, testRegion, "kms", Options{}, false},
		{"an access key ID with a slash", Credential{AccessKeyID: "a/b", Secret: testSecret}, testRegion, "kms", Options{}, false},
		{"no Region", good, "", "kms", Options{}, false},
		{"a Region with a blank", good, "eu north", "kms", Options{}, false},
		{"no service", good, testRegion, "", Options{}, false},
		{"a service with a comma", good, testRegion, "kms,s3", Options{}, false},
		{"a header that is not there", good, testRegion, "kms", Options{SignedHeaders: []string{"X-Absent"}}, false},
		{"no host", good, testRegion, "kms", Options{}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRequest(t, "/")
			if row.noHost {
				r.Host, r.URL.Host = "", ""
			}
			err := Sign(r, testBody, row.c, row.region, row.service, testNow, row.o)
			if !errors.Is(err, ErrSign) || strings.Contains(err.Error(), testSecret) {
				t.Errorf("got %v", err)
			}
			if r.Header.Get("Authorization") != "" {
				t.Error("there is a signature")
			}
		})
	}
}

func TestSigningAgainReplacesTheSignature(t *testing.T) {
	r := newRequest(t, "/")
	r.Header = nil
	for _, c := range []Credential{{testID, testSecret, "one"}, {testID, testSecret, "two"}} {
		if err := Sign(r, testBody, c, testRegion, "kms-xks-proxy", testNow, Options{RawPath: true}); err != nil {
			t.Fatal(err)
		}
		got, err := testVerifier().Verify(r, testBody, testNow)
		if err != nil || got.SessionToken != c.SessionToken {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// KMS signs host;x-amz-date towards proxies; SDKs sign more towards KMS.
func TestHeadersThatAreSigned(t *testing.T) {
	for _, row := range []struct {
		c    Credential
		o    Options
		want string
	}{
		{Credential{testID, testSecret, ""}, Options{RawPath: true}, "host;x-amz-date"},
		{Credential{testID, testSecret, "t"}, Options{RawPath: true}, "host;x-amz-date;x-amz-security-token"},
		{Credential{testID, testSecret, ""}, Options{}, "content-type;host;x-amz-date;x-amz-target"},
		{Credential{testID, testSecret, ""}, Options{SignedHeaders: []string{"X-B", "HOST", "content-length", "X-B"}},
			"content-length;content-type;host;x-amz-date;x-amz-target;x-b"},
	} {
		t.Run(row.want, func(t *testing.T) {
			r := newRequest(t, "/")
			r.Header = http.Header{"Content-Type": {"application/json"}, "X-Amz-Target": {"TrentService.Encrypt"}, "X-B": {""}}
			if err := Sign(r, testBody, row.c, testRegion, "kms", testNow, row.o); err != nil {
				t.Fatal(err)
			}
			if got := r.Header.Get("Authorization"); !strings.Contains(got, " SignedHeaders="+row.want+", ") {
				t.Errorf("got %s, want the headers %s", got, row.want)
			}
		})
	}
}

func TestWhiteSpaceInHeaderValues(t *testing.T) {
	for value, want := range map[string]string{
		"":                      "",
		" \t ":                  "",
		"a":                     "a",
		"  a b  ":               "a b",
		"a \t b\r\n c\v\fd":     "a b c d",
		`"a   b"`:               `"a b"`,
		"no-break\u00a0\u00a0s": "no-break\u00a0\u00a0s",
	} {
		if got := string(appendTrimmed([]byte("x:"), value)); got != "x:"+want {
			t.Errorf("%q becomes %q, want %q", value, got, want)
		}
	}
}
