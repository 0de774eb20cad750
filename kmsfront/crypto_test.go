package kmsfront

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"hyok/kmsfront/api"
)

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func TestEncryptDecryptByEveryForm(t *testing.T) {
	k := newKit(t, quotasOff)
	id := k.newKey()
	ok[api.Empty](k, "CreateAlias", body("AliasName", "alias/app", "TargetKeyId", id))
	enc := ok[api.EncryptResponse](k, "Encrypt", body("KeyId", "alias/app", "Plaintext", b64([]byte("text"))))
	if enc.KeyId != k.arn(id) || enc.EncryptionAlgorithm != "SYMMETRIC_DEFAULT" {
		t.Errorf("Encrypt answered key %s, algorithm %s", enc.KeyId, enc.EncryptionAlgorithm)
	}
	for _, form := range []string{"", id, k.arn(id), "alias/app"} {
		request := body("CiphertextBlob", enc.CiphertextBlob)
		if form != "" {
			request = body("CiphertextBlob", enc.CiphertextBlob, "KeyId", form)
		}
		dec := ok[api.DecryptResponse](k, "Decrypt", request)
		if string(dec.Plaintext) != "text" || dec.KeyId != k.arn(id) || len(dec.KeyMaterialId) != 64 {
			t.Errorf("Decrypt with key %q answered %q, key %s, material %q", form, dec.Plaintext, dec.KeyId, dec.KeyMaterialId)
		}
	}
}

