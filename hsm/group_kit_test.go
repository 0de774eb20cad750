package hsm_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"hyok/hsm"
	"hyok/internal/fault"
	"hyok/softhsm/softhsmtest"
)

// A side is a member of a group under test, with a way to make it fail alone.
type side struct {
	*rig
	token  *hsm.Token
	faults *fault.Set
	works  atomic.Int64 // encryptions and decryptions that it has ended
}

// newGroup gives a group of n SoftHSM tokens that all have the key "k".
func newGroup(t testing.TB, n int) (*hsm.Group, []*side) {
	t.Helper()
	value := make([]byte, 32)
	rand.Read(value)
	sides := make([]*side, n)
	tokens := make([]*hsm.Token, n)
	for i := range sides {
		s := &side{faults: fault.New(nil)}
		s.rig = newRig(t, hsm.ModuleConfig{})
		s.token = s.open(t, hsm.TokenConfig{Faults: s.faults, Observe: func(c hsm.Call) {
			if c.Taken && (c.Op == "Encrypt" || c.Op == "Decrypt") && (c.Err == nil || errors.Is(c.Err, hsm.ErrInvalidCiphertext)) {
				s.works.Add(1)
			}
		}})
		if err := importKey(s.label, "k", value); err != nil {
			t.Fatal(err)
		}
		sides[i], tokens[i] = s, s.token
	}
	g, err := hsm.NewGroup(tokens...)
	if err != nil {
		t.Fatal(err)
	}
	return g, sides
}

// fail adds a fault of the device.
func (s *side) fail(t testing.TB, r fault.Rule) {
	t.Helper()
	r.At = fault.HSM
	if _, err := s.faults.Add(r); err != nil {
		t.Fatal(err)
	}
}

// throughGroup encrypts and decrypts with a group and compares.
func throughGroup(ctx context.Context, g *hsm.Group, label string) error {
	text, aad := []byte("text"), []byte("aad")
	s, err := g.EncryptNamed(ctx, label, text, aad, -1)
	if err != nil {
		return err
	}
	got, err := g.DecryptVersion(ctx, label, s.Version, s.IV, s.Ciphertext, s.Tag, aad)
	if err == nil && !bytes.Equal(got, text) {
		return fmt.Errorf("%q came back as %q", text, got)
	}
	return err
}

// untilAway waits until use finds that the token it needs is away: copies of keys
// work for a moment.
func untilAway(t *testing.T, use func() error) {
	t.Helper()
	within(t, time.Second, hsm.ErrUnavailable, lostKeys[:len(lostKeys)-1], use)
}

// encryptsAll gives the encryption with a group.
func encryptsAll(t testing.TB, g *hsm.Group) func() error {
	return func() error {
		_, err := g.EncryptNamed(soon(t), "k", []byte("text"), nil, -1)
		return err
	}
}

// wrongLogin has the token refuse its PIN.
func (s *side) wrongLogin(t testing.TB) {
	t.Helper()
	if err := s.token.Logout(soon(t)); err != nil {
		t.Fatal(err)
	}
	_ = s.token.Login(soon(t), wrongPIN)
}

func (s *side) rightLogin(t testing.TB) {
	t.Helper()
	if err := s.token.Login(soon(t), softhsmtest.PIN); err != nil {
		t.Fatal(err)
	}
}
