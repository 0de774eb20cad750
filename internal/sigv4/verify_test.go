package sigv4

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestSpacingOfTheHeaderDoesNotMatter(t *testing.T) {
	replace := func(old, new string) func(string) string {
		return func(s string) string { return strings.ReplaceAll(s, old, new) }
	}
	for name, change := range map[string]func(string) string{
		"no blank after the commas":          replace(", ", ","),
		"blanks on both sides of the commas": replace(", ", " ,\t "),
		"several blanks after the algorithm": replace("SHA256 ", "SHA256 \t "),
		"a tab after the algorithm":          replace("SHA256 ", "SHA256\t"),
		"a comma at the end":                 func(s string) string { return s + " ," },
		"blanks at both ends":                func(s string) string { return " " + s + "\t" },
		"the fields in another order": func(s string) string {
			fields := strings.Split(strings.TrimPrefix(s, "AWS4-HMAC-SHA256 "), ", ")
			return "AWS4-HMAC-SHA256 " + fields[2] + ", " + fields[1] + ", " + fields[0]
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := signedRequest(t)
			value := r.Header.Get("Authorization")
			changed := change(value)
			if changed == value {
				t.Fatal("nothing was changed")
			}
			r.Header.Set("Authorization", changed)
			if _, err := testVerifier().Verify(r, testBody, testNow); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWindowIsOpenAtBothEnds(t *testing.T) {
	for _, row := range []struct {
		window, off time.Duration
		ok          bool
	}{
		{0, 0, true},
		{0, 5 * time.Minute, true},
		{0, -5 * time.Minute, true},
		{0, 5*time.Minute + 1, false},
		{0, -5*time.Minute - 1, false},
		{time.Second, time.Second, true},
		{time.Second, 1100 * time.Millisecond, false},
		{time.Second, -1100 * time.Millisecond, false},
		{0, 24 * time.Hour, false},
	} {
		t.Run(fmt.Sprint(row.window, row.off), func(t *testing.T) {
			v := testVerifier(func(c *VerifierConfig) { c.Window = row.window })
			_, err := v.Verify(signedRequest(t), testBody, testNow.Add(row.off))
			if row.ok && err != nil {
				t.Error(err)
			}
			if !row.ok {
				wantReason(t, err, Expired)
			}
		})
	}
}

func TestSignedContentHashIsThatOfTheBody(t *testing.T) {
	r := signedRequest(t, Options{RawPath: true, SignedHeaders: []string{"x-amz-content-sha256"}})
	if _, err := testVerifier().Verify(r, testBody, testNow); err != nil {
		t.Fatal(err)
	}
	_, err := testVerifier().Verify(r, testBody[1:], testNow)
	wantReason(t, err, Mismatch)

	for _, claim := range []string{"UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "", strings.Repeat("0", 64)} {
		// A signer that claims it and signs the claim in the hash's place.
		r := signedRequest(t, Options{RawPath: true, SignedHeaders: []string{"x-amz-content-sha256"}})
		r.Header.Set("X-Amz-Content-Sha256", claim)
		got, _ := readReference(asReceived(r), testBody, true)
		for _, payload := range []string{claim, got.canonical[strings.LastIndex(got.canonical, "\n")+1:]} {
			got.canonical = got.canonical[:strings.LastIndex(got.canonical, "\n")+1] + payload
			edit(got.signature, referenceSignature(testSecret, got))(r)
			got.signature = referenceSignature(testSecret, got)
			_, err = testVerifier().Verify(r, testBody, testNow)
			wantReason(t, err, Mismatch)
		}
	}
}

func TestFurtherHeadersThatMustBeSigned(t *testing.T) {
	v := testVerifier(func(c *VerifierConfig) { c.MustSign = []string{"X-On-Behalf-Of"} })
	if _, err := v.Verify(signedRequest(t), testBody, testNow); err != nil {
		t.Fatalf("without the header: %v", err)
	}
	r := signedRequest(t)
	r.Header.Set("X-On-Behalf-Of", "somebody")
	_, err := v.Verify(r, testBody, testNow)
	wantReason(t, err, Incomplete)
	if err = Sign(r, testBody, Credential{AccessKeyID: testID, Secret: testSecret}, testRegion, "kms-xks-proxy",
		testNow, Options{RawPath: true, SignedHeaders: []string{"X-On-Behalf-Of"}}); err != nil {
		t.Fatal(err)
	}
	if _, err = v.Verify(r, testBody, testNow); err != nil {
		t.Errorf("signed: %v", err)
	}
}

// The stand-in's secret is in the source: knowing it must open nothing.
func TestNobodyIsLetInWithoutASecret(t *testing.T) {
	for name, lookup := range map[string]func(string) (string, bool){
		"no look-up":                nil,
		"unknown":                   func(string) (string, bool) { return "", false },
		"unknown, yet with a value": func(string) (string, bool) { return standIn, false },
		"known, with an empty one":  func(string) (string, bool) { return "", true },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRequest(t, "/")
			if err := Sign(r, testBody, Credential{AccessKeyID: testID, Secret: standIn}, testRegion, "kms-xks-proxy",
				testNow, Options{RawPath: true}); err != nil {
				t.Fatal(err)
			}
			_, err := testVerifier(func(c *VerifierConfig) { c.Lookup = lookup }).Verify(r, testBody, testNow)
			if refusal := wantReason(t, err, UnknownKey); refusal.CanonicalRequest == "" || refusal.StringToSign == "" {
				t.Error("no work was done for an unknown access key ID")
			}
		})
	}
}

// The work for an unknown access key ID has its key at hand as soon as the
// work for a known one has.
func TestStandInIsDerivedWithTheFirstRealKey(t *testing.T) {
	v := testVerifier()
	if _, err := v.Verify(signedRequest(t), testBody, testNow); err != nil {
		t.Fatal(err)
	}
	if _, derived := v.keys.get(standIn, scope{testDate[:dayLength], testRegion, "kms-xks-proxy"}); derived {
		t.Error("the stand-in's key was not there")
	}
	if n := len(standIn); n < 40 || n > 64 {
		t.Errorf("the stand-in has %d characters, secrets have 40 to 64", n)
	}
}

func TestKeyCacheIsBoundedAndConcurrent(t *testing.T) {
	v := testVerifier(func(c *VerifierConfig) { c.Regions = nil })
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			for j := range maxKeys {
				r := newRequest(t, "/")
				region := fmt.Sprint("region-", (i+j)%maxKeys)
				if err := Sign(r, testBody, Credential{AccessKeyID: testID, Secret: testSecret}, region, "kms-xks-proxy",
					testNow, Options{RawPath: true}); err != nil {
					t.Error(err)
				}
				if got, err := v.Verify(r, testBody, testNow); err != nil || got.Region != region {
					t.Error(got.Region, err)
				}
			}
		})
	}
	group.Wait()
	if n := len(v.keys.keys); n == 0 || n > maxKeys {
		t.Errorf("%d keys, want between 1 and %d", n, maxKeys)
	}
}

