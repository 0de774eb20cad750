package hsm_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/miekg/pkcs11"

	"hyok/hsm"
	"hyok/internal/fault"
)

// encryptOn encrypts on one member.
func encryptOn(t *testing.T, s *side) hsm.Sealed {
	t.Helper()
	sealed, err := s.token.Encrypt(soon(t), "k", []byte("text"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// decryptWith decrypts with the group, several times so that each member is the
// first one once, and gives the first error.
func decryptWith(t *testing.T, g *hsm.Group, s hsm.Sealed) error {
	t.Helper()
	for range 20 {
		if _, err := g.DecryptVersion(soon(t), "k", s.Version, s.IV, s.Ciphertext, s.Tag, nil); err != nil {
			return err
		}
	}
	return nil
}

// TestAVersionThatOneMemberHas is the time between a rotation on one member and
// the copy to the others.
func TestAVersionThatOneMemberHas(t *testing.T) {
	g, sides := newGroup(t, 2)
	old := encryptOn(t, sides[0])
	if _, err := sides[0].token.RotateKey(soon(t), "k"); err != nil {
		t.Fatal(err)
	}
	sealed := encryptOn(t, sides[0])
	forged := sealed
	forged.Tag = bytes.Repeat([]byte{1}, 16)
	unknown := sealed
	unknown.Version = 7
	if sealed.Version != 2 {
		t.Fatalf("the new version is %d", sealed.Version)
	}
	for _, c := range []struct {
		name   string
		sealed hsm.Sealed
		want   error
	}{
		{"the old version", old, nil}, {"the new version", sealed, nil},
		{"forged", forged, hsm.ErrInvalidCiphertext}, {"of no member's version", unknown, hsm.ErrInvalidCiphertext},
	} {
		if err := decryptWith(t, g, c.sealed); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	bringBack := sides[0].takeTokenAway(t)
	untilAway(t, func() error { return decryptWith(t, g, sealed) })
	for name, s := range map[string]hsm.Sealed{"the new version": sealed, "of no member's version": unknown} {
		if err := decryptWith(t, g, s); !errors.Is(err, hsm.ErrUnavailable) || errors.Is(err, hsm.ErrInvalidCiphertext) {
			t.Errorf("%s, while the member that has it is away: %v", name, err)
		}
	}
	if err := decryptWith(t, g, old); err != nil {
		t.Errorf("the old version meanwhile: %v", err)
	}
	bringBack()
}

func TestAForgeryCostsOneMembersWork(t *testing.T) {
	g, sides := newGroup(t, 3)
	forged := encryptOn(t, sides[0])
	forged.Tag = bytes.Repeat([]byte{1}, 16)
	before := sides[0].works.Load() + sides[1].works.Load() + sides[2].works.Load()
	const n = 20
	for range n {
		if err := decryptWith(t, g, forged); !errors.Is(err, hsm.ErrInvalidCiphertext) {
			t.Fatalf("got %v", err)
		}
	}
	if did := sides[0].works.Load() + sides[1].works.Load() + sides[2].works.Load() - before; did != n {
		t.Errorf("%d forgeries cost %d decryptions", n, did)
	}
}

// Each row makes the second member's key another than the first one's, which
// Compare tells.
func TestCompareFindsWhatIsNotAlike(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(t *testing.T, a, b *side)
		member int    // whose it is; -1: nobody's
		reason string // part of it
	}{
		{"nothing", func(*testing.T, *side, *side) {}, -1, ""},
		{"a key of one only", func(t *testing.T, a, b *side) {
			if err := b.token.DeleteKey(soon(t), "k"); err != nil {
				t.Fatal(err)
			}
		}, 1, "not on it"},
		{"a key of none", func(t *testing.T, a, b *side) {
			for _, s := range []*side{a, b} {
				if err := s.token.DeleteKey(soon(t), "k"); err != nil {
					t.Fatal(err)
				}
			}
		}, -1, ""},
		{"a version of one only", func(t *testing.T, a, b *side) {
			if _, err := b.token.RotateKey(soon(t), "k"); err != nil {
				t.Fatal(err)
			}
		}, 0, "newest version of the key is 1, another member's 2"},
		{"rotated twice", func(t *testing.T, a, b *side) {
			for _, s := range []*side{a, b} {
				if _, err := s.token.RotateKey(soon(t), "k"); err != nil {
					t.Fatal(err)
				}
			}
		}, 1, "version 2 of the key is not that of token"},
		{"disabled on one", func(t *testing.T, a, b *side) {
			if err := b.token.SetEnabled(soon(t), "k", false); err != nil {
				t.Fatal(err)
			}
		}, 1, "may be used on another member"},
		{"another key", func(t *testing.T, a, b *side) {
			if err := b.token.DeleteKey(soon(t), "k"); err != nil {
				t.Fatal(err)
			}
			if err := importKey(b.label, "k", bytes.Repeat([]byte{9}, 32), pkcs11.NewAttribute(pkcs11.CKA_ID, []byte{1})); err != nil {
				t.Fatal(err)
			}
		}, 1, "version 1 of the key is not that of token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, sides := newGroup(t, 2)
			c.change(t, sides[0], sides[1])
			for _, labels := range [][]string{{"k"}, nil, {"k"}} {
				found, err := g.Compare(soon(t), labels)
				if err != nil {
					t.Fatal(err)
				}
				checkDifferences(t, found, sides, c.member, c.reason)
			}
			for i, m := range g.Members() {
				if (m.Flaw != nil) != (i == c.member) {
					t.Errorf("the flaw of member %d: %v", i, m.Flaw)
				}
			}
		})
	}
}

func checkDifferences(t *testing.T, found []hsm.Difference, sides []*side, member int, reason string) {
	t.Helper()
	switch {
	case member < 0 && len(found) == 0:
	case member < 0 || len(found) != 1:
		t.Errorf("found %+v", found)
	case found[0].Token != sides[member].token || found[0].Label != "k" || !strings.Contains(found[0].Reason, reason):
		t.Errorf("found %+v, want %q of member %d", found[0], reason, member)
	}
}

// A member that hangs holds up the comparison once, and not for each label.
func TestComparingDoesNotWaitForAMemberThatHangs(t *testing.T) {
	g, sides := newGroup(t, 3)
	if err := sides[2].token.DeleteKey(soon(t), "k"); err != nil {
		t.Fatal(err)
	}
	sides[1].fail(t, fault.Rule{Latency: 20 * time.Second})
	began := time.Now()
	found, err := g.Compare(soon(t), []string{"k", "k", "k", "k", "k", "k", "k", "k"})
	if took := time.Since(began); err != nil || took > 4*time.Second {
		t.Errorf("after %s: %v", took, err)
	}
	if len(found) == 0 || found[0].Token != sides[2].token {
		t.Errorf("the others were not compared: %+v", found)
	}
}

// TestUnlikeMembersLoseNothing has the two members rotate apart, which nobody
// should do: what either has encrypted still decrypts, new encryptions take one
// of them, and no ciphertext is called forged while a member is away.
func TestUnlikeMembersLoseNothing(t *testing.T) {
	g, sides := newGroup(t, 2)
	var sealed []hsm.Sealed
	for _, s := range sides {
		if _, err := s.token.RotateKey(soon(t), "k"); err != nil {
			t.Fatal(err)
		}
		sealed = append(sealed, encryptOn(t, s))
	}
	if _, err := g.Compare(soon(t), []string{"k"}); err != nil {
		t.Fatal(err)
	}
	for i, s := range sealed {
		if err := decryptWith(t, g, s); err != nil {
			t.Errorf("what member %d encrypted: %v", i, err)
		}
	}
	before := sides[1].works.Load()
	for range 20 {
		if err := encryptsAll(t, g)(); err != nil {
			t.Fatal(err)
		}
	}
	if n := sides[1].works.Load() - before; n > 0 {
		t.Errorf("the second member encrypted %d times", n)
	}
	bringBack := sides[1].takeTokenAway(t)
	untilAway(t, func() error { return decryptWith(t, g, sealed[1]) })
	for range 2 {
		if err := decryptWith(t, g, sealed[1]); !errors.Is(err, hsm.ErrUnavailable) || errors.Is(err, hsm.ErrInvalidCiphertext) {
			t.Errorf("while its member is away: %v", err)
		}
		if _, err := g.Compare(soon(t), []string{"k"}); err != nil { // forgets nothing of it
			t.Fatal(err)
		}
	}
	bringBack()
}

// While the copy of a new version is under way, encryptions take the version
// that all have.
func TestANewVersionWaitsForAllMembers(t *testing.T) {
	g, sides := newGroup(t, 2)
	if _, err := sides[0].token.RotateKey(soon(t), "k"); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Compare(soon(t), []string{"k"}); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if s, err := g.EncryptNamed(soon(t), "k", nil, nil, -1); err != nil || s.Version != 1 {
			t.Fatalf("version %d, %v", s.Version, err)
		}
	}
	sides[1].fail(t, fault.Rule{Error: "CKR_DEVICE_ERROR"})
	if s, err := g.EncryptNamed(soon(t), "k", nil, nil, -1); err != nil || s.Version != 2 {
		t.Errorf("with the other member away: version %d, %v", s.Version, err)
	}
}
