// Package material holds the software cryptography of symmetric KMS keys and the
// formats of their ciphertexts.
//
// A Backend encrypts and decrypts under one KMS key; Software is the one whose key
// material is in the front end's store. There it is sealed, and it is unsealed for
// one operation at a time. Each message is encrypted with AES-256-GCM under a key
// derived for it alone (XAES-256-GCM), so that a key version has no limit of 2^32
// messages that somebody would have to count.
//
// Each ciphertext starts with a Header. The additional data of every layer of
// encryption is that header and the encoded encryption context: a ciphertext opens
// under the key that made it, in its account, with the same context, and not
// otherwise. Related multi-Region keys share key ID and account, and open each
// other's ciphertexts.
//
// Limits: AES-256 only. The unsealed key is cleared after use, but Go gives no way
// to clear the key schedules that AES derives from it; they stay in memory until
// the garbage collector reuses it.
package material

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Sizes in bytes.
const (
	// MaxPlaintext is what Encrypt takes (guide 004:15189).
	MaxPlaintext = 4096
	// MaxBlob is the longest ciphertext blob (KMS API model, CiphertextType).
	MaxBlob = 6144
	// MaxExternalAAD is the most additional data, and MaxExternalPlaintext the
	// longest plaintext, that every external key store proxy takes (XKS facts 53, 52).
	MaxExternalAAD       = 8192
	MaxExternalPlaintext = 4300
)

var (
	// ErrInvalidCiphertext is returned for every blob that the key did not make, or
	// made with another encryption context, whatever is wrong with it.
	ErrInvalidCiphertext = errors.New("invalid ciphertext")
	// ErrBlob is returned for bytes that have none of the formats. It is an
	// ErrInvalidCiphertext.
	ErrBlob = fmt.Errorf("%w: not a ciphertext blob", ErrInvalidCiphertext)
	// ErrContextTooLong is returned when header and encryption context are longer
	// than MaxExternalAAD.
	ErrContextTooLong = errors.New("encryption context too long for an external key store")
	// ErrNoMaterial is returned when the key has no material in the store, or none
	// any more.
	ErrNoMaterial = errors.New("the key has no key material")
	// ErrPlaintextSize is returned for a plaintext longer than MaxPlaintext.
	ErrPlaintextSize = errors.New("plaintext too long")
)

// Key is what a Backend needs to know of a KMS key.
type Key struct {
	ARN, ID, Account, Region string
	Spec, Origin             string
	Versions                 []Version // of the material in the store, oldest first
	Current                  uint32    // Number of the version that encrypts; 0: none
	StoreID                  string    // custom key store; empty: none
	XksKeyID                 string    // external key; empty: none
	Label                    string    // of the key on the cluster's token; empty: none
}

// Version is one key material of a key.
type Version struct {
	Number uint32 // counts from 1
	ID     string // the KeyMaterialId: 64 lower-case hexadecimal digits
	Sealed []byte // the material, sealed under the root key; empty: deleted
}

// version gives version n of the material; false when there never was one.
func (k *Key) version(n uint32) (Version, bool) {
	for _, v := range slices.Backward(k.Versions) {
		if v.Number == n {
			return v, true
		}
	}
	return Version{}, false
}

// Backend encrypts and decrypts under the material of one KMS key.
type Backend interface {
	// Encrypt makes a ciphertext blob with the current material. aad is the encoded
	// encryption context; the backend puts the blob's header in front of it.
	Encrypt(ctx context.Context, k *Key, plaintext, aad []byte) (blob []byte, err error)
	// Decrypt is the inverse, with the material that the blob names.
	// ErrInvalidCiphertext when k did not make blob, or not with this aad.
	Decrypt(ctx context.Context, k *Key, blob, aad []byte) (plaintext []byte, err error)
}

// EncodeContext gives an encryption context as bytes: for each pair, in the order
// of the names, name and value, each after its length (unsigned varint). No two
// contexts give the same bytes; the empty one and nil give none.
func EncodeContext(ctx map[string]string) []byte {
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(ctx)) {
		for _, s := range [...]string{name, ctx[name]} {
			b = binary.AppendUvarint(b, uint64(len(s)))
			b = append(b, s...)
		}
	}
	return b
}
