package proxy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hyok/proxy"
	"hyok/proxy/xks"
)

const validation, unsupported = xks.ValidationException, xks.UnsupportedOperationException

// The tables of XKS facts 1.6 and 1.8: members of Encrypt.
func TestMembersOfEncrypt(t *testing.T) {
	r := newRig(t, nil)
	good := encryptBody()
	for _, row := range []struct {
		what string
		body any
		want xks.ErrorName
	}{
		{"unknown member (XKS fact 48)", good.with("later", members{"a": 1}), ""},
		{"ARN of 2048 characters (XKS fact 47)", good.with("requestMetadata", metadataOf("Encrypt").with("kmsKeyArn", strings.Repeat("a", 2048))), ""},
		{"principal that is no ARN (XKS facts 1.6)", good.with("requestMetadata", metadataOf("Encrypt").with("awsPrincipalArn", "AWS Internal")), ""},
		{"operation of the future (XKS facts 1.6)", good.with("requestMetadata", metadataOf("Fold")), ""},
		{"VPC members (XKS facts 1.6)", good.with("requestMetadata", metadataOf("Encrypt").with("awsSourceVpc", "vpc-1").with("awsSourceVpce", "vpce-1")), ""},
		{"no plaintext", good.with("plaintext", nil), validation},
		{"plaintext is null", good.with("plaintext", (*string)(nil)), validation},
		{"plaintext is a number", good.with("plaintext", 1), validation},
		{"plaintext is not base64 (XKS fact 51)", good.with("plaintext", "!!!!"), validation},
		{"plaintext is URL-safe base64 (XKS fact 51)", good.with("plaintext", "-_-_"), validation},
		{"AAD is not base64", good.with("additionalAuthenticatedData", "A"), validation},
		{"no algorithm", good.with("encryptionAlgorithm", nil), validation},
		{"another algorithm (XKS fact 65)", good.with("encryptionAlgorithm", "AES_CBC"), validation},
		{"another integrity algorithm (XKS fact 65)", good.with("ciphertextDataIntegrityValueAlgorithm", "SHA_1"), validation},
		{"plaintext of 4301 bytes", good.with("plaintext", make([]byte, 4301)), unsupported},
		{"AAD of 65536 bytes (its length does not fit the frame)", good.with("additionalAuthenticatedData", make([]byte, 65536)), unsupported},
		{"body of two values", `{} {}`, validation},
		{"body is a list", `[]`, validation},
		{"empty body", ``, validation},
	} {
		r.do(t, request{path: "/keys/good/encrypt", body: row.body}).want(t, row.what, row.want)
	}
}

// XKS facts 1.8, 68 and the table of contradictions: an absent member is a fault
// of the request, one of the wrong length a fault of the ciphertext.
func TestMembersOfDecrypt(t *testing.T) {
	r := newRig(t, nil)
	_, good := r.sealed(t, "good")
	for _, row := range []struct {
		what string
		body members
		want xks.ErrorName
	}{
		{"unknown member", good.with("later", 1), ""},
		{"no ciphertext", good.with("ciphertext", nil), validation},
		{"no IV", good.with("initializationVector", nil), validation},
		{"no tag", good.with("authenticationTag", nil), validation},
		{"no algorithm", good.with("encryptionAlgorithm", nil), validation},
		{"ciphertext is not base64", good.with("ciphertext", "?"), validation},
		{"tag is a list", good.with("authenticationTag", []int{1}), validation},
		{"ciphertext of 4301 bytes", good.with("ciphertext", make([]byte, 4301)), unsupported},
		{"AAD of 8193 bytes", good.with("additionalAuthenticatedData", make([]byte, 8193)), unsupported},
	} {
		r.do(t, request{path: "/keys/good/decrypt", body: row.body}).want(t, row.what, row.want)
	}
}

