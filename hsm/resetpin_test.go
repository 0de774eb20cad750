package hsm_test

import (
	"errors"
	"testing"

	"hyok/hsm"
	"hyok/softhsm/softhsmtest"
)

func TestResetPINNeedsNoOldPINAndKeepsTheKeys(t *testing.T) {
	r := newRig(t, hsm.ModuleConfig{})
	token := r.open(t, hsm.TokenConfig{})
	if _, err := token.CreateKey(soon(t), "k"); err != nil {
		t.Fatal(err)
	}
	const next = "nextPIN1"
	if err := token.ResetPIN(soon(t), softhsmtest.SOPIN, next); !errors.Is(err, hsm.ErrBadInput) {
		t.Errorf("while the user is logged in: %v", err)
	}
	if err := token.Logout(soon(t)); err != nil {
		t.Fatal(err)
	}
	if err := token.ResetPIN(soon(t), wrongPIN, next); !errors.Is(err, hsm.ErrPIN) {
		t.Errorf("with a wrong PIN of the security officer's: %v", err)
	}
	if err := token.ResetPIN(soon(t), softhsmtest.SOPIN, next); err != nil {
		t.Fatal(err)
	}
	if err := token.Login(soon(t), softhsmtest.PIN); !errors.Is(err, hsm.ErrPIN) {
		t.Errorf("the old PIN: %v", err)
	}
	if err := token.Login(soon(t), next); err != nil {
		t.Fatal(err)
	}
	if _, err := token.Key(soon(t), "k"); err != nil {
		t.Errorf("the key, after the PIN was reset: %v", err)
	}
}
