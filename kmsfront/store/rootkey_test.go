package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"hyok/kmsfront/store"
)

func TestRootKeyIsReadAsMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "root.key")
	made, err := store.CreateRootKey(path)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := store.LoadRootKey(path)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := made.For("p").Seal([]byte("secret"), []byte("context"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := loaded.For("p").Open(sealed, []byte("context")); err != nil || string(got) != "secret" {
		t.Errorf("got %q, %v", got, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestRootKeyIsNeverOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "root.key")
	var all sync.WaitGroup
	made := make([]error, 8)
	for i := range made {
		all.Go(func() { _, made[i] = store.CreateRootKey(path) })
	}
	all.Wait()
	var winners int
	for _, err := range made {
		if err == nil {
			winners++
		} else if !errors.Is(err, fs.ErrExist) {
			t.Error(err)
		}
	}
	if winners != 1 {
		t.Errorf("%d made it", winners)
	}
}

func TestBadRootKeyFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "root.key")
	if _, err := store.CreateRootKey(path); err != nil {
		t.Fatal(err)
	}
	good := readFile(t, path)
	for _, c := range []struct {
		name, want string
		data       []byte
		mode       fs.FileMode
	}{
		{"readable by the group", "chmod 600", good, 0o640},
		{"readable by all", "chmod 600", good, 0o604},
		{"empty", "not a root key file", nil, 0o600},
		{"something else", "not a root key file", []byte("hello\n"), 0o600},
		{"cut off", "damaged", good[:len(good)-3], 0o600},
		{"longer", "damaged", append(bytes.Clone(good), 'A'), 0o600},
		{"another byte", "damaged", append(append(bytes.Clone(good[:20]), '!'), good[21:]...), 0o600},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "root.key")
			if err := errors.Join(os.WriteFile(path, c.data, 0o600), os.Chmod(path, c.mode)); err != nil {
				t.Fatal(err)
			}
			_, err := store.LoadRootKey(path)
			wantLine(t, err, store.ErrRootKey, path, c.want)
		})
	}
}

func TestOpenRootKey(t *testing.T) {
	dir := t.TempDir()
	key, file := filepath.Join(dir, "root.key"), filepath.Join(dir, "store")
	root, err := store.OpenRootKey(key, file)
	if err != nil {
		t.Fatalf("neither there: %v", err)
	}
	s := openBolt(t, file, root)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := store.OpenRootKey(key, file)
	if err != nil {
		t.Fatalf("both there: %v", err)
	}
	openBolt(t, file, again)
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	_, err = store.OpenRootKey(key, file)
	wantLine(t, err, store.ErrRootKey, key, file, "restore the key")
	if _, err := os.Stat(key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a store without its key: a new key was made (%v)", err)
	}
}

func TestSealIsBoundToPurposeContextAndBytes(t *testing.T) {
	root, other := newRoot(t), newRoot(t)
	context := []byte("context")
	sealed, err := root.Seal([]byte("secret"), context)
	if err != nil {
		t.Fatal(err)
	}
	if len(sealed) != len("secret")+store.SealOverhead {
		t.Errorf("%d bytes", len(sealed))
	}
	if again, _ := root.Seal([]byte("secret"), context); bytes.Equal(again, sealed) {
		t.Error("sealed twice, it is the same")
	}
	for name, s := range map[string]store.Sealer{"another key": other, "another purpose": root.For("general2")} {
		if _, err := s.Open(sealed, context); !errors.Is(err, store.ErrSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := root.Open(sealed, []byte("context2")); !errors.Is(err, store.ErrSealed) {
		t.Errorf("another context: %v", err)
	}
	for i := range sealed {
		if _, err := root.Open(sealed[:i], context); !errors.Is(err, store.ErrSealed) {
			t.Errorf("the first %d bytes: %v", i, err)
		}
		sealed[i] ^= 1
		if _, err := root.Open(sealed, context); !errors.Is(err, store.ErrSealed) {
			t.Errorf("byte %d altered: %v", i, err)
		}
		sealed[i] ^= 1
	}
	if got, err := root.Open(sealed, context); err != nil || string(got) != "secret" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestRootKeyDoesNotPrint(t *testing.T) {
	root := newRoot(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if got := fmt.Sprintf(verb, root); got != "[root key]" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}

// wantLine asks for an error of one line that says these things.
func wantLine(t *testing.T, err, kind error, says ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("got %v, want %v", err, kind)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("it does not say %q: %v", s, err)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %v", err)
	}
}
