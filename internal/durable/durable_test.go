package durable_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"hyok/internal/durable"
)

func TestWriteFileReplacesContentAndMode(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	path := filepath.Join(t.TempDir(), "f")
	for _, tc := range []struct {
		data string
		mode os.FileMode
	}{{"first", 0o600}, {"second, longer", 0o644}, {"", 0o600}} {
		if err := durable.WriteFile(path, []byte(tc.data), tc.mode); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != tc.data {
			t.Errorf("holds %q (%v), want %q", got, err, tc.data)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode() != tc.mode {
			t.Errorf("has mode %v (%v), want %v", info.Mode(), err, tc.mode)
		}
	}
}

func TestWriteFileLeavesNothingBehindWhenItFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := os.Mkdir(path, 0o700); err != nil { // a folder cannot be renamed over
		t.Fatal(err)
	}
	if err := durable.WriteFile(path, []byte("x"), 0o600); err == nil {
		t.Error("a folder was replaced by a file")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || !entries[0].IsDir() {
		t.Errorf("the folder holds %v (%v), want the folder f alone", entries, err)
	}
}

func TestWriteFileNeedsTheFolder(t *testing.T) {
	if err := durable.WriteFile(filepath.Join(t.TempDir(), "none", "f"), nil, 0o600); err == nil {
		t.Error("a file in a missing folder was written")
	}
}