// The table of XKS facts 1.6, and trap 86 for health.
func TestRequiredMetadata(t *testing.T) {
	r := newRig(t, nil)
	_, decrypt := r.sealed(t, "good")
	all := []string{"awsPrincipalArn", "kmsKeyArn", "kmsOperation", "kmsRequestId", "kmsViaService"}
	for _, row := range []struct {
		path     string
		body     members
		required string
	}{
		{"/keys/good/metadata", members{}, "awsPrincipalArn kmsOperation kmsRequestId"},
		{"/keys/good/encrypt", encryptBody(), "awsPrincipalArn kmsKeyArn kmsOperation kmsRequestId"},
		{"/keys/good/decrypt", decrypt, "awsPrincipalArn kmsKeyArn kmsOperation kmsRequestId"},
		{"/health", members{}, "kmsOperation kmsRequestId"},
	} {
		for _, name := range all {
			var want xks.ErrorName
			if strings.Contains(row.required, name) {
				want = validation
			}
			for _, value := range []any{nil, ""} {
				body := row.body.with("requestMetadata", metadataOf("Op").with(name, value))
				r.do(t, request{path: row.path, body: body}).want(t, row.path+" without "+name, want)
			}
		}
		r.do(t, request{path: row.path, body: row.body.with("requestMetadata", nil)}).want(t, row.path+" without metadata", validation)
		r.do(t, request{path: row.path, body: row.body.with("requestMetadata", members{})}).want(t, row.path+" with empty metadata", validation)
	}
}

// XKS facts 57 to 60, 84.
func TestKeyMetadata(t *testing.T) {
	r := newRig(t, func(c *proxy.Config) {
		second := c.Stores[0]
		second.PathPrefix = "/listed"
		second.Keys = map[string]proxy.Key{"id": {Label: "good"}, "blocked": {Label: "good", Disabled: true}}
		closed := second
		closed.PathPrefix, closed.Disabled = "/closed", true
		c.Stores = append(c.Stores, second, closed)
	})
	both := []string{"ENCRYPT", "DECRYPT"}
	for _, row := range []struct {
		path string
		want xks.GetKeyMetadataResponse
	}{
		{"/keys/good", xks.GetKeyMetadataResponse{KeySpec: "AES_256", KeyUsage: both, KeyStatus: "ENABLED"}},
		{"/keys/./../keys/x", xks.GetKeyMetadataResponse{}}, // no path is ever cleaned
		{"/keys/.", xks.GetKeyMetadataResponse{KeySpec: "AES_256", KeyUsage: both, KeyStatus: "ENABLED"}},
		{"/keys/..", xks.GetKeyMetadataResponse{KeySpec: "AES_256", KeyUsage: both, KeyStatus: "ENABLED"}},
		{"/keys/off", xks.GetKeyMetadataResponse{KeySpec: "AES_256", KeyUsage: both, KeyStatus: "DISABLED"}},
		{"/keys/sealer", xks.GetKeyMetadataResponse{KeySpec: "AES_256", KeyUsage: both[:1], KeyStatus: "ENABLED"}},
		{"/keys/opener", xks.GetKeyMetadataResponse{KeySpec: "AES_256", KeyUsage: both[1:], KeyStatus: "ENABLED"}},
		{"/keys/small", xks.GetKeyMetadataResponse{KeySpec: "AES_128", KeyUsage: both, KeyStatus: "ENABLED"}},
	} {
		a := r.do(t, request{path: row.path + "/metadata", body: members{"requestMetadata": metadataOf("CreateKey")}})
		if row.want.KeySpec == "" {
			a.want(t, row.path, xks.InvalidUriPathException)
			continue
		}
		var got xks.GetKeyMetadataResponse
		if err := xks.Unmarshal(a.body, &got); err != nil || !cmp.Equal(got, row.want) {
			t.Errorf("%s: %v %s", row.path, err, cmp.Diff(row.want, got))
		}
	}
	for key, want := range map[[2]string]string{{"/listed", "id"}: "ENABLED", {"/listed", "blocked"}: "DISABLED", {"/closed", "id"}: "DISABLED"} {
		a := r.do(t, request{path: "/keys/" + key[1] + "/metadata", body: members{"requestMetadata": metadataOf("CreateKey")}, before: underPrefix(key[0])})
		if !strings.Contains(string(a.body), want) {
			t.Errorf("%s: got %s", key, a.body)
		}
	}
}
