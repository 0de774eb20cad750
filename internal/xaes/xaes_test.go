package xaes_test

import (
	"bytes"
	"crypto/sha3"
	"encoding/hex"
	"errors"
	"testing"

	"hyok/internal/xaes"
)

// The vectors of the specification: one key for each value of the CMAC carry.
func TestVectors(t *testing.T) {
	for _, v := range []struct {
		name, aad, want string
		key             byte
	}{
		{"carry 0", "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271", 0x01},
		{"carry 1", "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d", 0x03},
	} {
		t.Run(v.name, func(t *testing.T) {
			a := newAEAD(t, bytes.Repeat([]byte{v.key}, xaes.KeySize))
			nonce, plaintext := []byte("ABCDEFGHIJKLMNOPQRSTUVWX"), []byte("XAES-256-GCM")
			got, err := a.Seal(nil, nonce, plaintext, []byte(v.aad))
			if err != nil {
				t.Fatal(err)
			}
			if h := hex.EncodeToString(got); h != v.want {
				t.Errorf("sealed to %s, want %s", h, v.want)
			}
			back, err := a.Open(nil, nonce, got, []byte(v.aad))
			if err != nil || !bytes.Equal(back, plaintext) {
				t.Errorf("opened to %q, %v", back, err)
			}
		})
	}
}

// Ten thousand messages drawn from SHAKE128, their ciphertexts hashed with it: the
// accumulated vector of the specification.
func TestAccumulatedVector(t *testing.T) {
	in, out := sha3.NewSHAKE128(), sha3.NewSHAKE128()
	draw := func(n int) []byte {
		b := make([]byte, n)
		in.Read(b)
		return b
	}
	for range 10_000 {
		a := newAEAD(t, draw(xaes.KeySize))
		nonce := draw(xaes.NonceSize)
		plaintext := draw(int(draw(1)[0]))
		aad := draw(int(draw(1)[0]))
		sealed, err := a.Seal(nil, nonce, plaintext, aad)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := a.Open(nil, nonce, sealed, aad); err != nil || !bytes.Equal(back, plaintext) {
			t.Fatalf("opened to %x, %v; want %x", back, err, plaintext)
		}
		out.Write(sealed)
	}
	sum := make([]byte, 32)
	out.Read(sum)
	const want = "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939"
	if got := hex.EncodeToString(sum); got != want {
		t.Errorf("hash %s, want %s", got, want)
	}
}

func TestAlteredInputsAreRefused(t *testing.T) {
	a := newAEAD(t, make([]byte, xaes.KeySize))
	nonce, aad := make([]byte, xaes.NonceSize), []byte("context")
	sealed, err := a.Seal(nil, nonce, []byte("plaintext"), aad)
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range [][]byte{sealed, nonce, aad} {
		for i := range in {
			in[i] ^= 1
			if _, err := a.Open(nil, nonce, sealed, aad); err == nil {
				t.Fatalf("byte %d of %x altered, yet it opens", i, in)
			}
			in[i] ^= 1
		}
	}
}

func TestKeySize(t *testing.T) {
	for _, n := range []int{0, 16, 31, 33} {
		if _, err := xaes.New(make([]byte, n)); !errors.Is(err, xaes.ErrKeySize) {
			t.Errorf("a key of %d bytes: %v", n, err)
		}
	}
}

func newAEAD(t *testing.T, key []byte) *xaes.AEAD {
	t.Helper()
	a, err := xaes.New(key)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func BenchmarkSeal(b *testing.B) {
	for _, n := range []int{32, 4096} {
		b.Run(map[int]string{32: "32B", 4096: "4KiB"}[n], func(b *testing.B) {
			a, err := xaes.New(make([]byte, xaes.KeySize))
			if err != nil {
				b.Fatal(err)
			}
			nonce, plaintext, dst := make([]byte, xaes.NonceSize), make([]byte, n), make([]byte, 0, n+xaes.TagSize)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Seal(dst, nonce, plaintext, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
