package proxy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"hyok/proxy/xks"
)

func TestEncryptsAnswer(t *testing.T) {
	r := newRig(t, nil)
	e, _ := r.sealed(t, "good")
	for fact, bad := range map[string]bool{
		"54, ciphertext as long as the plaintext": len(e.Ciphertext) != 4,
		"54, IV of 12 bytes":                      len(e.InitializationVector) != 12,
		"54, tag of 16 bytes":                     len(e.AuthenticationTag) != 16,
		"62, metadata of at most 20 bytes":        len(e.CiphertextMetadata) == 0 || len(e.CiphertextMetadata) > 20,
		"79, metadata begins with its form":       e.CiphertextMetadata[0] != 1,
	} {
		if bad {
			t.Errorf("XKS fact %s: got %+v", fact, e)
		}
	}
	want := xks.IntegrityValue([]byte("aad"), e.CiphertextMetadata, e.InitializationVector, e.Ciphertext, e.AuthenticationTag)
	if !bytes.Equal(e.CiphertextDataIntegrityValue, want[:]) { // XKS fact 80
		t.Errorf("integrity value %x, want %x", e.CiphertextDataIntegrityValue, want)
	}
	// XKS fact 76: what the device authenticated is the frame.
	plaintext, err := r.token.Decrypt(soon(t), "good", e.InitializationVector, e.Ciphertext, e.AuthenticationTag,
		xks.Frame([]byte("aad"), e.CiphertextMetadata))
	if err != nil || string(plaintext) != "text" {
		t.Errorf("the device decrypts the frame's ciphertext to %q, %v", plaintext, err)
	}
	if again, _ := r.sealed(t, "good"); bytes.Equal(again.InitializationVector, e.InitializationVector) {
		t.Error("XKS fact 61: two encryptions have the same IV")
	}
}

func TestTheIntegrityValueIsGivenWhenAskedFor(t *testing.T) { // the table of XKS facts 1.8
	r := newRig(t, nil)
	for _, asked := range []bool{true, false} {
		body := encryptBody()
		if !asked {
			body = body.with("ciphertextDataIntegrityValueAlgorithm", nil)
		}
		var got map[string]any
		if err := json.Unmarshal(r.do(t, request{path: "/keys/good/encrypt", body: body}).body, &got); err != nil {
			t.Fatal(err)
		}
		if _, given := got["ciphertextDataIntegrityValue"]; given != asked {
			t.Errorf("asked %t, got %v", asked, got)
		}
	}
}

// XKS facts 52 to 56, 64: every allowed length comes back as it went.
func TestWhatIsEncryptedDecryptsToTheSame(t *testing.T) {
	r := newRig(t, nil)
	c := r.client(t, long)
	meta := xks.RequestMetadata{AWSPrincipalArn: "AWS Internal", KMSKeyArn: "arn", KMSOperation: "AnOperationOfTheFuture", KMSRequestID: "?"}
	check := func(t interface {
		Errorf(string, ...any)
		Fatalf(string, ...any)
	}, plaintext, aad []byte, integrity string) {
		e, err := c.Encrypt(context.Background(), "good", &xks.EncryptRequest{RequestMetadata: meta, Plaintext: plaintext,
			AdditionalAuthenticatedData: aad, EncryptionAlgorithm: xks.AlgorithmAESGCM, CiphertextDataIntegrityValueAlgorithm: integrity})
		if err != nil {
			t.Fatalf("%d bytes, AAD of %d: %v", len(plaintext), len(aad), err)
		}
		d, err := c.Decrypt(context.Background(), "good", &xks.DecryptRequest{RequestMetadata: meta, Ciphertext: e.Ciphertext,
			InitializationVector: e.InitializationVector, AuthenticationTag: e.AuthenticationTag, CiphertextMetadata: e.CiphertextMetadata,
			AdditionalAuthenticatedData: aad, EncryptionAlgorithm: xks.AlgorithmAESGCM})
		if err != nil || !bytes.Equal(d.Plaintext, plaintext) {
			t.Errorf("%d bytes, AAD of %d: got %v, %v", len(plaintext), len(aad), d, err)
		}
	}
	for _, row := range []struct{ plaintext, aad int }{{0, 0}, {1, 0}, {0, 1}, {4300, 8192}} {
		check(t, make([]byte, row.plaintext), make([]byte, row.aad), xks.AlgorithmSHA256)
	}
	check(t, []byte{}, nil, "")
	rapid.Check(t, func(t *rapid.T) {
		octets := rapid.SliceOfN(rapid.Byte(), 0, 300)
		check(t, octets.Draw(t, "plaintext"), octets.Draw(t, "aad"), rapid.SampledFrom([]string{"", "SHA_256"}).Draw(t, "integrity"))
	})
}

