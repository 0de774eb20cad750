package hsm

import (
	"bytes"
	"errors"
	"testing"

	"hyok/hsm/internal/shim"
)

func TestProfilesAreComplete(t *testing.T) {
	seen := make(map[string]bool)
	for _, p := range Profiles() {
		if p.Name == "" || p.Device == "" || p.Source == "" || p.Workers < 1 || seen[p.Name] {
			t.Errorf("%+v", p)
		}
		seen[p.Name] = true
	}
	if p, err := ProfileNamed(""); err != nil || p.Name != GenericProfile {
		t.Errorf("no name gives %+v, %v", p, err)
	}
	if _, err := ProfileNamed("abacus"); !errors.Is(err, ErrBadInput) {
		t.Errorf("a name of none gives %v", err)
	}
}

// TestTheIVIsMadeByWhomTheProfileSays has SoftHSM imitate each kind of device.
func TestTheIVIsMadeByWhomTheProfileSays(t *testing.T) {
	for _, c := range []struct {
		profile string
		device  shim.IV
	}{
		{"softhsm", shim.CallerIV},
		{"cloudhsm", shim.WrittenIV},
		{"nshield", shim.WrittenIV},
		{"luna", shim.AppendedIV},
	} {
		t.Run(c.profile, func(t *testing.T) {
			b := newBench(t, TokenConfig{})
			p, err := ProfileNamed(c.profile)
			if err != nil {
				t.Fatal(err)
			}
			b.token.profile = p
			b.shim.MakeIV(c.device)
			used := make(map[string]bool)
			for _, size := range []int{0, 1, 16, 100} {
				text := bytes.Repeat([]byte{1}, size)
				s, err := b.token.Encrypt(t.Context(), "k", text, []byte("aad"))
				if err != nil {
					t.Fatal(err)
				}
				if used[string(s.IV)] || len(s.IV) != 12 || len(s.Ciphertext) != size || len(s.Tag) != 16 {
					t.Errorf("%d bytes became %+v", size, s)
				}
				used[string(s.IV)] = true
				got, err := b.token.Decrypt(t.Context(), "k", s.IV, s.Ciphertext, s.Tag, []byte("aad"))
				if err != nil || !bytes.Equal(got, text) {
					t.Errorf("%d bytes come back as %d, %v", size, len(got), err)
				}
			}
			if h := b.token.Health(t.Context()); !h.OK {
				t.Errorf("health: %v", h.Err)
			}
		})
	}
}

// TestAnIVOfZerosIsRefused: a device that makes no IV, though its profile says
// so, would use the same one each time.
func TestAnIVOfZerosIsRefused(t *testing.T) {
	for _, profile := range []string{"cloudhsm", "luna"} {
		t.Run(profile, func(t *testing.T) {
			b := newBench(t, TokenConfig{})
			b.token.profile, _ = ProfileNamed(profile)
			s, err := b.token.Encrypt(t.Context(), "k", []byte("text"), nil)
			if !errors.Is(err, ErrUnsupported) || s.Ciphertext != nil {
				t.Errorf("got %v", err)
			}
			if h := b.token.Health(t.Context()); h.OK {
				t.Error("a device that makes no IV is said to be well")
			}
		})
	}
}
