package hsm_test

import (
	"errors"
	"testing"
	"time"

	"github.com/miekg/pkcs11"

	"hyok/hsm"
	"hyok/softhsm/softhsmtest"
)

// copiesOf counts the session objects of that label in this process.
func copiesOf(t *testing.T, r *rig, label string) int {
	t.Helper()
	p, s, err := rawSession(r.label)
	if err != nil {
		t.Fatal(err)
	}
	err = p.FindObjectsInit(s, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, label), pkcs11.NewAttribute(pkcs11.CKA_TOKEN, false),
	})
	if err != nil {
		t.Fatal(err)
	}
	found, _, err := p.FindObjects(s, 100)
	if err = errors.Join(err, p.FindObjectsFinal(s), p.CloseSession(s)); err != nil {
		t.Fatal(err)
	}
	return len(found)
}

// TestAKeyHasOneCopyHoweverItChanges counts the copies after each change; none
// may stay behind, since each is key material in memory.
func TestAKeyHasOneCopyHoweverItChanges(t *testing.T) {
	r, token := newToken(t, hsm.TokenConfig{})
	use := encrypts(t, token, "k")
	enabled := func(on bool) func() error {
		return func() error { return token.SetEnabled(soon(t), "k", on) }
	}
	for _, c := range []struct {
		name   string
		change func() error
		works  bool
		copies int
	}{
		{"used", func() error { return nil }, true, 1},
		{"used by many", func() error { return many(use) }, true, 1},
		{"disabled", enabled(false), false, 1},
		{"enabled", enabled(true), true, 1},
		{"rotated", func() error { _, err := token.RotateKey(soon(t), "k"); return err }, true, 2},
		{"logged out", func() error { return token.Logout(soon(t)) }, false, 0},
		{"logged in", func() error { return token.Login(soon(t), softhsmtest.PIN) }, true, 1},
		{"deleted", func() error { return token.DeleteKey(soon(t), "k") }, false, 0},
		{"made again", func() error { _, err := token.CreateKey(soon(t), "k"); return err }, true, 1},
		{"replaced by another process", func() error {
			r.elsewhere(t, "delete", "k")
			r.elsewhere(t, "create", "k")
			<-time.After(600 * time.Millisecond) // as long as what is known of a key is believed
			return nil
		}, true, 1},
	} {
		if err := c.change(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if err := use(); (err == nil) != c.works {
			t.Fatalf("%s: encrypting gives %v", c.name, err)
		}
		if n := copiesOf(t, r, "k"); n != c.copies {
			t.Errorf("%s: there are %d copies, want %d", c.name, n, c.copies)
		}
	}
}

// TestOnlyTheProfileThatAllowsItHasCopies looks at the devices whose keys stay where they are.
func TestOnlyTheProfileThatAllowsItHasCopies(t *testing.T) {
	r, token := newToken(t, hsm.TokenConfig{Profile: hsm.GenericProfile})
	if err := encrypts(t, token, "k")(); err != nil {
		t.Fatal(err)
	}
	if n := copiesOf(t, r, "k"); n != 0 {
		t.Errorf("there are %d copies", n)
	}
}

func TestCopiesAreNotListed(t *testing.T) {
	_, token := newToken(t, hsm.TokenConfig{})
	if err := encrypts(t, token, "k")(); err != nil {
		t.Fatal(err)
	}
	keys, err := token.Keys(soon(t))
	if err != nil || len(keys) != 1 {
		t.Errorf("got %v, %v", keys, err)
	}
}

// many calls f often, from eight goroutines.
func many(f func() error) error {
	errs := make(chan error, 8)
	for range cap(errs) {
		go func() {
			var err error
			for range 50 {
				err = errors.Join(err, f())
			}
			errs <- err
		}()
	}
	var all error
	for range cap(errs) {
		all = errors.Join(all, <-errs)
	}
	return all
}
