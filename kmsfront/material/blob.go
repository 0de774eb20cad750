package material

import (
	"errors"
	"slices"
	"strings"
)

// Sizes in the blobs of custom key stores, in bytes.
const (
	IVSize      = 12 // of an HSM; a proxy may choose LongIVSize as well (XKS: IV 12 or 16)
	LongIVSize  = 16
	TagSize     = 16
	MaxMetadata = 20 // ciphertextMetadata of a proxy
)

// errParts is returned by Marshal when a part has a size that the format excludes.
var errParts = errors.New("part of a ciphertext blob has a wrong size")

// CloudHSMBlob is a format 2 blob, of a key in a CloudHSM cluster: header, IV, tag,
// ciphertext. Parsed parts alias the blob.
type CloudHSMBlob struct {
	Header     Header
	IV         []byte // IVSize
	Tag        []byte // TagSize
	Ciphertext []byte // as long as the plaintext
}

// Marshal gives the blob; the error means that a part has a wrong size.
func (b CloudHSMBlob) Marshal() ([]byte, error) {
	if !b.valid() {
		return nil, errParts
	}
	return slices.Concat(b.Header.Append(nil), b.IV, b.Tag, b.Ciphertext), nil
}

func (b CloudHSMBlob) valid() bool {
	return b.Header.valid() && b.Header.Format == FormatCloudHSM &&
		len(b.IV) == IVSize && len(b.Tag) == TagSize && len(b.Ciphertext) <= MaxPlaintext
}

// ParseCloudHSM parses a format 2 blob; ErrBlob for anything else.
func ParseCloudHSM(blob []byte) (CloudHSMBlob, error) {
	h, n, err := ParseHeader(blob)
	if err != nil {
		return CloudHSMBlob{}, err
	}
	parts, ok := split(blob[n:], IVSize, TagSize)
	b := CloudHSMBlob{Header: h, IV: parts[0], Tag: parts[1], Ciphertext: parts[2]}
	if !ok || !b.valid() {
		return CloudHSMBlob{}, ErrBlob
	}
	return b, nil
}

// ExternalBlob is a format 3 blob, of a key in an external key store: header,
// length of the IV and length of the metadata (1 byte each), IV, tag, metadata,
// ciphertext. What the proxy encrypted is the inner layer, made by
// Software.SealInner. Parsed parts alias the blob.
type ExternalBlob struct {
	Header     Header
	IV         []byte // IVSize or LongIVSize
	Tag        []byte // TagSize
	Metadata   []byte // up to MaxMetadata
	Ciphertext []byte // the inner layer's plaintext and InnerOverhead
}

// Marshal gives the blob; the error means that a part has a wrong size.
func (b ExternalBlob) Marshal() ([]byte, error) {
	if !b.valid() {
		return nil, errParts
	}
	lengths := []byte{byte(len(b.IV)), byte(len(b.Metadata))}
	return slices.Concat(b.Header.Append(nil), lengths, b.IV, b.Tag, b.Metadata, b.Ciphertext), nil
}

func (b ExternalBlob) valid() bool {
	return b.Header.valid() && b.Header.Format == FormatExternal &&
		(len(b.IV) == IVSize || len(b.IV) == LongIVSize) && len(b.Tag) == TagSize && len(b.Metadata) <= MaxMetadata &&
		len(b.Ciphertext) >= InnerOverhead && len(b.Ciphertext) <= MaxPlaintext+InnerOverhead
}

// ParseExternal parses a format 3 blob; ErrBlob for anything else.
func ParseExternal(blob []byte) (ExternalBlob, error) {
	h, n, err := ParseHeader(blob)
	if err != nil {
		return ExternalBlob{}, err
	}
	lengths, ok := split(blob[n:], 2)
	if !ok {
		return ExternalBlob{}, ErrBlob
	}
	iv, metadata := int(lengths[0][0]), int(lengths[0][1])
	parts, ok := split(lengths[1], iv, TagSize, metadata)
	if !ok {
		return ExternalBlob{}, ErrBlob
	}
	b := ExternalBlob{Header: h, IV: parts[0], Tag: parts[1], Metadata: parts[2], Ciphertext: parts[3]}
	if !b.valid() {
		return ExternalBlob{}, ErrBlob
	}
	return b, nil
}

// split cuts b into parts of the sizes given and a last one of what is left; not
// ok when b is too short, with parts that are empty then.
func split(b []byte, sizes ...int) (parts [][]byte, ok bool) {
	parts = make([][]byte, len(sizes)+1)
	for i, n := range sizes {
		if len(b) < n {
			return parts, false
		}
		parts[i], b = b[:n:n], b[n:]
	}
	parts[len(sizes)] = b
	return parts, true
}

// only tells whether s has none but the characters of set.
func only(s, set string) bool { return strings.Trim(s, set) == "" }
