// Package xaes is XAES-256-GCM, the extended-nonce AES-256-GCM of C2SP
// (https://c2sp.org/XAES-256-GCM).
//
// Each message is encrypted with AES-256-GCM under a key of its own, derived from
// the main key and the first half of a 24-byte nonce with the CMAC counter mode of
// NIST SP 800-108. Plain AES-GCM with random 12-byte nonces is safe for 2^32
// messages under one key; this is safe for 2^80, so that nobody has to count them.
//
// Limits: messages of up to 64 GiB; Go gives no way to clear an expanded key, so
// key schedules stay in memory until the garbage collector reuses it.
package xaes

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
)

// Sizes in bytes.
const (
	KeySize   = 32
	NonceSize = 24
	TagSize   = 16
	// Overhead is what a message grows by when its nonce is kept in front of it.
	Overhead = NonceSize + TagSize

	half = NonceSize / 2
)

// ErrKeySize is returned for a key that is not KeySize bytes long.
var ErrKeySize = errors.New("XAES-256-GCM takes a key of 32 bytes")

// AEAD encrypts under one main key. It may be used by many goroutines at once.
type AEAD struct {
	main   cipher.Block
	subkey [aes.BlockSize]byte // the CMAC subkey K1
}

// New takes a key of KeySize bytes, which it does not keep.
func New(key []byte) (*AEAD, error) {
	if len(key) != KeySize {
		return nil, ErrKeySize
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	a := &AEAD{main: block}
	block.Encrypt(a.subkey[:], a.subkey[:])
	double(&a.subkey)
	return a, nil
}

// double multiplies by x in GF(2^128), the way of CMAC, in constant time.
func double(b *[aes.BlockSize]byte) {
	var carry byte
	for i := len(b) - 1; i >= 0; i-- {
		next := b[i] >> 7
		b[i] = b[i]<<1 | carry
		carry = next
	}
	b[len(b)-1] ^= -carry & 0x87
}

// Seal encrypts plaintext, authenticates aad, and appends ciphertext and tag to dst.
// nonce must be NonceSize random bytes, otherwise Seal panics.
func (a *AEAD) Seal(dst, nonce, plaintext, aad []byte) ([]byte, error) {
	gcm, err := a.message(nonce)
	if err != nil {
		return nil, err
	}
	return gcm.Seal(dst, nonce[half:], plaintext, aad), nil
}

// Open is the inverse of Seal. Its error does not tell what was altered.
func (a *AEAD) Open(dst, nonce, ciphertext, aad []byte) ([]byte, error) {
	gcm, err := a.message(nonce)
	if err != nil {
		return nil, err
	}
	return gcm.Open(dst, nonce[half:], ciphertext, aad)
}

// message derives the cipher of one message: two blocks of counter mode CMAC over
// counter, label "X", zero, and the first half of the nonce.
func (a *AEAD) message(nonce []byte) (cipher.AEAD, error) {
	if len(nonce) != NonceSize {
		panic("xaes: nonce of the wrong size")
	}
	var key [KeySize]byte
	defer clear(key[:])
	for i := range 2 {
		b := key[i*aes.BlockSize:][:aes.BlockSize]
		b[1], b[2] = byte(i+1), 'X'
		copy(b[4:], nonce[:half])
		for j := range b {
			b[j] ^= a.subkey[j]
		}
		a.main.Encrypt(b, b)
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
