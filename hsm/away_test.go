package hsm_test

import (
	"errors"
	"testing"
	"time"

	"hyok/hsm"
	"hyok/softhsm/softhsmtest"
)

// A token that is away is opened by its serial number alone, and works once it comes.
func TestATokenCanBeAwayWhenItIsOpened(t *testing.T) {
	r, before := newToken(t, hsm.TokenConfig{})
	serial := before.Info().Serial
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	bringBack := r.takeTokenAway(t)
	for _, c := range []hsm.TokenConfig{{Serial: serial}, {Label: r.label, MayBeAway: true}} {
		if _, err := r.module.Open(soon(t), c); !errors.Is(err, hsm.ErrNoToken) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	token, err := r.module.Open(soon(t), hsm.TokenConfig{Serial: serial, PIN: softhsmtest.PIN, MayBeAway: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := encrypts(t, token, "k")(); !errors.Is(err, hsm.ErrUnavailable) {
		t.Errorf("while it is away: %v", err)
	}
	if h := token.Health(soon(t)); h.OK || h.Serial != serial {
		t.Errorf("its health is %+v", h)
	}
	bringBack()
	within(t, 3*time.Second, nil, lostKeys[:len(lostKeys)-1], encrypts(t, token, "k"))
	if h := token.Health(soon(t)); !h.OK {
		t.Errorf("when it has come: %v", h.Err)
	}
}

func TestATokenThatNeverComesIsClosed(t *testing.T) {
	r := newRig(t, hsm.ModuleConfig{})
	token, err := r.module.Open(soon(t), hsm.TokenConfig{Serial: "none", PIN: softhsmtest.PIN, MayBeAway: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := token.Close(); err != nil {
		t.Error(err)
	}
	if err := encrypts(t, token, "k")(); !errors.Is(err, hsm.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
