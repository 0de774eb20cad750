package proxy_test

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"

	"hyok/proxy"
	"hyok/proxy/xks"
)

// XKS fact 78: the metadata names the version, and each version goes on decrypting.
func TestCiphertextsNameTheirVersion(t *testing.T) {
	r := newRig(t, nil)
	var bodies []members
	for version := byte(1); version <= 3; version++ {
		e, body := r.sealed(t, "good")
		if want := []byte{1, 0, 0, 0, version}; !bytes.Equal(e.CiphertextMetadata, want) {
			t.Errorf("the metadata is %x, want %x", e.CiphertextMetadata, want)
		}
		value := xks.IntegrityValue([]byte("aad"), e.CiphertextMetadata, e.InitializationVector, e.Ciphertext, e.AuthenticationTag)
		if !bytes.Equal(e.CiphertextDataIntegrityValue, value[:]) {
			t.Errorf("version %d: the integrity value is of something else", version)
		}
		bodies = append(bodies, body)
		if _, err := r.token.RotateKey(soon(t), "good"); err != nil {
			t.Fatal(err)
		}
	}
	for i, body := range bodies {
		r.do(t, request{path: "/keys/good/decrypt", body: body}).want(t, "each version", "")
		other := []byte{1, 0, 0, 0, byte(i+1)%3 + 1}
		r.do(t, request{path: "/keys/good/decrypt", body: body.with("ciphertextMetadata", other)}).want(t, "another version", xks.InvalidCiphertextException)
		for _, unknown := range [][]byte{{1, 0, 0, 0, 0}, {1, 0, 0, 0, 9}, {1, 255, 255, 255, 255}, {1, 0, 0, 0}, {1, 0, 0, 0, 1, 0}} {
			r.do(t, request{path: "/keys/good/decrypt", body: body.with("ciphertextMetadata", unknown)}).want(t, "an unknown version", xks.InvalidCiphertextException)
		}
	}
	a := r.do(t, request{path: "/keys/good/metadata", body: members{"requestMetadata": metadataOf("CreateKey")}})
	if want := `"keySpec":"AES_256"`; !bytes.Contains(a.body, []byte(want)) {
		t.Errorf("a rotated key is described as %s", a.body)
	}
	if err := r.token.SetEnabled(soon(t), "good", false); err != nil {
		t.Fatal(err)
	}
	r.do(t, request{path: "/keys/good/decrypt", body: bodies[0]}).want(t, "an old version of a disabled key", xks.InvalidStateException)
}

// While the device is away nobody hears that a version is unknown (XKS fact 87).
func TestUnknownVersionsAreNotToldWhileTheDeviceIsAway(t *testing.T) {
	r := newRig(t, nil)
	_, body := r.sealed(t, "good")
	path, err := r.dir.TokenPath(r.label)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, filepath.Join(t.TempDir(), "away")); err != nil {
		t.Fatal(err)
	}
	for _, version := range []byte{7, 1} { // version 1 has a copy, which works until somebody looks
		r.do(t, request{path: "/keys/good/decrypt", body: body.with("ciphertextMetadata", []byte{1, 0, 0, 0, version})}).
			want(t, "version", xks.InternalException)
	}
}

// sampleAAD is the formula of the sample proxy (xks-proxy.md §2.5).
func sampleAAD(aad, metadata string) []byte {
	b := []byte{byte(len(aad) >> 8), byte(len(aad))}
	if aad != "" {
		sum := sha256.Sum256([]byte(aad))
		b = append(b, sum[:]...)
	}
	return append(append(b, byte(len(metadata))), metadata...)
}

// The sum is SHA-256 of "aad" as sha256sum prints it.
func TestTheFormulaOfTheSampleProxy(t *testing.T) {
	want := "\x00\x03" +
		"\xd0\x12\x8e\x29\x6d\xe3\xda\x59\xe3\x84\x86\x74\xf0\x69\x9d\x13\x9f\xa9\xea\xfa\x65\x4b\x8b\xda\xc7\xc3\x88\xe1\x0a\xca\x33\xba" + "\x02m1"
	if got := sampleAAD("aad", "m1"); string(got) != want {
		t.Errorf("got %x", got)
	}
	if got := sampleAAD("", ""); !bytes.Equal(got, []byte{0, 0, 0}) {
		t.Errorf("without anything: got %x", got)
	}
}

