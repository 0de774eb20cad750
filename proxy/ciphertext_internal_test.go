package proxy

import (
	"bytes"
	"testing"

	"hyok/proxy/xks"
)

// FuzzForm reads any metadata next to any configuration of the sample proxy's:
// what is read is what one of the two writes, and writing it again gives it back.
func FuzzForm(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 1}, []byte{}, true)
	f.Add([]byte("key_version=1"), []byte("key_version=1"), true)
	f.Add([]byte{}, []byte{}, false)
	f.Add([]byte{1, 0, 0, 0, 0}, []byte{1}, true)
	f.Fuzz(func(t *testing.T, metadata, configured []byte, on bool) {
		var sample *SampleFormat
		if on {
			sample = &SampleFormat{Metadata: configured}
		}
		got, ok := formOf(metadata, sample)
		isSample := on && bytes.Equal(metadata, configured)
		switch {
		case !ok:
			if isSample || len(metadata) == 0 {
				t.Errorf("%x was refused", metadata)
			}
			return
		case got.version < firstVersion || got.hashed != isSample:
			t.Errorf("%x gives %+v", metadata, got)
		case !got.hashed && len(metadata) > 0 && !bytes.Equal(newMetadata(got.version), metadata):
			t.Errorf("%x gives %+v, which is written otherwise", metadata, got)
		}
		if len(metadata) > xks.MaxMetadata {
			return
		}
		aad := []byte("aad")
		if exact := bytes.Equal(got.appendAAD(nil, aad, metadata), xks.Frame(aad, metadata)); exact == got.hashed {
			t.Errorf("%x: %+v authenticates the frame: %t", metadata, got, exact)
		}
	})
}

func TestTheSampleFormOfAFile(t *testing.T) {
	s := FileStore{Keys: []FileKey{
		{ID: "off"},
		{ID: "bare", SampleProxyCiphertexts: &FileSampleFormat{}},
		{ID: "named", SampleProxyCiphertexts: &FileSampleFormat{MetadataB64: "a2V5X3ZlcnNpb249MQ=="}},
	}}
	keys := s.keys()
	if keys["off"].Sample != nil {
		t.Error("off: the sample proxy's ciphertexts are decrypted")
	}
	for id, want := range map[string]string{"bare": "", "named": "key_version=1"} {
		if got := keys[id].Sample; got == nil || string(got.Metadata) != want {
			t.Errorf("%s: got %+v, want metadata %q", id, got, want)
		}
	}
}
