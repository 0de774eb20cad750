package sigv4

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// variations are other bytes to put in the place of b: near ones, the other
// case, one outside ASCII, a blank, and two that structure requests.
func variations(b byte) []byte {
	return slices.DeleteFunc(
		[]byte{b ^ 1, b ^ 2, b ^ 0x20, b ^ 0x80, ' ', '/', ';'},
		func(other byte) bool { return other == b })
}

// Every byte of every signed request is altered. What the reference reads as
// another request or another signature has to be refused; what means the same
// (white space in a header, the case of its name, a header that is not signed)
// has to pass.
func TestEveryAlteredByteIsRefusedUnlessItMeansTheSame(t *testing.T) {
	for _, v := range loadVectors(t) {
		t.Run(v.name, func(t *testing.T) {
			text := []byte(v.signed)
			verifier, raw := v.verifier(), !v.context.Normalize
			r, body := mustParse(t, v.signed)
			original, ok := readReference(r, body, raw)
			if !ok || referenceSignature(v.context.Credentials.Secret, original) != v.signature {
				t.Fatal("the reference does not agree with the vector")
			}
			refusedAt := make([]bool, len(text))
			for i := range text {
				for _, other := range variations(text[i]) {
					altered := bytes.Clone(text)
					altered[i] = other
					r, body, err := parseRequest(altered)
					if err != nil {
						refusedAt[i] = true // it is no request at all
						continue
					}
					got, ok := readReference(r, body, raw)
					same := ok && got == original
					_, err = verifier.Verify(r, body, v.context.Timestamp)
					if same != (err == nil) {
						t.Errorf("byte %d, %q for %q, means the same: %v, yet Verify gives %v", i, other, text[i], same, err)
					}
					refusedAt[i] = refusedAt[i] || err != nil
				}
			}
			for i := range text {
				if !refusedAt[i] && covered(v, i) {
					t.Errorf("byte %d, %q, is covered by the signature and no change of it was refused", i, text[i])
				}
			}
		})
	}
}

// covered tells whether byte i of the signed request is part of the method, the
// target, a signed header, the Authorization header or the body, and not blank.
func covered(v *vector, i int) bool {
	text := v.signed
	if strings.IndexByte(" \t\r\n", text[i]) >= 0 {
		return false
	}
	if body := strings.Index(text, "\n\n"); i > body {
		return true
	}
	start := strings.LastIndexByte(text[:i], '\n') + 1
	if start == 0 {
		end := strings.Index(text, " HTTP/1.1")
		if v.context.Normalize && strings.Contains(text[:end], "/..") {
			end = strings.Index(text, " /") // of a segment that is taken back nothing is signed
		}
		return i < end
	}
	for text[start] == ' ' { // a folded line belongs to the one before
		start = strings.LastIndexByte(text[:start-1], '\n') + 1
	}
	name, _, _ := strings.Cut(text[start:], ":")
	name = strings.ToLower(name)
	_, list, _ := strings.Cut(text, "SignedHeaders=")
	list, _, _ = strings.Cut(list, ",")
	return name == "authorization" || slices.Contains(strings.Split(list, ";"), name)
}
