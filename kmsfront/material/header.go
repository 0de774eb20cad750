package material

import (
	"encoding/binary"
	"fmt"
)

// Format is the first byte of a ciphertext blob.
type Format byte

// The formats. The number says what follows the header.
const (
	FormatSoftware Format = 1 // nonce 24, ciphertext, tag 16
	FormatCloudHSM Format = 2 // CloudHSMBlob
	FormatExternal Format = 3 // ExternalBlob
)

// Sizes in a header, in bytes.
const (
	maxKeyID    = 64 // key IDs have 36 today
	accountSize = 12
)

// Header starts every blob: format, length of the key ID (1 byte), key ID, version
// of the material (4 bytes, big endian), account (12 digits).
type Header struct {
	Format  Format
	KeyID   string
	Version uint32 // 1 where the material is not in the store
	Account string
}

// NewHeader is the header of a blob that k makes now.
func NewHeader(f Format, k *Key) Header {
	return Header{Format: f, KeyID: k.ID, Version: max(k.Current, 1), Account: k.Account}
}

// Append appends the header to b.
func (h Header) Append(b []byte) []byte {
	b = append(b, byte(h.Format), byte(len(h.KeyID)))
	b = append(b, h.KeyID...)
	b = binary.BigEndian.AppendUint32(b, h.Version)
	return append(b, h.Account...)
}

func (h Header) size() int { return 1 + 1 + len(h.KeyID) + 4 + len(h.Account) }

// AAD is the additional data of each layer of encryption: the header, then the
// encoded encryption context.
func (h Header) AAD(context []byte) []byte {
	return append(h.Append(make([]byte, 0, h.size()+len(context))), context...)
}

// ExternalAAD is AAD for an external key store proxy; ErrContextTooLong when it
// exceeds MaxExternalAAD.
func (h Header) ExternalAAD(context []byte) ([]byte, error) {
	if n := h.size() + len(context); n > MaxExternalAAD {
		return nil, fmt.Errorf("%w: %d bytes of at most %d", ErrContextTooLong, n, MaxExternalAAD)
	}
	return h.AAD(context), nil
}

// Check is ErrInvalidCiphertext unless the blob has format f and was made by k.
func (h Header) Check(f Format, k *Key) error {
	if h.Format != f || h.KeyID != k.ID || h.Account != k.Account {
		return ErrInvalidCiphertext
	}
	return nil
}

// ParseHeader parses the start of a blob; n is how many bytes the header has.
// ErrBlob when it is none, or when the blob is longer than MaxBlob.
func ParseHeader(blob []byte) (h Header, n int, err error) {
	if len(blob) < 2 || len(blob) > MaxBlob {
		return Header{}, 0, ErrBlob
	}
	id := int(blob[1])
	n = 1 + 1 + id + 4 + accountSize
	if len(blob) < n {
		return Header{}, 0, ErrBlob
	}
	h = Header{
		Format:  Format(blob[0]),
		KeyID:   string(blob[2 : 2+id]),
		Version: binary.BigEndian.Uint32(blob[2+id:]),
		Account: string(blob[n-accountSize : n]),
	}
	if !h.valid() {
		return Header{}, 0, ErrBlob
	}
	return h, n, nil
}

// valid tells whether the header is one that ParseHeader gives.
func (h Header) valid() bool {
	known := h.Format >= FormatSoftware && h.Format <= FormatExternal
	return known && h.Version > 0 &&
		h.KeyID != "" && len(h.KeyID) <= maxKeyID && only(h.KeyID, "0123456789abcdefghijklmnopqrstuvwxyz-") &&
		len(h.Account) == accountSize && only(h.Account, "0123456789")
}