func TestCiphertextsOfTheSampleProxy(t *testing.T) {
	r := newRig(t, func(c *proxy.Config) {
		c.Stores[0].Keys = map[string]proxy.Key{
			"silent": {Label: "good", Sample: &proxy.SampleFormat{}},
			"named":  {Label: "good", Sample: &proxy.SampleFormat{Metadata: []byte("key_version=1")}},
			"strict": {Label: "good"},
		}
	})
	_, ours := r.sealed(t, "strict")
	body := func(aad, metadata string, authenticated []byte) members {
		iv := []byte("twelve bytes")
		ciphertext, tag := r.sealRaw(t, "good", iv, []byte("text"), authenticated)
		b := members{"requestMetadata": metadataOf("Decrypt"), "encryptionAlgorithm": "AES_GCM",
			"ciphertext": ciphertext, "initializationVector": iv, "authenticationTag": tag}
		if aad != "" {
			b["additionalAuthenticatedData"] = []byte(aad)
		}
		if metadata != "" {
			b["ciphertextMetadata"] = []byte(metadata)
		}
		return b
	}
	const tag = "key_version=1"
	silent, bare := body("aad", "", sampleAAD("aad", "")), body("", "", sampleAAD("", ""))
	named := body("aad", tag, sampleAAD("aad", tag))
	exact := body("aad", "", xks.Frame([]byte("aad"), nil))
	if _, err := r.token.RotateKey(soon(t), "good"); err != nil { // and still they open
		t.Fatal(err)
	}
	_, oursLater := r.sealed(t, "silent")
	const refused = xks.InvalidCiphertextException
	for _, row := range []struct {
		what, key string
		body      members
		want      xks.ErrorName
	}{
		{"hashed, no metadata", "silent", silent, ""},
		{"no AAD, no metadata", "silent", bare, ""},
		{"hashed, with metadata", "named", named, ""},
		{"ours", "silent", ours, ""},
		{"ours", "named", ours, ""},
		{"ours of a later version", "named", oursLater, ""},
		{"an exact one without metadata", "named", exact, ""},
		{"an exact one without metadata", "strict", exact, ""},
		{"one without metadata is the sample's", "silent", exact, refused},
		{"the sample's where it is off", "strict", silent, refused},
		{"the sample's where it is off", "strict", named, refused},
		{"the sample's with other metadata", "silent", named, refused},
		{"the sample's without its metadata", "named", silent, refused},
		{"changed AAD", "silent", silent.with("additionalAuthenticatedData", []byte("aaD")), refused},
		{"the hash as AAD", "strict", silent.with("additionalAuthenticatedData", sampleAAD("aad", "")[2:34]), refused},
	} {
		r.do(t, request{path: "/keys/" + row.key + "/decrypt", body: row.body}).want(t, row.key+": "+row.what, row.want)
	}
	if m, _ := oursLater["ciphertextMetadata"].([]byte); !bytes.Equal(m, []byte{1, 0, 0, 0, 2}) {
		t.Errorf("a key with the sample's form encrypts with metadata %x", m)
	}
}

// FuzzCiphertextMetadata sends any metadata: only what was written decrypts.
func FuzzCiphertextMetadata(f *testing.F) {
	r := newRig(f, func(c *proxy.Config) {
		c.Stores[0].Keys = map[string]proxy.Key{"good": {Sample: &proxy.SampleFormat{Metadata: []byte("sample")}}}
	})
	_, body := r.sealed(f, "good")
	written := body["ciphertextMetadata"].([]byte)
	for _, seed := range []string{"", "sample", "\x01\x00\x00\x00\x01", "\x01\x00\x00\x00\x02", "\x01", "\x02\x00\x00\x00\x01", "012345678901234567890"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, metadata []byte) {
		a := r.do(t, request{path: "/keys/good/decrypt", body: body.with("ciphertextMetadata", metadata)})
		if bytes.Equal(metadata, written) {
			a.want(t, "what was written", "")
			return
		}
		a.want(t, "other metadata", xks.InvalidCiphertextException)
	})
}
