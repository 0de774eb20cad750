package xks

import (
	"crypto/sha256"
	"encoding/binary"
)

// AppendFrame appends to dst what the device authenticates for a request: the
// length of aad in two bytes, aad, the length of metadata in one byte,
// metadata (XKS fact 76). Both lengths are always there, so that no byte can
// move from one to the other. It panics when aad is longer than 65535 bytes or
// metadata longer than 255: callers check sizes first.
func AppendFrame(dst, aad, metadata []byte) []byte {
	if len(aad) > 0xffff || len(metadata) > 0xff {
		panic("xks: the lengths do not fit the frame")
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(aad)))
	dst = append(dst, aad...)
	dst = append(dst, byte(len(metadata)))
	return append(dst, metadata...)
}

// Frame is AppendFrame into a slice of its own.
func Frame(aad, metadata []byte) []byte {
	return AppendFrame(make([]byte, 0, 3+len(aad)+len(metadata)), aad, metadata)
}

// IntegrityValue is the ciphertext data integrity value (XKS fact 80): SHA-256
// over the parts without lengths; absent parts are empty. aad is the request's
// own, not the frame.
func IntegrityValue(aad, metadata, iv, ciphertext, tag []byte) [IntegrityValueSize]byte {
	h := sha256.New()
	for _, part := range [...][]byte{aad, metadata, iv, ciphertext, tag} {
		h.Write(part)
	}
	var sum [IntegrityValueSize]byte
	h.Sum(sum[:0])
	return sum
}
