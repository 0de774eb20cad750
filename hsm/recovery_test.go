package hsm_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"hyok/hsm"
	"hyok/internal/fault"
)

// takeAway renames what is at path, out of SoftHSM's sight, and gives the
// function that brings it back.
func takeAway(t *testing.T, path string) (bringBack func()) {
	t.Helper()
	away := filepath.Join(t.TempDir(), "away")
	if err := os.Rename(path, away); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := os.Rename(away, path); err != nil {
			t.Fatal(err)
		}
	}
}

func (r *rig) takeTokenAway(t *testing.T) (bringBack func()) {
	t.Helper()
	path, err := r.dir.TokenPath(r.label)
	if err != nil {
		t.Fatal(err)
	}
	return takeAway(t, path)
}

// lostKeys are errors that must not come of a device that is away: they would
// tell a customer that the key, or the data, is lost.
var lostKeys = []error{hsm.ErrKeyNotFound, hsm.ErrInvalidCiphertext, hsm.ErrKeyUsage, hsm.ErrPIN, hsm.ErrNotLoggedIn, nil}

func TestTokenThatGoesIsUnavailableAndComesBackByItself(t *testing.T) {
	r, token := newToken(t, hsm.TokenConfig{})
	sealed, err := token.Encrypt(soon(t), "k", []byte("text"), nil)
	if err != nil {
		t.Fatal(err)
	}
	decrypt := func() error {
		_, err := token.Decrypt(soon(t), "k", sealed.IV, sealed.Ciphertext, sealed.Tag, nil)
		return err
	}
	for _, c := range []struct {
		name string
		use  func() error
	}{
		{"encrypting", encrypts(t, token, "k")},
		{"decrypting", decrypt},
		{"describing", func() error { _, err := token.Key(soon(t), "none"); return err }},
		{"listing", func() error { _, err := token.Keys(soon(t)); return err }},
	} {
		bringBack := r.takeTokenAway(t)
		within(t, time.Second, hsm.ErrUnavailable, lostKeys[:len(lostKeys)-1], c.use) // copies of keys work for a moment
		for range 20 {
			if err := c.use(); !errors.Is(err, hsm.ErrUnavailable) {
				t.Fatalf("%s while the token is away gives %v", c.name, err)
			}
		}
		if h := token.Health(soon(t)); h.OK || !errors.Is(h.Err, hsm.ErrUnavailable) {
			t.Errorf("%s: the token is away and its health is %v", c.name, h.Err)
		}
		bringBack()
		within(t, 2*time.Second, nil, lostKeys[:len(lostKeys)-1], encrypts(t, token, "k"))
		if err := decrypt(); err != nil {
			t.Errorf("%s: decrypting after the token came back gives %v", c.name, err)
		}
	}
}

func TestUsersOfATokenThatGoesNeverHearThatAKeyIsLost(t *testing.T) {
	r, token := newToken(t, hsm.TokenConfig{})
	stop := make(chan struct{})
	var users sync.WaitGroup
	for range 8 {
		users.Go(func() {
			for use := encrypts(t, token, "k"); ; {
				if err := use(); err != nil && !errors.Is(err, hsm.ErrUnavailable) && !errors.Is(err, hsm.ErrTimeout) {
					t.Errorf("got %v", err)
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for range 3 {
		bringBack := r.takeTokenAway(t)
		within(t, time.Second, hsm.ErrUnavailable, nil, encrypts(t, token, "k"))
		bringBack()
		within(t, 2*time.Second, nil, nil, encrypts(t, token, "k"))
	}
	close(stop)
	users.Wait()
}

func TestOneTokenAwayDoesNotFailAnother(t *testing.T) {
	_, here := newToken(t, hsm.TokenConfig{})
	r, gone := newToken(t, hsm.TokenConfig{})
	bringBack := r.takeTokenAway(t)
	within(t, time.Second, hsm.ErrUnavailable, nil, encrypts(t, gone, "k"))
	end := time.After(700 * time.Millisecond) // several attempts at recovery
	for working := true; working; {
		if err := encrypts(t, here, "k")(); err != nil {
			t.Errorf("on the token that is there: %v", err)
		}
		select {
		case <-end:
			working = false
		default:
		}
	}
	bringBack()
	within(t, 2*time.Second, nil, lostKeys[:len(lostKeys)-1], encrypts(t, gone, "k"))
}

// TestKeyLostToTheProcessIsFoundAgain makes the module forget a key that the
// token has, as one failed opening of its file does.
func TestKeyLostToTheProcessIsFoundAgain(t *testing.T) {
	r, token := newToken(t, hsm.TokenConfig{})
	if err := encrypts(t, token, "k")(); err != nil {
		t.Fatal(err)
	}
	path, err := r.dir.TokenPath(r.label)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(path, "*-*.object"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the key's file: %v, %v", files, err)
	}
	p, s, err := rawSession(r.label)
	if err != nil {
		t.Fatal(err)
	}
	search := func() int {
		if err := p.FindObjectsInit(s, onToken("k")); err != nil {
			t.Fatal(err)
		}
		found, _, err := p.FindObjects(s, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.FindObjectsFinal(s); err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	bringBack := takeAway(t, files[0])
	search()
	bringBack()
	if n := search(); n != 0 {
		t.Fatalf("the module has not lost the key, it finds %d: the test shows nothing", n)
	}
	if err := encrypts(t, token, "k")(); err != nil {
		t.Errorf("encrypting under the lost key gives %v", err)
	}
}

// TestForgeryIsToldFromFailure has the device refuse a genuine ciphertext as a
// forged one, which only the canary's fate can tell.
func TestForgeryIsToldFromFailure(t *testing.T) {
	for _, c := range []struct {
		name string
		away bool
		want error
	}{
		{"the token is well", false, hsm.ErrInvalidCiphertext},
		{"the token is away", true, hsm.ErrUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			faults := fault.New(nil)
			r, token := newToken(t, hsm.TokenConfig{Faults: faults})
			if _, err := faults.Add(fault.Rule{At: fault.HSM, Op: "Decrypt", Error: "CKR_ENCRYPTED_DATA_INVALID"}); err != nil {
				t.Fatal(err)
			}
			if c.away {
				r.takeTokenAway(t)
			}
			_, err := token.Decrypt(soon(t), "k", make([]byte, 12), []byte("text"), make([]byte, 16), nil)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}