func TestLongRegionIsNotRemembered(t *testing.T) {
	v := testVerifier(func(c *VerifierConfig) { c.Regions = nil })
	r := signedRequest(t)
	edit(testRegion, strings.Repeat("r", maxRegion+1))(r)
	_, err := v.Verify(r, testBody, testNow)
	if refusal := wantReason(t, err, WrongScope); len(refusal.Detail) > 200 {
		t.Errorf("the error repeats what it was sent: %q", refusal.Detail)
	}
	if len(v.keys.keys) != 0 {
		t.Error("a key was derived")
	}
}

func TestCredentialHidesItsSecret(t *testing.T) {
	c := Credential{AccessKeyID: testID, Secret: testSecret, SessionToken: "token-of-the-session"}
	inJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", []Credential{c}), string(inJSON)} {
		if !strings.Contains(text, testID) || strings.Contains(text, testSecret) || strings.Contains(text, c.SessionToken) {
			t.Errorf("it prints as %s", text)
		}
	}
}

func TestReasonsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for r := Missing; r <= WrongScope; r++ {
		if name := r.String(); seen[name] || strings.HasPrefix(name, "reason-") {
			t.Errorf("reason %d is called %q", r, name)
		}
		seen[r.String()] = true
	}
	if got := Reason(0).String() + " " + Reason(99).String(); got != "reason-0 reason-99" {
		t.Error(got)
	}
}

func TestFormsOfARequest(t *testing.T) {
	long := "X-" + strings.Repeat("Long-", 20) + "Name"
	for name, change := range map[string]func(*http.Request){
		"a request line in absolute form":               func(r *http.Request) { r.RequestURI = "http://proxy.example.com/kms/xks/v1/health?a" },
		"in absolute form without a path":               func(r *http.Request) { r.RequestURI = "http://proxy.example.com" },
		"in absolute form with a query alone":           func(r *http.Request) { r.RequestURI = "http://proxy.example.com?a" },
		"no method, which is GET":                       func(r *http.Request) { r.Method = "" },
		"a header whose name is longer than any buffer": func(r *http.Request) { r.Header.Set(long, "value") },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRequest(t, "/")
			change(r)
			o := Options{RawPath: true}
			if r.Header.Get(long) != "" {
				o.SignedHeaders = []string{long}
			}
			if err := Sign(r, testBody, Credential{AccessKeyID: testID, Secret: testSecret}, testRegion, "kms-xks-proxy", testNow, o); err != nil {
				t.Fatal(err)
			}
			if r.Method == "" {
				r.Method = http.MethodGet
			}
			reference, ok := readReference(asReceived(r), testBody, true)
			if !ok || referenceSignature(testSecret, reference) != reference.signature {
				t.Errorf("the reference reads another signature from\n%s", reference.canonical)
			}
			if _, err := testVerifier().Verify(r, testBody, testNow); err != nil {
				t.Error(err)
			}
		})
	}
}
