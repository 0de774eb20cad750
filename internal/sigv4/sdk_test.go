package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"pgregory.net/rapid"
)

// The signer of the AWS SDK for Go makes the same Authorization header, and
// Verify accepts it. The SDK does not resolve dot segments and double slashes:
// paths have none but where they are taken raw.
func TestSameSignatureAsTheSDK(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "body")
		raw := rapid.Bool().Draw(t, "raw")
		r, _ := genRequest(t, body)
		if !raw {
			r.URL.Path, r.URL.RawPath = rapid.SampledFrom([]string{"/", "/a b/ሴ/", "/x+y/%2F"}).Draw(t, "plain path"), ""
		}
		values := url.Values{}
		for _, name := range rapid.SliceOfN(genValue, 0, 3).Draw(t, "parameters") {
			values.Add(name, genValue.Draw(t, "value"))
		}
		r.URL.RawQuery = strings.ReplaceAll(values.Encode(), "+", "%20")
		c := aws.Credentials{
			AccessKeyID: testID, SecretAccessKey: genSecret.Draw(t, "secret"),
			SessionToken: rapid.SampledFrom([]string{"", "token//+=="}).Draw(t, "token"),
		}
		theirs := r.Clone(t.Context())
		hash := sha256.Sum256(body)
		if err := v4.NewSigner().SignHTTP(t.Context(), c, theirs, hex.EncodeToString(hash[:]), "kms", testRegion, testNow,
			func(o *v4.SignerOptions) { o.DisableURIPathEscaping = raw }); err != nil {
			t.Fatal(err)
		}
		sdk := theirs.Header.Get("Authorization")
		r.Host = theirs.Host // without a default port, which the SDK does not send
		sameAsSDK(t, r, body, c, sdk, raw)

		received, gotBody := sendAndReceive(t, theirs)
		v := NewVerifier(VerifierConfig{
			Service: "kms", RawPath: raw,
			Lookup: func(id string) (string, bool) { return c.SecretAccessKey, id == testID },
		})
		if _, err := v.Verify(received, gotBody, testNow); err != nil {
			t.Fatalf("%v\n%s", err, err.(*Error).CanonicalRequest)
		}
	})
}

// sameAsSDK signs r with the headers that the SDK signed.
func sameAsSDK(t *rapid.T, r *http.Request, body []byte, c aws.Credentials, sdk string, raw bool) {
	_, list, _ := strings.Cut(sdk, "SignedHeaders=")
	list, _, _ = strings.Cut(list, ",")
	ours := Credential{c.AccessKeyID, c.SecretAccessKey, c.SessionToken}
	o := Options{RawPath: raw, SignedHeaders: strings.Split(list, ";")}
	if err := Sign(r, body, ours, testRegion, "kms", testNow, o); err != nil {
		t.Fatal(err)
	}
	if got := r.Header.Get("Authorization"); got != sdk {
		t.Fatalf("signed\n%s, the SDK\n%s", got, sdk)
	}
}
