package hsm

import (
	"context"
	"errors"
	"testing"
	"time"

	"hyok/internal/fault"
	"hyok/softhsm"
	"hyok/softhsm/softhsmtest"
)

// openToken gives an open token with a key labelled "k".
func openToken(t *testing.T, c TokenConfig) *Token {
	t.Helper()
	c.Label, c.PIN = softhsmtest.Label(t), softhsmtest.PIN
	softhsmtest.TestDir(t, c.Label)
	path, err := softhsm.Module()
	if err != nil {
		t.Fatal(err)
	}
	m, err := Load(ModuleConfig{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	token, err := m.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := token.CreateKey(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	return token
}

// TestEveryReturnCodeEndsAsItsClassSays has the device give each code for good,
// and then be well again.
func TestEveryReturnCodeEndsAsItsClassSays(t *testing.T) {
	faults := fault.New(nil)
	token := openToken(t, TokenConfig{Faults: faults})
	encrypt := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := token.Encrypt(ctx, "k", []byte("text"), nil)
		return err
	}
	for _, row := range codeRows {
		if _, err := faults.Add(fault.Rule{At: fault.HSM, Op: "Encrypt", Error: row.name}); err != nil {
			t.Fatal(err)
		}
		want := sentinels[row.class]
		for range 3 {
			if err := encrypt(); !errors.Is(err, want) {
				t.Errorf("%s: got %v, want %v", row.name, err, want)
			}
		}
		faults.Clear()
		if err := encrypt(); err != nil {
			t.Errorf("after %s: %v", row.name, err)
		}
	}
}

// TestPassingFailuresAreNotSeenByCallers has the device give a code once.
func TestPassingFailuresAreNotSeenByCallers(t *testing.T) {
	faults := fault.New(nil)
	token := openToken(t, TokenConfig{Faults: faults})
	remedied := map[class]bool{classDevice: true, classSession: true, classHandle: true, classLogin: true}
	for _, row := range codeRows {
		if !remedied[row.class] {
			continue
		}
		for _, use := range []struct {
			op string
			do func() error
		}{
			{"Encrypt", func() error { _, err := token.Encrypt(t.Context(), "k", nil, nil); return err }},
			{"CreateKey", func() error { _, err := token.CreateKey(t.Context(), row.name); return err }},
			{"DeleteKey", func() error { return token.DeleteKey(t.Context(), row.name) }},
			{"GetKeyMetadata", func() error { _, err := token.Key(t.Context(), "k"); return err }},
			{"GetHealthStatus", func() error { return token.Health(t.Context()).Err }},
		} {
			if _, err := faults.Add(fault.Rule{At: fault.HSM, Error: row.name, Count: 1}); err != nil {
				t.Fatal(err)
			}
			if err := use.do(); err != nil {
				t.Errorf("%s once in %s: %v", row.name, use.op, err)
			}
			if left := faults.List(); len(left) != 0 {
				t.Errorf("%s was not given in %s", row.name, use.op)
				faults.Clear()
			}
		}
	}
}

// TestPINsAreNotTriedTwice has the device fail while it is asked about a PIN.
func TestPINsAreNotTriedTwice(t *testing.T) {
	faults := fault.New(nil)
	token := openToken(t, TokenConfig{Faults: faults})
	if _, err := faults.Add(fault.Rule{At: fault.HSM, Error: "CKR_DEVICE_ERROR", Count: 1}); err != nil {
		t.Fatal(err)
	}
	if err := token.SetPIN(t.Context(), softhsmtest.PIN, "4321"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("setting the PIN gives %v", err)
	}
	if err := token.SetPIN(t.Context(), softhsmtest.PIN, "4321"); err != nil {
		t.Errorf("setting it again, when asked to: %v", err)
	}
}
