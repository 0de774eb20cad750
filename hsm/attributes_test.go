package hsm

import (
	"testing"

	"github.com/miekg/pkcs11"
)

// FuzzAttributes has a device give attributes of any sizes.
func FuzzAttributes(f *testing.F) {
	number := func(n byte) []byte { return []byte{n, 0, 0, 0, 0, 0, 0, 0} }
	f.Add([]byte("label"), []byte("id"), number(pkcs11.CKK_AES), []byte{1}, []byte{0}, number(32))
	f.Add([]byte{}, []byte{}, []byte{}, []byte{}, []byte{}, []byte{})
	f.Add([]byte("label"), []byte("id"), number(pkcs11.CKK_DES3), []byte{0}, []byte{0}, []byte{})
	f.Fuzz(func(t *testing.T, label, id, kind, encrypt, decrypt, length []byte) {
		var all []*pkcs11.Attribute
		for _, value := range [][]byte{label, id, kind, encrypt, decrypt, length} {
			all = append(all, &pkcs11.Attribute{Value: value})
		}
		k, err := keyOf(all)
		if whole := len(kind) == 8 && len(encrypt) == 1 && len(decrypt) == 1; whole != (err == nil) {
			t.Fatalf("got %v", err)
		}
		if k.AES256 && (k.Type != "AES" || k.Bits != 256) {
			t.Errorf("%+v is taken for AES-256", k)
		}
		if k.Enabled != (k.Encrypt || k.Decrypt) {
			t.Errorf("%+v: Enabled contradicts the usages", k)
		}
		for n := range 5 {
			if _, err := keyOf(all[:n]); err == nil {
				t.Errorf("%d attributes were enough", n)
			}
		}
	})
}
