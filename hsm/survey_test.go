package hsm_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/miekg/pkcs11"

	"hyok/hsm"
	"hyok/hsm/internal/shim"
	"hyok/softhsm"
	"hyok/softhsm/softhsmtest"
)

// manyKeys is above what is searched for key by key.
const manyKeys = 70

// openWithMany opens a token with manyKeys keys, k0, k1 and so on, through a shim.
func openWithMany(t *testing.T) (*hsm.Token, string, *shim.Shim) {
	t.Helper()
	label := softhsmtest.Label(t)
	softhsmtest.TestDir(t, label)
	path, err := softhsm.Module()
	if err != nil {
		t.Fatal(err)
	}
	s := shim.New(t, path)
	module, err := hsm.Load(hsm.ModuleConfig{Path: s.Path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { module.Close() })
	open := func() *hsm.Token {
		token, err := module.Open(soon(t), hsm.TokenConfig{Label: label, PIN: softhsmtest.PIN})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { token.Close() })
		return token
	}
	open()
	for i := range manyKeys {
		if err := importKey(label, fmt.Sprint("k", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	return open(), label, s
}

// Making the keys takes long, so that the tests share them.
func TestLargeToken(t *testing.T) {
	token, label, s := openWithMany(t)
	t.Run("keys are found without a search", func(t *testing.T) { firstUses(t, token, s) })
	t.Run("changes show", func(t *testing.T) { changesShow(t, token, label) })
	s.Lose() // the module is loaded again
	within(t, 2*time.Second, nil, lostKeys[:len(lostKeys)-1], encrypts(t, token, "k3"))
	t.Run("changes show after a recovery", func(t *testing.T) { changesShow(t, token, label) })
}

func firstUses(t *testing.T, token *hsm.Token, s *shim.Shim) {
	s.Set(0, shim.Fault{Function: shim.FindObjectsInit, Mode: shim.Slow, Argument: 1})
	defer s.Clear()
	for i := range manyKeys {
		if err := encrypts(t, token, fmt.Sprint("k", i))(); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Hits(0); n > 0 {
		t.Errorf("%d keys were used for the first time with %d searches, want none", manyKeys, n)
	}
}

// changesShow makes a key and new versions of two others, as another process would.
func changesShow(t *testing.T, token *hsm.Token, label string) {
	if err := importKey(label, t.Name(), nil); err != nil {
		t.Fatal(err)
	}
	if err := encrypts(t, token, t.Name())(); err != nil {
		t.Errorf("a key that was made later: %v", err)
	}
	for _, key := range []string{"k3", "k69"} {
		k, err := token.Key(soon(t), key)
		if err == nil {
			err = importKey(label, key, nil, pkcs11.NewAttribute(pkcs11.CKA_ID, hsm.NewVersionID(k.Version+1)))
		}
		if err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(20 * time.Second); ; <-time.After(10 * time.Millisecond) {
			now, err := token.Key(soon(t), key)
			if err != nil {
				t.Fatal(err)
			}
			if now.Version == k.Version+1 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s has version %d, want %d", key, now.Version, k.Version+1)
			}
		}
	}
	if k, err := token.Key(soon(t), "k4"); err != nil || k.Version != 1 {
		t.Errorf("a key that was not changed: %+v, %v", k, err)
	}
}
