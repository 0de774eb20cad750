package hsm_test

import (
	"cmp"
	"context"
	"testing"
	"time"

	"hyok/hsm"
	"hyok/internal/config"
	"hyok/softhsm"
	"hyok/softhsm/softhsmtest"
)

// A rig is a SoftHSM token of a test's own, with the module that serves it.
type rig struct {
	dir    *softhsm.Dir
	label  string
	path   string // of the PKCS#11 module
	module *hsm.Module
}

func newRig(t testing.TB, c hsm.ModuleConfig) *rig {
	t.Helper()
	r := &rig{label: softhsmtest.Label(t)}
	r.dir = softhsmtest.TestDir(t, r.label)
	var err error
	if r.path, err = softhsm.Module(); err != nil {
		t.Fatal(err)
	}
	c.Path = r.path
	if r.module, err = hsm.Load(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.module.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// open opens the rig's token; in c an empty PIN stands for the right one, and no
// profile for SoftHSM's.
func (r *rig) open(t testing.TB, c hsm.TokenConfig) *hsm.Token {
	t.Helper()
	c.Label = r.label
	if c.PIN == "" {
		c.PIN = softhsmtest.PIN
	}
	c.Profile = cmp.Or(c.Profile, "softhsm")
	token, err := r.module.Open(soon(t), c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// newToken gives an open token of the test's own with a key labelled "k".
func newToken(t testing.TB, c hsm.TokenConfig) (*rig, *hsm.Token) {
	t.Helper()
	r := newRig(t, hsm.ModuleConfig{})
	token := r.open(t, c)
	if _, err := token.CreateKey(soon(t), "k"); err != nil {
		t.Fatal(err)
	}
	return r, token
}

// soon is a context for what must not take long.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

const wrongPIN = config.Secret("not-it")
