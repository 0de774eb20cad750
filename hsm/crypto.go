package hsm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"hyok/hsm/internal/gcm"
)

// Sizes, in bytes. The device checks none of them (guide hsm.md §2, traps 1 and 2).
const (
	MaxPlaintext = 64 << 10 // and ciphertext; XKS asks for 4300 (XKS fact 52)
	MaxAAD       = 65 << 10 // XKS asks for 8215 (XKS fact 53)

	ivSize     = gcm.IVSize // of what Encrypt gives
	longIVSize = 16         // also taken by Decrypt (XKS fact 54)
	aes256Size = 32
)

// Sealed is what Encrypt gives. The slices share one array.
type Sealed struct {
	IV         []byte // 12 bytes
	Ciphertext []byte // as long as the plaintext
	Tag        []byte // 16 bytes
	Version    uint32 // of the key, for Decrypt
}

// Encrypt encrypts with AES-256-GCM under the newest version of the key of that
// label, with a random 12-byte IV and a 128-bit tag. plaintext has 0 to MaxPlaintext bytes, aad 0 to
// MaxAAD. Errors: ErrBadInput, ErrKeyNotFound, ErrKeyDisabled, ErrKeyUsage,
// ErrAmbiguous, ErrNotLoggedIn.
func (t *Token) Encrypt(ctx context.Context, label string, plaintext, aad []byte) (Sealed, error) {
	return t.EncryptNamed(ctx, label, plaintext, aad, -1)
}

// EncryptNamed is Encrypt with additional data that names the version of the key:
// before it encrypts, it writes the version's number into aad[at:at+4],
// big-endian, but in its own copy of aad. at is negative for no number.
func (t *Token) EncryptNamed(ctx context.Context, label string, plaintext, aad []byte, at int) (Sealed, error) {
	s, err := t.encrypt(ctx, label, plaintext, aad, at)
	if err != nil {
		return Sealed{}, fmt.Errorf("encrypting under key %q: %w", label, err)
	}
	return s, nil
}

func (t *Token) encrypt(ctx context.Context, label string, plaintext, aad []byte, at int) (Sealed, error) {
	if err := checkInput(label, plaintext, aad); err != nil {
		return Sealed{}, err
	}
	if at >= 0 && at > len(aad)-4 {
		return Sealed{}, fmt.Errorf("%w: no place for the version in the additional data", ErrBadInput)
	}
	in := newInput(plaintext, nil, aad)
	var sealed Sealed
	err := t.doBelieved(ctx, opEncrypt, func(w *worker) (err error) {
		sealed, err = w.encrypt(label, in, at)
		return err
	})
	if err != nil {
		return Sealed{}, err // sealed may still be written to
	}
	return sealed, nil
}

func (w *worker) encrypt(label string, in input, at int) (Sealed, error) {
	e, err := w.usableKey(label, Key.mayEncrypt)
	if err != nil {
		return Sealed{}, err
	}
	n := len(in.text)
	buf := make([]byte, ivSize+n+gcm.TagSize+gcm.Margin)
	iv, out := buf[:ivSize:ivSize], buf[ivSize:]
	if at >= 0 {
		binary.BigEndian.PutUint32(in.aad[at:], e.key.Version)
	}
	r, err := w.t.seal(uint(w.session), uint(w.working(e)), iv, in.aad, in.text, out)
	switch {
	case r.RV != 0 && r.Begun:
		w.closeSessionInside() // it may be poisoned
		return Sealed{}, &CodeError{Function: "C_Encrypt", Code: r.RV}
	case r.RV != 0:
		return Sealed{}, &CodeError{Function: "C_EncryptInit", Code: r.RV}
	case r.N != n+gcm.TagSize:
		return Sealed{}, fmt.Errorf("%w: it made %d bytes of %d, not a tag of %d more", ErrUnavailable, r.N, n, gcm.TagSize)
	case err != nil:
		return Sealed{}, err
	}
	return Sealed{IV: iv, Ciphertext: out[:n:n], Tag: out[n : n+gcm.TagSize : n+gcm.TagSize], Version: e.key.Version}, nil
}

// Decrypt decrypts what Encrypt gave under the oldest version of the key, which is
// the only one unless the key was rotated; iv has 12 or 16 bytes, tag 16, and the
// plaintext is as long as ciphertext, at most MaxPlaintext. Errors:
// ErrInvalidCiphertext when any of them is not as it was, else as for Encrypt.
func (t *Token) Decrypt(ctx context.Context, label string, iv, ciphertext, tag, aad []byte) ([]byte, error) {
	return t.DecryptVersion(ctx, label, 0, iv, ciphertext, tag, aad)
}

// DecryptVersion is Decrypt under the version of the key that Sealed names; 0 is
// the oldest. A version that the key does not have is ErrInvalidCiphertext; a key
// whose newest version is disabled is ErrKeyDisabled.
func (t *Token) DecryptVersion(ctx context.Context, label string, version uint32, iv, ciphertext, tag, aad []byte) ([]byte, error) {
	plaintext, err := t.decrypt(ctx, label, version, iv, ciphertext, tag, aad)
	if err != nil {
		return nil, fmt.Errorf("decrypting under key %q: %w", label, err)
	}
	return plaintext, nil
}