// XKS fact 64: an empty member and an absent one are the same to Decrypt.
func TestEmptyAADIsAsNone(t *testing.T) {
	r := newRig(t, nil)
	a := r.do(t, request{path: "/keys/good/encrypt", body: encryptBody().with("additionalAuthenticatedData", "")})
	a.want(t, "encrypting", "")
	var e members
	if err := json.Unmarshal(a.body, &e); err != nil {
		t.Fatal(err)
	}
	delete(e, "ciphertextDataIntegrityValue")
	e["requestMetadata"], e["encryptionAlgorithm"] = metadataOf("Decrypt"), "AES_GCM"
	r.do(t, request{path: "/keys/good/decrypt", body: e}).want(t, "without the member", "")
	r.do(t, request{path: "/keys/good/decrypt", body: e.with("additionalAuthenticatedData", "")}).want(t, "with an empty one", "")
}

// XKS facts 66, 68, 77: each changed part is seen.
func TestDecryptRefusesWhateverWasChanged(t *testing.T) {
	r := newRig(t, nil)
	e, good := r.sealed(t, "good")
	r.do(t, request{path: "/keys/good/decrypt", body: good}).want(t, "as it was", "")
	flipped := func(b []byte) []byte {
		c := bytes.Clone(b)
		c[len(c)-1] ^= 1
		return c
	}
	moved := append([]byte("aad"), byte(len(e.CiphertextMetadata)))
	rows := map[string]members{
		"ciphertext":                good.with("ciphertext", flipped(e.Ciphertext)),
		"ciphertext cut":            good.with("ciphertext", e.Ciphertext[:3]),
		"ciphertext empty":          good.with("ciphertext", ""),
		"IV":                        good.with("initializationVector", flipped(e.InitializationVector)),
		"IV of 16 bytes":            good.with("initializationVector", make([]byte, 16)),
		"IV of 13 bytes":            good.with("initializationVector", make([]byte, 13)),
		"IV empty":                  good.with("initializationVector", ""),
		"tag":                       good.with("authenticationTag", flipped(e.AuthenticationTag)),
		"tag of 12 bytes":           good.with("authenticationTag", e.AuthenticationTag[:12]),
		"AAD":                       good.with("additionalAuthenticatedData", []byte("aaD")),
		"AAD absent":                good.with("additionalAuthenticatedData", nil),
		"metadata":                  good.with("ciphertextMetadata", flipped(e.CiphertextMetadata)),
		"metadata absent":           good.with("ciphertextMetadata", nil),
		"metadata of a new form":    good.with("ciphertextMetadata", []byte{2}),
		"metadata of 21 bytes":      good.with("ciphertextMetadata", make([]byte, 21)),
		"metadata moved to the AAD": good.with("ciphertextMetadata", nil).with("additionalAuthenticatedData", append(moved, e.CiphertextMetadata...)),
	}
	for name, body := range rows {
		r.do(t, request{path: "/keys/good/decrypt", body: body}).want(t, name, xks.InvalidCiphertextException)
	}
	r.do(t, request{path: "/keys/other/decrypt", body: good}).want(t, "another key", xks.InvalidCiphertextException)
}

// XKS fact 54 and the table of contradictions: a ciphertext with an IV of 16
// bytes, and one without metadata, as other proxies make them.
func TestDecryptTakesWhatOtherProxiesMade(t *testing.T) {
	r := newRig(t, nil)
	sealed, err := r.token.Encrypt(soon(t), "good", []byte("text"), xks.Frame([]byte("aad"), nil))
	if err != nil {
		t.Fatal(err)
	}
	body := members{"requestMetadata": metadataOf("Decrypt"), "encryptionAlgorithm": "AES_GCM", "ciphertext": sealed.Ciphertext,
		"initializationVector": sealed.IV, "authenticationTag": sealed.Tag, "additionalAuthenticatedData": []byte("aad")}
	r.do(t, request{path: "/keys/good/decrypt", body: body}).want(t, "without metadata", "")
	iv16, ct, tag := r.sealWithLongIV(t, "good", []byte("text"), xks.Frame([]byte("aad"), nil))
	long := maps.Clone(body)
	long["initializationVector"], long["ciphertext"], long["authenticationTag"] = iv16, ct, tag
	r.do(t, request{path: "/keys/good/decrypt", body: long}).want(t, "IV of 16 bytes", "")
}
