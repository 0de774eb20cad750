package material_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"hyok/kmsfront/material"
)

func header(f material.Format) material.Header {
	return material.Header{Format: f, KeyID: keyID, Version: 1, Account: account}
}

func drawBytes(t *rapid.T, name string, min, max int) []byte {
	return rapid.SliceOfN(rapid.Byte(), min, max).Draw(t, name)
}

func TestExternalBlobIsReadAsWritten(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		iv := rapid.SampledFrom([]int{material.IVSize, material.LongIVSize}).Draw(r, "iv size")
		want := material.ExternalBlob{
			Header:     header(material.FormatExternal),
			IV:         drawBytes(r, "iv", iv, iv),
			Tag:        drawBytes(r, "tag", material.TagSize, material.TagSize),
			Metadata:   drawBytes(r, "metadata", 0, material.MaxMetadata),
			Ciphertext: drawBytes(r, "ciphertext", material.InnerOverhead, material.InnerOverhead+material.MaxPlaintext),
		}
		blob, err := want.Marshal()
		if err != nil || len(blob) > material.MaxBlob {
			r.Fatalf("%d bytes, %v", len(blob), err)
		}
		got, err := material.ParseExternal(blob)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			r.Fatalf("%v\n%s", err, diff)
		}
	})
}

func TestCloudHSMBlobIsReadAsWritten(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		want := material.CloudHSMBlob{
			Header:     header(material.FormatCloudHSM),
			IV:         drawBytes(r, "iv", material.IVSize, material.IVSize),
			Tag:        drawBytes(r, "tag", material.TagSize, material.TagSize),
			Ciphertext: drawBytes(r, "ciphertext", 0, material.MaxPlaintext),
		}
		blob, err := want.Marshal()
		if err != nil || len(blob) > material.MaxBlob {
			r.Fatalf("%d bytes, %v", len(blob), err)
		}
		got, err := material.ParseCloudHSM(blob)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			r.Fatalf("%v\n%s", err, diff)
		}
	})
}

func TestPartsOfAWrongSizeMakeNoBlob(t *testing.T) {
	external := func(change func(*material.ExternalBlob)) func() ([]byte, error) {
		b := material.ExternalBlob{Header: header(material.FormatExternal), IV: make([]byte, 12), Tag: make([]byte, 16), Ciphertext: make([]byte, 40)}
		change(&b)
		return b.Marshal
	}
	hsm := func(change func(*material.CloudHSMBlob)) func() ([]byte, error) {
		b := material.CloudHSMBlob{Header: header(material.FormatCloudHSM), IV: make([]byte, 12), Tag: make([]byte, 16)}
		change(&b)
		return b.Marshal
	}
	for name, marshal := range map[string]func() ([]byte, error){
		"IV of 13 bytes":           external(func(b *material.ExternalBlob) { b.IV = make([]byte, 13) }),
		"tag of 12 bytes":          external(func(b *material.ExternalBlob) { b.Tag = b.Tag[:12] }),
		"metadata of 21 bytes":     external(func(b *material.ExternalBlob) { b.Metadata = make([]byte, 21) }),
		"ciphertext too short":     external(func(b *material.ExternalBlob) { b.Ciphertext = b.Ciphertext[1:] }),
		"ciphertext too long":      external(func(b *material.ExternalBlob) { b.Ciphertext = make([]byte, 4137) }),
		"the other format":         external(func(b *material.ExternalBlob) { b.Header.Format = material.FormatCloudHSM }),
		"CloudHSM IV of 16 bytes":  hsm(func(b *material.CloudHSMBlob) { b.IV = make([]byte, 16) }),
		"CloudHSM, no tag":         hsm(func(b *material.CloudHSMBlob) { b.Tag = nil }),
		"CloudHSM, too long":       hsm(func(b *material.CloudHSMBlob) { b.Ciphertext = make([]byte, 4097) }),
		"CloudHSM, another format": hsm(func(b *material.CloudHSMBlob) { b.Header.Format = material.FormatSoftware }),
		"no key ID":                hsm(func(b *material.CloudHSMBlob) { b.Header.KeyID = "" }),
		"a short account":          hsm(func(b *material.CloudHSMBlob) { b.Header.Account = "1111" }),
	} {
		if blob, err := marshal(); err == nil {
			t.Errorf("%s: a blob of %d bytes", name, len(blob))
		}
	}
}

