package material_test

import (
	"fmt"
	"testing"

	"hyok/kmsfront/material"
)

func BenchmarkEncrypt(b *testing.B) { benchmark(b, false) }
func BenchmarkDecrypt(b *testing.B) { benchmark(b, true) }

// benchmark includes unsealing the key material.
func benchmark(b *testing.B, decrypt bool) {
	s := material.NewSoftware(newRoot(b))
	k := newKey(b, s, keyID, account)
	aad := material.EncodeContext(map[string]string{"Department": "IT", "Purpose": "Test"})
	for _, size := range []int{48, 4096} {
		b.Run(fmt.Sprintf("%dbytes", size), func(b *testing.B) {
			plaintext := make([]byte, size)
			blob := encrypt(b, s, k, plaintext, aad)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if decrypt {
					_, err = s.Decrypt(b.Context(), k, blob, aad)
				} else {
					_, err = s.Encrypt(b.Context(), k, plaintext, aad)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