func TestDecryptRefusesAllButItsKeyAndContext(t *testing.T) {
	k := newKit(t, quotasOff)
	id, other := k.newKey(), k.newKey()
	blob := ok[api.EncryptResponse](k, "Encrypt", body("KeyId", id, "Plaintext", "AAAA",
		"EncryptionContext", map[string]string{"a": "bc"})).CiphertextBlob
	right := map[string]string{"a": "bc"}
	ok[api.DecryptResponse](k, "Decrypt", body("CiphertextBlob", blob, "EncryptionContext", right))
	for name, ec := range map[string]map[string]string{
		"none": {}, "moved border": {"ab": "c"}, "other case": {"A": "bc"}, "other value": {"a": "bC"}, "one more": {"a": "bc", "d": ""},
	} {
		if _, err := k.call("Decrypt", body("CiphertextBlob", blob, "EncryptionContext", ec)); message(err) != "InvalidCiphertextException" {
			t.Errorf("context with %s: %v", name, err)
		}
	}
	k.refused("Decrypt", body("CiphertextBlob", blob, "EncryptionContext", right, "KeyId", other),
		"IncorrectKeyException: The key ID in the request does not identify a CMK that can perform this operation.")
	k.refused("Decrypt", body("CiphertextBlob", "Z2FyYmFnZQ=="), "InvalidCiphertextException")
	k.refused("Decrypt", body("CiphertextBlob", blob, "EncryptionContext", right, "EncryptionAlgorithm", "RSAES_OAEP_SHA_256"),
		"InvalidKeyUsageException: Algorithm RSAES_OAEP_SHA_256 is incompatible with key spec SYMMETRIC_DEFAULT.")
	k.region = "eu-west-1"
	k.refused("Decrypt", body("CiphertextBlob", blob, "EncryptionContext", right),
		"AccessDeniedException: The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
}

func TestReEncryptMovesACiphertext(t *testing.T) {
	k := newKit(t, quotasOff)
	from, to := k.newKey(), k.newKey()
	blob := ok[api.EncryptResponse](k, "Encrypt", body("KeyId", from, "Plaintext", b64([]byte("text")))).CiphertextBlob
	out := ok[api.ReEncryptResponse](k, "ReEncrypt", body("CiphertextBlob", blob, "DestinationKeyId", to,
		"DestinationEncryptionContext", map[string]string{"new": "context"}))
	if out.KeyId != k.arn(to) || out.SourceKeyId != k.arn(from) || out.SourceKeyMaterialId == out.DestinationKeyMaterialId {
		t.Errorf("ReEncrypt answered %+v", out)
	}
	dec := ok[api.DecryptResponse](k, "Decrypt", body("CiphertextBlob", out.CiphertextBlob, "EncryptionContext", map[string]string{"new": "context"}))
	if string(dec.Plaintext) != "text" || dec.KeyId != k.arn(to) {
		t.Errorf("got %q from %s", dec.Plaintext, dec.KeyId)
	}
	ok[api.Empty](k, "DisableKey", body("KeyId", from))
	k.refused("ReEncrypt", body("CiphertextBlob", blob, "DestinationKeyId", to), "DisabledException: "+k.arn(from)+" is disabled.")
	ok[api.Empty](k, "EnableKey", body("KeyId", from))
	ok[api.Empty](k, "DisableKey", body("KeyId", to))
	k.refused("ReEncrypt", body("CiphertextBlob", blob, "DestinationKeyId", to), "DisabledException: "+k.arn(to)+" is disabled.")
}

func TestDataKeys(t *testing.T) {
	k := newKit(t, quotasOff)
	id := k.newKey()
	for _, c := range []struct {
		member string
		value  any
		size   int
	}{{"KeySpec", "AES_256", 32}, {"KeySpec", "AES_128", 16}, {"NumberOfBytes", 1024, 1024}, {"NumberOfBytes", 1, 1}} {
		out := ok[api.GenerateDataKeyResponse](k, "GenerateDataKey", body("KeyId", id, c.member, c.value))
		dec := ok[api.DecryptResponse](k, "Decrypt", body("CiphertextBlob", out.CiphertextBlob))
		if len(out.Plaintext) != c.size || !bytes.Equal(out.Plaintext, dec.Plaintext) {
			t.Errorf("%s %v: a data key of %d bytes, want %d and what its blob holds", c.member, c.value, len(out.Plaintext), c.size)
		}
		without := ok[api.GenerateDataKeyWithoutPlaintextResponse](k, "GenerateDataKeyWithoutPlaintext", body("KeyId", id, c.member, c.value))
		if dec := ok[api.DecryptResponse](k, "Decrypt", body("CiphertextBlob", without.CiphertextBlob)); len(dec.Plaintext) != c.size {
			t.Errorf("without plaintext: %d bytes, want %d", len(dec.Plaintext), c.size)
		}
	}
	const choose = "ValidationException: Please specify either number of bytes or key spec."
	k.refused("GenerateDataKey", body("KeyId", id), choose)
	k.refused("GenerateDataKey", body("KeyId", id, "KeySpec", "AES_256", "NumberOfBytes", 32), choose)
}

func TestGenerateRandom(t *testing.T) {
	k := newKit(t, quotasOff)
	a := ok[api.GenerateRandomResponse](k, "GenerateRandom", body("NumberOfBytes", 1024)).Plaintext
	b := ok[api.GenerateRandomResponse](k, "GenerateRandom", body("NumberOfBytes", 1024)).Plaintext
	if len(a) != 1024 || bytes.Equal(a, b) {
		t.Errorf("%d bytes, the same twice: %v", len(a), bytes.Equal(a, b))
	}
	for _, n := range []int{0, 1025} {
		if _, err := k.call("GenerateRandom", body("NumberOfBytes", n)); !strings.HasPrefix(message(err), "ValidationException") {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	k.refused("GenerateRandom", `{}`, "ValidationException: 1 validation error detected: Value at 'numberOfBytes' failed to satisfy constraint: Member must not be null")
}

// A dry run never succeeds and never does anything (guide 004:28954-28958).
func TestDryRunNeverSucceeds(t *testing.T) {
	k := newKit(t, quotasOff)
	id := k.newKey()
	blob := ok[api.EncryptResponse](k, "Encrypt", body("KeyId", id, "Plaintext", "AAAA")).CiphertextBlob
	const would = "DryRunOperationException: The request would have succeeded, but the DryRun option is set."
	k.refused("Encrypt", body("KeyId", id, "Plaintext", "AAAA", "DryRun", true), would)
	k.refused("Decrypt", body("CiphertextBlob", blob, "DryRun", true), would)
	k.refused("Decrypt", body("KeyId", id, "DryRun", true, "DryRunModifiers", []string{"IGNORE_CIPHERTEXT"}), would)
	k.refused("ReEncrypt", body("CiphertextBlob", blob, "DestinationKeyId", id, "DryRun", true), would)
	k.refused("GenerateDataKey", body("KeyId", id, "KeySpec", "AES_256", "DryRun", true), would)
	k.refused("GenerateDataKeyWithoutPlaintext", body("KeyId", id, "KeySpec", "AES_256", "DryRun", true), would)
	k.refused("Decrypt", `{}`, "ValidationException: 1 validation error detected: Value at 'ciphertextBlob' failed to satisfy constraint: Member must not be null")
	k.refused("Decrypt", body("DryRun", true, "DryRunModifiers", []string{"IGNORE_CIPHERTEXT"}),
		"ValidationException: 1 validation error detected: Value at 'keyId' failed to satisfy constraint: Member must not be null")
	ok[api.Empty](k, "DisableKey", body("KeyId", id))
	k.refused("Encrypt", body("KeyId", id, "Plaintext", "AAAA", "DryRun", true), "DisabledException: "+k.arn(id)+" is disabled.")
}

// A request that asks for sealed plaintext must not get it in the clear.
func TestRecipientIsRefusedRatherThanIgnored(t *testing.T) {
	k := newKit(t, quotasOff)
	id := k.newKey()
	blob := ok[api.EncryptResponse](k, "Encrypt", body("KeyId", id, "Plaintext", "AAAA")).CiphertextBlob
	recipient := map[string]any{"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": "AAAA"}
	for operation, request := range map[string]string{
		"Decrypt":         body("CiphertextBlob", blob, "Recipient", recipient),
		"GenerateDataKey": body("KeyId", id, "KeySpec", "AES_256", "Recipient", recipient),
		"GenerateRandom":  body("NumberOfBytes", 16, "Recipient", recipient),
	} {
		if _, err := k.call(operation, request); !strings.Contains(message(err), "Recipient (Nitro Enclaves attestation) is not built yet") {
			t.Errorf("%s: %v", operation, err)
		}
	}
}

// Whatever two contexts differ in, neither opens what was made with the other.
func TestContextsNeverOpenEachOthersCiphertexts(t *testing.T) {
	k := newKit(t, quotasOff)
	id := k.newKey()
	text := rapid.StringMatching(`[a-c=,:"\x{e9}]{0,4}`)
	contexts := rapid.MapOfN(text, text, 0, 3)
	rapid.Check(t, func(rt *rapid.T) {
		a, b := contexts.Draw(rt, "a"), contexts.Draw(rt, "b")
		blob := ok[api.EncryptResponse](k, "Encrypt", body("KeyId", id, "Plaintext", "AAAA", "EncryptionContext", a)).CiphertextBlob
		_, err := k.call("Decrypt", body("CiphertextBlob", blob, "EncryptionContext", b))
		if same := body("c", a) == body("c", b); same != (err == nil) {
			rt.Errorf("%v opened with %v: %v", a, b, err)
		}
	})
}
