package hsm_test

import (
	"errors"
	"testing"
	"time"

	"github.com/miekg/pkcs11"

	"hyok/hsm"
)

// within calls f until its error is want, for at most d, and fails if one of
// the errors before is in never.
func within(t *testing.T, d time.Duration, want error, never []error, f func() error) {
	t.Helper()
	deadline := time.After(d)
	pause := time.NewTicker(2 * time.Millisecond)
	defer pause.Stop()
	for {
		err := f()
		if errors.Is(err, want) || err == nil && want == nil {
			return
		}
		for _, n := range never {
			if errors.Is(err, n) || err == nil && n == nil {
				t.Fatalf("got %v before %v", err, want)
			}
		}
		select {
		case <-pause.C:
		case <-deadline:
			t.Fatalf("after %s: got %v, want %v", d, err, want)
		}
	}
}

func encrypts(t testing.TB, token *hsm.Token, label string) func() error {
	return func() error {
		_, err := token.Encrypt(soon(t), label, []byte("text"), []byte("aad"))
		return err
	}
}

// TestOtherProcessesChangesShowWithinASecond has another process do something
// to a key that this process is using.
func TestOtherProcessesChangesShowWithinASecond(t *testing.T) {
	for _, c := range []struct {
		name, before, action string
		want                 error
		never                []error
	}{
		{"deleted", "", "delete", hsm.ErrKeyNotFound, []error{hsm.ErrUnavailable}},
		{"disabled", "", "disable", hsm.ErrKeyDisabled, []error{hsm.ErrKeyUsage, hsm.ErrUnavailable}},
		{"enabled", "disable", "enable", nil, []error{hsm.ErrKeyUsage, hsm.ErrUnavailable}},
		{"re-added", "delete", "create", nil, []error{hsm.ErrUnavailable}},
		{"doubled", "", "double", hsm.ErrAmbiguous, []error{hsm.ErrKeyNotFound, hsm.ErrUnavailable}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, token := newToken(t, hsm.TokenConfig{})
			if c.before != "" {
				r.elsewhere(t, c.before, "k")
			}
			_ = encrypts(t, token, "k")() // whatever comes of it: it fills the cache
			r.elsewhere(t, c.action, "k")
			within(t, time.Second, c.want, c.never, encrypts(t, token, "k"))
			_, err := token.Key(soon(t), "k")
			if want := c.want; want != hsm.ErrKeyDisabled && !errors.Is(err, want) {
				t.Errorf("Key gives %v, want %v", err, want)
			}
		})
	}
}

func TestKeyShowsOtherProcessesChanges(t *testing.T) {
	r, token := newToken(t, hsm.TokenConfig{})
	r.elsewhere(t, "disable", "k")
	wrong := errors.New("still enabled")
	within(t, time.Second, nil, nil, func() error {
		k, err := token.Key(soon(t), "k")
		if err == nil && k.Enabled {
			err = wrong
		}
		return err
	})
}

// TestOtherCodesMischiefIsRepaired has other code in this process do what it
// must not, and expects not one failed call.
func TestOtherCodesMischiefIsRepaired(t *testing.T) {
	for _, c := range []struct {
		name     string
		mischief func(p *pkcs11.Ctx, s pkcs11.SessionHandle, slot uint) error
	}{
		{"it logs out", func(p *pkcs11.Ctx, s pkcs11.SessionHandle, _ uint) error { return p.Logout(s) }},
		{"it closes all sessions", func(p *pkcs11.Ctx, _ pkcs11.SessionHandle, slot uint) error { return p.CloseAllSessions(slot) }},
		{"it finalises the module", func(p *pkcs11.Ctx, _ pkcs11.SessionHandle, _ uint) error { return p.Finalize() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, token := newToken(t, hsm.TokenConfig{})
			p, s, err := rawSession(r.label)
			if err != nil {
				t.Fatal(err)
			}
			info, err := p.GetSessionInfo(s)
			if err != nil {
				t.Fatal(err)
			}
			if err := encrypts(t, token, "k")(); err != nil {
				t.Fatal(err)
			}
			if err := c.mischief(p, s, info.SlotID); err != nil {
				t.Fatal(err)
			}
			for range 5 {
				if err := encrypts(t, token, "k")(); err != nil {
					t.Error(err)
				}
			}
			if h := token.Health(soon(t)); !h.OK {
				t.Errorf("the token is not well: %v", h.Err)
			}
		})
	}
}
