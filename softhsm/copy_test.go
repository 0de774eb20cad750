package softhsm_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"hyok/hsm"
	"hyok/internal/config"
	"hyok/softhsm"
	"hyok/softhsm/softhsmtest"
)

func openToken(t *testing.T, label string) *hsm.Token {
	t.Helper()
	path, err := softhsm.Module()
	if err != nil {
		t.Fatal(err)
	}
	m, err := hsm.Load(hsm.ModuleConfig{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	token, err := m.Open(t.Context(), hsm.TokenConfig{Label: label, PIN: config.Secret(softhsmtest.PIN)})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestACopyHasTheKeysAndThePINOfItsTime(t *testing.T) {
	from, to := softhsmtest.Label(t), softhsmtest.Label(t)
	d := softhsmtest.TestDir(t, from)
	first := openToken(t, from)
	if _, err := first.CreateKey(t.Context(), "old"); err != nil {
		t.Fatal(err)
	}
	sealed, err := first.Encrypt(t.Context(), "old", []byte("plaintext"), nil)
	if err != nil {
		t.Fatal(err)
	}
	backup := filepath.Join(t.TempDir(), "backup")
	if err := d.Export(from, backup); err != nil {
		t.Fatal(err)
	}
	if _, err := first.CreateKey(t.Context(), "new"); err != nil {
		t.Fatal(err)
	}
	if err := first.SetPIN(t.Context(), softhsmtest.PIN, "another1"); err != nil {
		t.Fatal(err)
	}
	if err := d.Import(backup, to); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeToken(t, d, to) })
	second := openToken(t, to)
	if got, err := second.Decrypt(t.Context(), "old", sealed.IV, sealed.Ciphertext, sealed.Tag, nil); err != nil || string(got) != "plaintext" {
		t.Errorf("the copy decrypts to %q, %v", got, err)
	}
	if _, err := second.Key(t.Context(), "new"); !errors.Is(err, hsm.ErrKeyNotFound) {
		t.Errorf("the copy has a key that is younger: %v", err)
	}
	if err := second.DeleteKey(t.Context(), "old"); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Key(t.Context(), "old"); err != nil {
		t.Errorf("what happens to the copy happens to the first as well: %v", err)
	}
	if first.Info().Serial == second.Info().Serial {
		t.Error("both have one serial number")
	}
}

func TestExportAndImportRefuse(t *testing.T) {
	label := softhsmtest.Label(t)
	d := softhsmtest.TestDir(t, label)
	dir := t.TempDir()
	if err := d.Export("nobody", filepath.Join(dir, "a")); !errors.Is(err, softhsm.ErrNotFound) {
		t.Errorf("a token that is not there: %v", err)
	}
	if err := d.Export(label, filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	if err := d.Import(filepath.Join(dir, "b"), label); !errors.Is(err, softhsm.ErrExists) {
		t.Errorf("a label that is taken: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "b", "token.object"), []byte("no token"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Import(filepath.Join(dir, "b"), softhsmtest.Label(t)); err == nil {
		t.Error("a file that is no token is taken")
	}
	if left, err := filepath.Glob(filepath.Join(d.Path(), "incoming-*")); err != nil || len(left) > 0 {
		t.Errorf("%v is left behind, %v", left, err)
	}
}

func removeToken(t *testing.T, d *softhsm.Dir, label string) {
	path, err := d.TokenPath(label)
	if err == nil {
		err = d.RemoveToken(path)
	}
	if err != nil {
		t.Error(err)
	}
}
