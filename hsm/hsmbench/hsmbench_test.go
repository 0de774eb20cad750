package hsmbench

import (
	"testing"

	"hyok/hsm"
	"hyok/softhsm"
	"hyok/softhsm/softhsmtest"
)

func TestCLoopMeasuresAndLeavesTheModuleAsItWas(t *testing.T) {
	label := softhsmtest.Label(t)
	softhsmtest.TestDir(t, label)
	path, err := softhsm.Module()
	if err != nil {
		t.Fatal(err)
	}
	m, err := hsm.Load(hsm.ModuleConfig{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	token, err := m.Open(t.Context(), hsm.TokenConfig{Label: label, PIN: softhsmtest.PIN})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := token.CreateKey(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // with the module in use, and without
		if rate, err := CLoop(path, label, softhsmtest.PIN, "k", 50); err != nil || rate <= 0 {
			t.Errorf("got %v, %v", rate, err)
		}
		if _, err := CLoop(path, label, softhsmtest.PIN, "none", 1); err == nil {
			t.Error("it encrypted under a key that is not there")
		}
		if _, err := CLoop(path, "none", softhsmtest.PIN, "k", 1); err == nil {
			t.Error("it encrypted on a token that is not there")
		}
		if _, err := token.Encrypt(t.Context(), "k", nil, nil); err != nil && m != nil {
			t.Errorf("the token was disturbed: %v", err)
		}
		if m != nil {
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
			m = nil
		}
	}
}
