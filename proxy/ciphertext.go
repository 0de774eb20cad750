package proxy

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"hyok/proxy/xks"
)

// A ciphertext's metadata names its form, and so what the device authenticated
// and which version of the external key encrypted it (XKS facts 77 to 79).
//
//	01 VVVVVVVV    this proxy's form: the frame of XKS fact 76, and the version
//	nothing        the same frame, as other proxies write it, and version 1
//
// A key that was moved here from the sample proxy has a further form, whose
// metadata is what that proxy's configuration said, often nothing. It stands
// above the forms here. New meanings get a new first byte, so that what this
// version wrote can always be read.

// metadataForm is the first byte of all metadata of this proxy's form.
const metadataForm = 1

// metadataSize is the length of that metadata, in bytes.
const metadataSize = 5

// firstVersion is the version of a key that was never rotated.
const firstVersion = 1

// newMetadata names a version.
func newMetadata(version uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{metadataForm}, version)
}

// A SampleFormat says that ciphertexts which the public sample proxy made are
// decrypted too. They authenticate the hash of the additional data, not itself
// (xks-proxy.md §2.5). The zero value is for a sample proxy without metadata.
type SampleFormat struct {
	// Metadata is the ciphertext metadata in the sample proxy's configuration,
	// at most xks.MaxMetadata bytes; empty: none.
	Metadata []byte
}

// A form is what a ciphertext's metadata says of it.
type form struct {
	version uint32
	hashed  bool // the sample proxy's additional data
}

// formOf reads metadata. sample is the key's; nil: none. ok is false for
// metadata that neither proxy writes.
func formOf(metadata []byte, sample *SampleFormat) (f form, ok bool) {
	switch {
	case sample != nil && string(metadata) == string(sample.Metadata):
		return form{firstVersion, true}, true
	case len(metadata) == 0:
		return form{firstVersion, false}, true
	case len(metadata) == metadataSize && metadata[0] == metadataForm:
		version := binary.BigEndian.Uint32(metadata[1:])
		return form{version, false}, version >= firstVersion
	}
	return form{}, false
}

// appendAAD appends what the device authenticated of aad and metadata. aad is nil
// when the request has none.
func (f form) appendAAD(dst, aad, metadata []byte) []byte {
	if !f.hashed {
		return xks.AppendFrame(dst, aad, metadata)
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(aad)))
	if aad != nil {
		sum := sha256.Sum256(aad)
		dst = append(dst, sum[:]...)
	}
	dst = append(dst, byte(len(metadata)))
	return append(dst, metadata...)
}

// FileSampleFormat is the configuration of a SampleFormat.
type FileSampleFormat struct {
	MetadataB64 string `yaml:"metadata_b64"` // empty: the sample proxy wrote none
}

func (s *FileSampleFormat) validate() error {
	if s == nil {
		return nil
	}
	metadata, err := base64.StdEncoding.Strict().DecodeString(s.MetadataB64)
	switch {
	case err != nil:
		return fieldError("metadata_b64", "must be standard base64 with padding, as in the sample proxy's ciphertext_metadata_b64; empty for none")
	case len(metadata) > xks.MaxMetadata:
		return fieldError("metadata_b64", "must be at most %d bytes before encoding, this is %d", xks.MaxMetadata, len(metadata))
	}
	if _, ours := formOf(metadata, nil); ours && len(metadata) > 0 {
		return fieldError("metadata_b64", "is what this proxy writes for its own ciphertexts, so the two cannot be told apart")
	}
	return nil
}

// sample gives the SampleFormat; nil for none. The file is valid.
func (s *FileSampleFormat) sample() *SampleFormat {
	if s == nil {
		return nil
	}
	metadata, _ := base64.StdEncoding.DecodeString(s.MetadataB64)
	return &SampleFormat{Metadata: metadata}
}
