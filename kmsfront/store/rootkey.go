package store

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"hyok/internal/xaes"
)

// SealOverhead is how many bytes a sealed value is longer than its plaintext.
const SealOverhead = 1 + xaes.Overhead

// Sealer keeps data secret and unaltered. The context is authenticated, not
// stored: Open needs the same one.
type Sealer interface {
	// Seal encrypts plaintext. Equal plaintexts give different results.
	Seal(plaintext, context []byte) ([]byte, error)
	// Open is the inverse; ErrSealed when sealed or context differ.
	Open(sealed, context []byte) ([]byte, error)
}

// Root hands out a Sealer for each purpose; what one has sealed no other opens.
// *RootKey is the file form; a key on a PKCS#11 token can be another.
type Root interface {
	For(purpose string) Sealer
}

// RootKey is the 256-bit key under which everything in a store is sealed. It
// lives in a file of one line, which nobody but its owner may read. The key
// itself encrypts nothing: each purpose has a key derived from it with HKDF-SHA256.
type RootKey struct {
	secret  [32]byte
	general Sealer
}

// rootKeyLine starts a root key file; base64 of the key and a newline follow.
const rootKeyLine = "hyok-root-key-1 "

// LoadRootKey reads the root key file at path. ErrRootKey when it is missing (then
// fs.ErrNotExist as well), malformed, or readable by others than its owner.
func LoadRootKey(path string) (*RootKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRootKey, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRootKey, err)
	}
	if mode := info.Mode(); !mode.IsRegular() || mode.Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w: %s has mode %v, but must be a file that only its owner can read: chmod 600 %[2]s", ErrRootKey, path, mode)
	}
	data, err := io.ReadAll(io.LimitReader(f, 1024))
	if err != nil {
		return nil, fmt.Errorf("%w: reading %s: %w", ErrRootKey, path, err)
	}
	defer clear(data)
	secret, err := parseRootKey(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrRootKey, path, err)
	}
	defer clear(secret)
	return newRootKey(secret), nil
}

func parseRootKey(data []byte) ([]byte, error) {
	encoded, ok := bytes.CutPrefix(bytes.TrimSuffix(data, []byte("\n")), []byte(rootKeyLine))
	if !ok {
		return nil, errors.New("this is not a root key file; restore it from its backup")
	}
	secret := make([]byte, base64.StdEncoding.DecodedLen(len(encoded)))
	n, err := base64.StdEncoding.Strict().Decode(secret, encoded)
	if err != nil || n != len(RootKey{}.secret) {
		return nil, errors.New("the root key is damaged; restore it from its backup")
	}
	return secret[:n], nil
}

// CreateRootKey makes a root key from crypto/rand and its file at path, mode 0600.
// The file is there whole or not at all; a file that exists is never overwritten
// (fs.ErrExist).
func CreateRootKey(path string) (*RootKey, error) {
	secret := make([]byte, len(RootKey{}.secret))
	defer clear(secret)
	if _, err := rand.Read(secret); err != nil {
		return nil, fmt.Errorf("making a root key: %w", err)
	}
	line := base64.StdEncoding.AppendEncode([]byte(rootKeyLine), secret)
	line = append(line, '\n')
	defer clear(line)
	err := createFile(path, func(temp string) error { return os.WriteFile(temp, line, 0o600) })
	if err != nil {
		return nil, fmt.Errorf("making the root key file %s: %w", path, err)
	}
	return newRootKey(secret), nil
}

// OpenRootKey loads the root key file, and makes one when neither it nor the store
// exists yet. A store without its root key is ErrRootKey: a new key could open
// nothing in it.
func OpenRootKey(path, storePath string) (*RootKey, error) {
	root, err := LoadRootKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return root, err
	}
	if _, err := os.Stat(storePath); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s is missing, but the store %s was sealed with it; restore the key from its backup", ErrRootKey, path, storePath)
	}
	return CreateRootKey(path)
}

func newRootKey(secret []byte) *RootKey {
	r := &RootKey{secret: [32]byte(secret)}
	r.general = r.For("general")
	return r
}

// For derives the Sealer of a purpose; the same purpose gives the same key again.
func (r *RootKey) For(purpose string) Sealer {
	key, err := hkdf.Key(sha256.New, r.secret[:], nil, "hyok root key 1: "+purpose, xaes.KeySize)
	if err != nil {
		panic("store: deriving a key of constant size: " + err.Error())
	}
	defer clear(key)
	aead, err := xaes.New(key)
	if err != nil {
		panic("store: using a key of constant size: " + err.Error())
	}
	return subkey{aead}
}

// Seal is For("general").Seal.
func (r *RootKey) Seal(plaintext, context []byte) ([]byte, error) {
	return r.general.Seal(plaintext, context)
}

// Open is For("general").Open.
func (r *RootKey) Open(sealed, context []byte) ([]byte, error) {
	return r.general.Open(sealed, context)
}

// Format prints no key, whatever the verb.
func (r *RootKey) Format(s fmt.State, _ rune) { io.WriteString(s, "[root key]") }

// sealXAES is the first byte of everything that a subkey sealed.
const sealXAES = 1

// subkey seals with XAES-256-GCM: algorithm byte, nonce, ciphertext, tag.
type subkey struct{ aead *xaes.AEAD }

func (k subkey) Seal(plaintext, context []byte) ([]byte, error) {
	out := make([]byte, 1+xaes.NonceSize, SealOverhead+len(plaintext))
	out[0] = sealXAES
	nonce := out[1:]
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("drawing a nonce: %w", err)
	}
	return k.aead.Seal(out, nonce, plaintext, context)
}

func (k subkey) Open(sealed, context []byte) ([]byte, error) {
	if len(sealed) < SealOverhead || sealed[0] != sealXAES {
		return nil, ErrSealed
	}
	nonce, ciphertext := sealed[1:1+xaes.NonceSize], sealed[1+xaes.NonceSize:]
	plaintext, err := k.aead.Open(nil, nonce, ciphertext, context)
	if err != nil {
		return nil, ErrSealed
	}
	return plaintext, nil
}
