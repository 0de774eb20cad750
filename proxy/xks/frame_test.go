package xks

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"testing"

	"pgregory.net/rapid"
)

func unbase64(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// XKS fact 76.
func TestFrameHasBothLengthsAlways(t *testing.T) {
	long := bytes.Repeat([]byte{7}, MaxAAD)
	for _, row := range []struct {
		name          string
		aad, metadata []byte
		want          string // hex; the long AAD is left out
	}{
		{"nothing", nil, nil, "0000" + "00"},
		{"empty is as absent", []byte{}, []byte{}, "0000" + "00"},
		{"AAD alone", []byte("ab"), nil, "0002" + "6162" + "00"},
		{"metadata alone", nil, []byte("ab"), "0000" + "02" + "6162"},
		{"both", []byte("a"), []byte("b"), "0001" + "61" + "01" + "62"},
	} {
		if got := hex.EncodeToString(Frame(row.aad, row.metadata)); got != row.want {
			t.Errorf("%s: got %s, want %s", row.name, got, row.want)
		}
	}
	got := Frame(long, bytes.Repeat([]byte{1}, MaxMetadata))
	if len(got) != 8215 { // XKS fact 53
		t.Errorf("the largest frame has %d bytes, want 8215", len(got))
	}
}

func TestFramesOfDifferentPartsDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.SliceOfN(rapid.ByteRange(0, 2), 0, 4)
		a, m := part.Draw(t, "aad"), part.Draw(t, "metadata")
		b, n := part.Draw(t, "other aad"), part.Draw(t, "other metadata")
		same := bytes.Equal(a, b) && bytes.Equal(m, n)
		if bytes.Equal(Frame(a, m), Frame(b, n)) != same {
			t.Fatalf("frames of (%x,%x) and (%x,%x)", a, m, b, n)
		}
	})
}

func TestFrameRefusesLengthsThatDoNotFit(t *testing.T) {
	for name, f := range map[string]func(){
		"AAD":      func() { Frame(make([]byte, 1<<16), nil) },
		"metadata": func() { Frame(nil, make([]byte, 1<<8)) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

// XKS facts 80 and 83: the published vector, and that absent parts are empty.
func TestIntegrityValue(t *testing.T) {
	const want = "qHA/ImC9h5HsLRXqCyPmWgYx7tzyoTplzILbP0fPXsc="
	aad, metadata := []byte("project=nile,department=marketing"), []byte("key_version=1")
	iv, ct, tag := unbase64(t, "HMrlRw85cAJUd5Ax"), unbase64(t, "ghxkK1txeDNn3q8Y"), unbase64(t, "vBxN2ncH1oEkR8WVXpmyYQ==")
	got := IntegrityValue(aad, metadata, iv, ct, tag)
	if s := base64.StdEncoding.EncodeToString(got[:]); s != want {
		t.Errorf("got %s, want %s", s, want)
	}
	if IntegrityValue(nil, aad, iv, ct, tag) != IntegrityValue(aad, nil, iv, ct, tag) {
		t.Error("the value depends on more than the bytes in order")
	}
}
