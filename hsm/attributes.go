package hsm

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"
)

// Key describes a secret key of the token.
type Key struct {
	Label            string
	ID               []byte // CKA_ID
	Version          uint32 // among the keys of this label; 1: the first, or never rotated
	Type             string // "AES", "DES3"; otherwise the number, as "0x10"
	Bits             int    // 0: unknown
	AES256           bool   // Type is AES and Bits is 256
	Encrypt, Decrypt bool   // the usages CKA_ENCRYPT and CKA_DECRYPT
	Enabled          bool   // at least one of the two
}

func (k Key) mayEncrypt() bool { return k.Encrypt }
func (k Key) mayDecrypt() bool { return k.Decrypt }

// usable says why the key cannot be used; nil when it can.
func (k Key) usable(may func(Key) bool) error {
	switch {
	case !k.AES256:
		return fmt.Errorf("%w: it is not an AES key of 256 bits", ErrKeyUsage)
	case !k.Enabled:
		return ErrKeyDisabled
	case !may(k):
		return ErrKeyUsage
	}
	return nil
}

// attributes describes a key.
func (w *worker) attributes(h pkcs11.ObjectHandle) (Key, error) {
	get := func(types ...uint) ([]*pkcs11.Attribute, error) {
		want := make([]*pkcs11.Attribute, len(types))
		for i, t := range types {
			want[i] = pkcs11.NewAttribute(t, nil)
		}
		got, err := w.t.lib.ctx.GetAttributeValue(w.session, h, want)
		return got, coded("C_GetAttributeValue", err)
	}
	base := []uint{pkcs11.CKA_LABEL, pkcs11.CKA_ID, pkcs11.CKA_KEY_TYPE, pkcs11.CKA_ENCRYPT, pkcs11.CKA_DECRYPT}
	got, err := get(append(base, pkcs11.CKA_VALUE_LEN)...)
	if codeClass(err) == classRefused { // keys of some types have no length
		got, err = get(base...)
	}
	if err != nil {
		return Key{}, err
	}
	return keyOf(got)
}

// maxKeySize is above any secret key's, in bytes.
const maxKeySize = 1 << 20

var errAttributes = errors.New("the device gave attributes of the wrong size")

// keyOf reads the attributes of label, ID, type, the two usages and, if there,
// the length.
func keyOf(a []*pkcs11.Attribute) (Key, error) {
	if len(a) < 5 || len(a[2].Value) != 8 || len(a[3].Value) != 1 || len(a[4].Value) != 1 {
		return Key{}, fmt.Errorf("%w: %w", ErrUnavailable, errAttributes)
	}
	k := Key{Label: string(a[0].Value), ID: a[1].Value, Version: VersionOf(a[1].Value), Encrypt: a[3].Value[0] != 0, Decrypt: a[4].Value[0] != 0}
	number := binary.NativeEndian.Uint64(a[2].Value)
	switch number {
	case pkcs11.CKK_AES:
		k.Type = "AES"
	case pkcs11.CKK_DES3:
		k.Type, k.Bits = "DES3", 192
	default:
		k.Type = fmt.Sprintf("0x%x", number)
	}
	if len(a) > 5 && len(a[5].Value) == 8 {
		if size := binary.NativeEndian.Uint64(a[5].Value); size <= maxKeySize {
			k.Bits = 8 * int(size)
		}
	}
	k.AES256 = number == pkcs11.CKK_AES && k.Bits == 8*aes256Size
	k.Enabled = k.Encrypt || k.Decrypt
	return k, nil
}
