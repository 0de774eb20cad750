package material

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"slices"

	"hyok/internal/xaes"
)

// InnerOverhead is how many bytes SealInner makes of a plaintext more than it has.
const InnerOverhead = xaes.Overhead

// Sealer seals key material while it is stored. The context is authenticated:
// Open needs the same one.
type Sealer interface {
	Seal(plaintext, context []byte) ([]byte, error)
	Open(sealed, context []byte) ([]byte, error)
}

// Software is the Backend of keys whose material is in the store, and the inner
// layer of external keys. Many goroutines may use it at once.
type Software struct {
	root   Sealer
	random io.Reader
}

// NewSoftware makes one that seals and unseals material through root.
func NewSoftware(root Sealer) *Software { return NewSoftwareRand(root, rand.Reader) }

// NewSoftwareRand is NewSoftware with another source of random bytes, for tests
// and for keys with fixed material.
func NewSoftwareRand(root Sealer, random io.Reader) *Software {
	return &Software{root: root, random: random}
}

// Generate makes the next version of k's material, the first one if it has none,
// and makes it current. It changes k and gives it a Versions of its own.
func (s *Software) Generate(k *Key) error {
	secret := make([]byte, xaes.KeySize)
	defer clear(secret)
	if _, err := io.ReadFull(s.random, secret); err != nil {
		return fmt.Errorf("drawing key material: %w", err)
	}
	next := Version{Number: 1}
	if n := len(k.Versions); n > 0 {
		next.Number = k.Versions[n-1].Number + 1
	}
	var err error
	if next.ID, err = materialID(secret, k.ID); err != nil {
		return err
	}
	if next.Sealed, err = s.root.Seal(secret, sealContext(k, next.Number)); err != nil {
		return fmt.Errorf("sealing key material: %w", err)
	}
	k.Versions = append(slices.Clone(k.Versions), next)
	k.Current = next.Number
	return nil
}

// materialID derives the KeyMaterialId, one way: the same material of the same key
// (and of its replicas) has the same one.
func materialID(secret []byte, keyID string) (string, error) {
	id, err := hkdf.Key(sha256.New, secret, nil, "hyok key material ID 1: "+keyID, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("deriving the key material ID: %w", err)
	}
	return hex.EncodeToString(id), nil
}

// sealContext binds sealed material to its key and version.
func sealContext(k *Key, version uint32) []byte {
	return append(binary.BigEndian.AppendUint32(nil, version), k.ARN...)
}

// Encrypt is in Backend.
func (s *Software) Encrypt(_ context.Context, k *Key, plaintext, aad []byte) ([]byte, error) {
	h := NewHeader(FormatSoftware, k)
	blob := h.Append(make([]byte, 0, h.size()+InnerOverhead+len(plaintext)))
	return s.seal(blob, k, h.Version, plaintext, h.AAD(aad))
}

// Decrypt is in Backend.
func (s *Software) Decrypt(_ context.Context, k *Key, blob, aad []byte) ([]byte, error) {
	h, n, err := ParseHeader(blob)
	if err != nil {
		return nil, err
	}
	if err := h.Check(FormatSoftware, k); err != nil {
		return nil, err
	}
	return s.open(k, h.Version, blob[n:], h.AAD(aad))
}

// SealInner makes the inner layer of a blob with header h: nonce, ciphertext, tag,
// InnerOverhead bytes more than plaintext. aad is what h.ExternalAAD gave. It uses
// the version of the material that h names.
func (s *Software) SealInner(k *Key, h Header, plaintext, aad []byte) ([]byte, error) {
	return s.seal(make([]byte, 0, InnerOverhead+len(plaintext)), k, h.Version, plaintext, aad)
}

// OpenInner is the inverse of SealInner; ErrInvalidCiphertext when k did not make
// inner, or not with this aad.
func (s *Software) OpenInner(k *Key, h Header, inner, aad []byte) ([]byte, error) {
	return s.open(k, h.Version, inner, aad)
}

// seal appends nonce, ciphertext and tag to dst.
func (s *Software) seal(dst []byte, k *Key, version uint32, plaintext, aad []byte) ([]byte, error) {
	if len(plaintext) > MaxPlaintext {
		return nil, ErrPlaintextSize
	}
	v, ok := k.version(version)
	if !ok {
		return nil, ErrNoMaterial
	}
	aead, err := s.unseal(k, v)
	if err != nil {
		return nil, err
	}
	dst = append(dst, make([]byte, xaes.NonceSize)...)
	nonce := dst[len(dst)-xaes.NonceSize:]
	if _, err := io.ReadFull(s.random, nonce); err != nil {
		return nil, fmt.Errorf("drawing a nonce: %w", err)
	}
	return aead.Seal(dst, nonce, plaintext, aad)
}

func (s *Software) open(k *Key, version uint32, sealed, aad []byte) ([]byte, error) {
	v, ok := k.version(version)
	if !ok || len(sealed) < InnerOverhead || len(sealed) > MaxPlaintext+InnerOverhead {
		return nil, ErrInvalidCiphertext
	}
	aead, err := s.unseal(k, v)
	if err != nil {
		return nil, err
	}
	plaintext, err := aead.Open(nil, sealed[:xaes.NonceSize], sealed[xaes.NonceSize:], aad)
	if err != nil {
		return nil, ErrInvalidCiphertext
	}
	return plaintext, nil
}

// unseal gives the cipher of one version. The material itself is cleared at once.
func (s *Software) unseal(k *Key, v Version) (*xaes.AEAD, error) {
	if len(v.Sealed) == 0 {
		return nil, ErrNoMaterial
	}
	secret, err := s.root.Open(v.Sealed, sealContext(k, v.Number))
	if err != nil {
		return nil, fmt.Errorf("unsealing key material: %w", err)
	}
	defer clear(secret)
	return xaes.New(secret)
}