func TestHeader(t *testing.T) {
	good := header(material.FormatSoftware)
	if h, n, err := material.ParseHeader(append(good.Append(nil), "rest"...)); h != good || n != 54 || err != nil {
		t.Errorf("got %v of %d bytes, %v", h, n, err)
	}
	for rule, change := range map[string]func(*material.Header){
		"format 0 is none":                   func(h *material.Header) { h.Format = 0 },
		"format 4 is none":                   func(h *material.Header) { h.Format = 4 },
		"there is a key ID":                  func(h *material.Header) { h.KeyID = "" },
		"a key ID has up to 64 bytes":        func(h *material.Header) { h.KeyID = string(bytes.Repeat([]byte("a"), 65)) },
		"a key ID is in lower case":          func(h *material.Header) { h.KeyID = "mrk-ABC" },
		"versions count from 1":              func(h *material.Header) { h.Version = 0 },
		"an account is of digits":            func(h *material.Header) { h.Account = "11112222333x" },
		"an account has 12 digits, not less": func(h *material.Header) { h.Account = "11112222333" },
	} {
		h := good
		change(&h)
		if got, _, err := material.ParseHeader(h.Append(nil)); !errors.Is(err, material.ErrBlob) {
			t.Errorf("%s: parsed as %v, %v", rule, got, err)
		}
	}
}

func TestHeaderChecksFormatAndKey(t *testing.T) {
	k := &material.Key{ID: keyID, Account: account}
	h := material.NewHeader(material.FormatExternal, k)
	if h.Version != 1 {
		t.Errorf("version %d of a key without material in the store", h.Version)
	}
	if err := h.Check(material.FormatExternal, k); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"format":  h.Check(material.FormatSoftware, k),
		"key":     h.Check(material.FormatExternal, &material.Key{ID: "mrk-1", Account: account}),
		"account": h.Check(material.FormatExternal, &material.Key{ID: keyID, Account: "000000000000"}),
	} {
		if !errors.Is(err, material.ErrInvalidCiphertext) {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

func TestExternalAADIsLimited(t *testing.T) {
	h := header(material.FormatExternal)
	rest := material.MaxExternalAAD - len(h.Append(nil))
	if aad, err := h.ExternalAAD(make([]byte, rest)); err != nil || !bytes.Equal(aad, h.AAD(make([]byte, rest))) {
		t.Errorf("the most there may be: %d bytes, %v", len(aad), err)
	}
	if _, err := h.ExternalAAD(make([]byte, rest+1)); !errors.Is(err, material.ErrContextTooLong) {
		t.Errorf("one byte more: %v", err)
	}
}

// A blob that a parser takes is the only one with its parts; all else is ErrBlob.
func FuzzParseBlob(f *testing.F) {
	for _, seed := range [][]byte{
		header(material.FormatSoftware).Append(nil),
		append(header(material.FormatCloudHSM).Append(nil), make([]byte, 28)...),
		append(header(material.FormatExternal).Append(nil), append([]byte{12, 3}, make([]byte, 31+40)...)...),
		append(header(material.FormatExternal).Append(nil), 255, 255),
		{1, 255},
		{},
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, blob []byte) {
		h, n, err := material.ParseHeader(blob)
		wantSame(t, blob, h.Append(nil), n, err)
		hsm, err := material.ParseCloudHSM(blob)
		again, _ := hsm.Marshal()
		wantSame(t, blob, again, len(blob), err)
		external, err := material.ParseExternal(blob)
		again, _ = external.Marshal()
		wantSame(t, blob, again, len(blob), err)
	})
}

func wantSame(t *testing.T, blob, again []byte, n int, err error) {
	t.Helper()
	switch {
	case err != nil && !errors.Is(err, material.ErrBlob):
		t.Errorf("the error is %v", err)
	case err == nil && !bytes.Equal(blob[:n], again):
		t.Errorf("%x is written as %x", blob[:n], again)
	}
}

// FuzzDecrypt gives a key whatever there is: no blob opens that it did not make.
func FuzzDecrypt(f *testing.F) {
	s := material.NewSoftware(newRoot(f))
	k := newKey(f, s, keyID, account)
	made := encrypt(f, s, k, []byte("plaintext"), nil)
	f.Add(made)
	f.Add(made[:54])
	f.Add(append(header(material.FormatSoftware).Append(nil), make([]byte, 40)...))
	f.Fuzz(func(t *testing.T, blob []byte) {
		_, err := s.Decrypt(t.Context(), k, blob, nil)
		if bytes.Equal(blob, made) != (err == nil) || (err != nil && !errors.Is(err, material.ErrInvalidCiphertext)) {
			t.Errorf("%x: %v", blob, err)
		}
	})
}