func (t *Token) decrypt(ctx context.Context, label string, version uint32, iv, ciphertext, tag, aad []byte) ([]byte, error) {
	if err := checkInput(label, ciphertext, aad); err != nil {
		return nil, err
	}
	if len(iv) != ivSize && len(iv) != longIVSize {
		return nil, fmt.Errorf("%w: an IV of %d bytes", ErrInvalidCiphertext, len(iv))
	}
	if len(tag) != gcm.TagSize {
		return nil, fmt.Errorf("%w: a tag of %d bytes", ErrInvalidCiphertext, len(tag))
	}
	in := newInput(ciphertext, tag, aad)
	iv = bytes.Clone(iv)
	var plaintext []byte
	err := t.doBelieved(ctx, opDecrypt, func(w *worker) (err error) {
		plaintext, err = w.decrypt(label, version, iv, in)
		return err
	})
	if err != nil {
		return nil, err // plaintext may still be written to
	}
	return plaintext, nil
}

// doBelieved does work for a caller, who is told of a fault of his only by a token
// that is well: modules say the same of a forged ciphertext and of a failing
// device (guide hsm.md §2, trap 3), and SoftHSM says of a key whose file it cannot
// read that it is of a wrong type.
func (t *Token) doBelieved(ctx context.Context, op *operation, work func(*worker) error) error {
	err := t.do(ctx, t.quick, op, work, nil)
	var code *CodeError
	usage := errors.As(err, &code) && code.class() == classUsage
	if !usage && !errors.Is(err, ErrInvalidCiphertext) {
		return err
	}
	if sick := t.prober.probe(ctx); sick != nil {
		return sick
	}
	if usage { // the token may have come back just before the probe
		return t.do(ctx, t.quick, op, work, nil)
	}
	return err
}

func (w *worker) decrypt(label string, version uint32, iv []byte, in input) (plaintext []byte, err error) {
	keys, err := w.versionOf(label, version)
	if err != nil {
		return nil, err
	}
	for _, e := range keys {
		plaintext, err = w.decryptUnder(e, iv, in)
		if !errors.Is(err, ErrInvalidCiphertext) {
			break
		}
	}
	return plaintext, err
}

// decryptUnder decrypts under one version of a key.
func (w *worker) decryptUnder(e *entry, iv []byte, in input) ([]byte, error) {
	w.entry = e
	if e.olderThan(freshFor) {
		var err error
		if e, err = w.renewed(e); err != nil {
			return nil, err
		}
	}
	e, err := w.usable(e, Key.mayDecrypt)
	if err != nil {
		return nil, err
	}
	n := len(in.text) - gcm.TagSize
	out := make([]byte, len(in.text)+gcm.Margin)
	r := w.t.lib.gcm.Decrypt(uint(w.session), uint(w.working(e)), iv, in.aad, in.text, out)
	switch {
	case r.RV != 0 && r.Begun && refusesCiphertext(r.RV):
		return nil, fmt.Errorf("%w: C_Decrypt gave 0x%x", ErrInvalidCiphertext, r.RV)
	case r.RV != 0 && r.Begun:
		w.closeSessionInside() // it may be poisoned
		return nil, &CodeError{Function: "C_Decrypt", Code: r.RV}
	case r.RV != 0:
		return nil, &CodeError{Function: "C_DecryptInit", Code: r.RV}
	case r.N != n:
		return nil, fmt.Errorf("%w: it made %d bytes of a ciphertext of %d", ErrUnavailable, r.N, n)
	}
	return out[:n:n], nil
}

// refusesCiphertext tells whether C_Decrypt, after C_DecryptInit succeeded, says
// with this code that the ciphertext is not genuine. The session stays usable
// then, and is kept: forged ciphertexts must not cost sessions.
func refusesCiphertext(code uint) bool {
	return rowByCode[code].class == classCiphertext ||
		code == rowByName["CKR_GENERAL_ERROR"].code || // SoftHSM 2.6.1: hsm.md trap 3
		code == rowByName["CKR_FUNCTION_FAILED"].code // nShield: xks-proxy.md §2.6
}

// An input is a copy of what a caller gave: a caller who has gone may use its
// memory again while the device still reads.
type input struct{ text, aad []byte }

// newInput joins a text with the tag behind it, if any.
func newInput(text, tag, aad []byte) input {
	n := len(text) + len(tag)
	buf := make([]byte, n+len(aad))
	copy(buf[copy(buf, text):], tag)
	copy(buf[n:], aad)
	return input{buf[:n:n], buf[n:]}
}

func checkInput(label string, text, aad []byte) error {
	if err := checkLabel(label); err != nil {
		return err
	}
	if len(text) > MaxPlaintext {
		return fmt.Errorf("%w: %d bytes of text, the limit is %d", ErrBadInput, len(text), MaxPlaintext)
	}
	if len(aad) > MaxAAD {
		return fmt.Errorf("%w: %d bytes of additional data, the limit is %d", ErrBadInput, len(aad), MaxAAD)
	}
	return nil
}
