package hsm_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"hyok/hsm"
	"hyok/hsm/internal/shim"
	"hyok/internal/nsstest"
)

const nssPIN, nssLabel = nsstest.PIN, nsstest.Label

// newNSSToken gives an open token of NSS with a key labelled "k".
func newNSSToken(t *testing.T, path string) *hsm.Token {
	t.Helper()
	module, err := hsm.Load(hsm.ModuleConfig{Path: path, Reserved: nsstest.New(t).Reserved})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := module.Close(); err != nil {
			t.Error(err)
		}
	})
	token, err := module.Open(soon(t), hsm.TokenConfig{Label: nssLabel, PIN: nssPIN})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := token.CreateKey(soon(t), "k"); err != nil {
		t.Fatal(err)
	}
	return token
}

func TestNSSDoesWhatSoftHSMDoes(t *testing.T) {
	token := newNSSToken(t, nsstest.Module(t))
	ctx := soon(t)
	text, aad := bytes.Repeat([]byte("text"), 1000), []byte("aad")
	for _, text := range [][]byte{nil, text[:1], text} {
		s, err := token.Encrypt(ctx, "k", text, aad)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := token.Decrypt(ctx, "k", s.IV, s.Ciphertext, s.Tag, aad); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%d bytes come back as %d, %v", len(text), len(got), err)
		}
		if _, err := token.Decrypt(ctx, "k", s.IV, s.Ciphertext, s.Tag, []byte("other")); !errors.Is(err, hsm.ErrInvalidCiphertext) {
			t.Errorf("with other additional data: %v", err)
		}
	}
	if h := token.Health(ctx); !h.OK || h.Label != nssLabel {
		t.Errorf("health: %+v", h)
	}
	if b, err := token.Random(ctx, 32); err != nil || len(b) != 32 {
		t.Errorf("random: %d bytes, %v", len(b), err)
	}
	if keys, err := token.Keys(ctx); err != nil || len(keys) != 1 || keys[0].Label != "k" || !keys[0].AES256 {
		t.Errorf("keys: %+v, %v", keys, err)
	}
}

func TestNSSErrorsAreThoseOfSoftHSM(t *testing.T) {
	token := newNSSToken(t, nsstest.Module(t))
	ctx := soon(t)
	want := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", what, err, want)
		}
	}
	_, err := token.Key(ctx, "none")
	want("a key that is not there", err, hsm.ErrKeyNotFound)
	_, err = token.CreateKey(ctx, "k")
	want("a key that is there", err, hsm.ErrKeyExists)
	want("disabling", token.SetEnabled(ctx, "k", false), nil)
	want("a disabled key", encrypts(t, token, "k")(), hsm.ErrKeyDisabled)
	want("enabling", token.SetEnabled(ctx, "k", true), nil)
	want("logging out", token.Logout(ctx), nil)
	want("without login", encrypts(t, token, "k")(), hsm.ErrNotLoggedIn)
	want("a wrong PIN", token.Login(ctx, wrongPIN), hsm.ErrPIN)
	want("after a wrong PIN", encrypts(t, token, "k")(), hsm.ErrPIN)
	want("the right PIN", token.Login(ctx, nssPIN), nil)
	want("logged in again", encrypts(t, token, "k")(), nil)
	want("deleting", token.DeleteKey(ctx, "k"), nil)
	want("a deleted key", encrypts(t, token, "k")(), hsm.ErrKeyNotFound)
}

// TestNSSTokenIsNotTakenForAnotherOfItsModule: all have one serial number.
func TestNSSTokenIsNotTakenForAnotherOfItsModule(t *testing.T) {
	token := newNSSToken(t, nsstest.Module(t))
	info := token.Info()
	if strings.Trim(info.Serial, "0") != "" || info.Label != nssLabel {
		t.Errorf("the token is %+v: the test shows nothing", info)
	}
	module, err := hsm.Load(hsm.ModuleConfig{Path: nsstest.Module(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer module.Close()
	if _, err := module.Open(soon(t), hsm.TokenConfig{Serial: info.Serial}); !errors.Is(err, hsm.ErrAmbiguous) {
		t.Errorf("choosing by a number that two tokens have: %v", err)
	}
}

// TestNSSComesBack has the module forget that it was initialised: it needs its
// reserved parameters again.
func TestNSSComesBack(t *testing.T) {
	shim := shim.New(t, nsstest.Module(t))
	token := newNSSToken(t, shim.Path)
	for range 3 {
		shim.Lose()
		within(t, 2*time.Second, nil, lostKeys[:len(lostKeys)-1], encrypts(t, token, "k"))
	}
}

func TestNSSIsUsedSideBySide(t *testing.T) {
	token := newNSSToken(t, nsstest.Module(t))
	var users sync.WaitGroup
	for i := range 8 {
		users.Go(func() {
			text := bytes.Repeat([]byte{byte(i)}, 100)
			for range 20 {
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				s, err := token.Encrypt(ctx, "k", text, nil)
				if err == nil {
					var got []byte
					if got, err = token.Decrypt(ctx, "k", s.IV, s.Ciphertext, s.Tag, nil); err == nil && !bytes.Equal(got, text) {
						err = errors.New("it is another's")
					}
				}
				if err != nil {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	users.Wait()
}
