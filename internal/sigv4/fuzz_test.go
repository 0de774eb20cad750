package sigv4

import (
	"bytes"
	"strings"
	"testing"
)

// What the parser accepts can be written back and is read the same way.
func FuzzAuthorization(f *testing.F) {
	for _, v := range loadVectors(f) {
		r, _ := mustParse(f, v.signed)
		f.Add(r.Header.Get("Authorization"))
	}
	f.Add("AWS4-HMAC-SHA256\tSignature=a,SignedHeaders=host;x-amz-date ,\tCredential=////aws4_request")
	f.Fuzz(func(t *testing.T, header string) {
		got, refusal := parseAuthorization(header)
		if refusal != nil {
			if text := refusal.Error(); strings.ContainsAny(text, "\r\n") || len(text) > 512 {
				t.Fatalf("the error is not one short line: %q", text)
			}
			return
		}
		if got.accessKeyID == "" || got.signature == "" || !listHas(got.signedHeaders, "host") || !listHas(got.signedHeaders, "x-amz-date") {
			t.Fatalf("accepted %+v", got)
		}
		printed := "AWS4-HMAC-SHA256 Credential=" + got.accessKeyID + "/" + string(got.scope.append(nil)) +
			", SignedHeaders=" + got.signedHeaders + ", Signature=" + got.signature
		again, refusal := parseAuthorization(printed)
		if refusal != nil || again != got {
			t.Fatalf("%q is read as %+v, %v", printed, again, refusal)
		}
	})
}

// Whatever is sent, Verify does not panic, and accepts only what the reference
// finds signed with the secret.
func FuzzVerify(f *testing.F) {
	const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	vectors := loadVectors(f)
	for _, v := range vectors {
		f.Add([]byte(v.signed), !v.context.Normalize)
	}
	f.Add([]byte("POST http://h/a?b=%zz&c HTTP/1.1\nHost:h\nX-Amz-Date:20150830T123600Z\n\n"), true)
	now := vectors[0].context.Timestamp
	verifiers := map[bool]*Verifier{}
	for _, raw := range []bool{false, true} {
		verifiers[raw] = NewVerifier(VerifierConfig{
			Service: "service", RawPath: raw,
			Lookup: func(id string) (string, bool) { return secret, id == "AKIDEXAMPLE" },
		})
	}
	f.Fuzz(func(t *testing.T, text []byte, raw bool) {
		r, body, err := parseRequest(bytes.Clone(text))
		if err != nil {
			return
		}
		_, err = verifiers[raw].Verify(r, body, now)
		got, ok := readReference(r, body, raw)
		signed := ok && strings.Count(got.credential, "/") == 4 && referenceSignature(secret, got) == got.signature
		if err == nil && !signed {
			t.Fatalf("accepted, and not signed with the secret:\n%s", got.canonical)
		}
	})
}
