package softhsm

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	pin   = "1234"
	soPIN = "12345678"
)

func newDir(t *testing.T, path string) *Dir {
	t.Helper()
	d, err := New(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestNewDirectoriesAreClosedToOthers(t *testing.T) {
	d := newDir(t, filepath.Join(t.TempDir(), "soft", "hsm"))
	for path, want := range map[string]os.FileMode{
		d.Path(): 0o700, filepath.Join(d.Path(), "tokens"): 0o700, d.Conf(): 0o600,
	} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
		if !filepath.IsAbs(path) {
			t.Errorf("%s is not absolute", path)
		}
	}
}

func TestExistingDirectoryIsTakenAsItIs(t *testing.T) {
	path := t.TempDir()
	d := newDir(t, path)
	if err := d.InitToken("one", pin, soPIN); err != nil {
		t.Fatal(err)
	}
	own := strings.Replace(d.conf(), "ERROR", "DEBUG", 1)
	if err := os.WriteFile(d.Conf(), []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	again := newDir(t, path)
	if got, err := os.ReadFile(again.Conf()); err != nil || string(got) != own {
		t.Errorf("the configuration was changed to %q, %v", got, err)
	}
	if err := again.InitToken("one", pin, soPIN); !errors.Is(err, ErrExists) {
		t.Errorf("its token is forgotten: %v", err)
	}
}

func TestMovedDirectoryKeepsItsTokens(t *testing.T) {
	before, after := filepath.Join(t.TempDir(), "before"), filepath.Join(t.TempDir(), "after")
	if err := newDir(t, before).InitToken("one", pin, soPIN); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(before, after); err != nil {
		t.Fatal(err)
	}
	path, err := newDir(t, after).TokenPath("one")
	if err != nil || !strings.HasPrefix(path, after) {
		t.Errorf("the token is at %q, %v", path, err)
	}
}

func TestEachTokenHasItsPath(t *testing.T) {
	d := newDir(t, t.TempDir())
	paths := make(map[string]bool)
	for _, label := range []string{"one", "two words", "--three"} {
		if err := d.InitToken(label, pin, soPIN); err != nil {
			t.Fatal(err)
		}
		path, err := d.TokenPath(label)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(path, "token.object")); err != nil || paths[path] {
			t.Errorf("token %q is said to be at %s: %v", label, path, err)
		}
		paths[path] = true
	}
	if _, err := d.TokenPath("none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a token that is not there: %v", err)
	}
}

func TestTokensThatCannotBeMade(t *testing.T) {
	d := newDir(t, t.TempDir())
	long := strings.Repeat("x", 256)
	for _, c := range []struct{ name, label, pin, soPIN string }{
		{"no label", "", pin, soPIN},
		{"a label of 33 bytes", long[:33], pin, soPIN},
		{"a label that ends in a space, which PKCS#11 drops", "one ", pin, soPIN},
		{"a short PIN", "one", "123", soPIN},
		{"a long PIN", "one", long, soPIN},
		{"a short security officer's PIN", "one", pin, "123"},
	} {
		err := d.InitToken(c.label, c.pin, c.soPIN)
		if err == nil {
			t.Errorf("%s: it was made", c.name)
		} else if strings.Contains(err.Error(), c.pin) {
			t.Errorf("%s: the error shows the PIN: %v", c.name, err)
		}
	}
	if _, err := d.TokenPath("one"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a token was made all the same: %v", err)
	}
}

func TestOneDirectoryToAProcess(t *testing.T) {
	t.Cleanup(func() { inUse.conf = "" })
	t.Setenv(confEnv, "")
	d, other := newDir(t, t.TempDir()), newDir(t, t.TempDir())
	for range 2 {
		if err := d.Use(); err != nil {
			t.Fatal(err)
		}
	}
	if err := other.Use(); !errors.Is(err, ErrInUse) {
		t.Errorf("a second directory: %v", err)
	}
	if got := os.Getenv(confEnv); got != d.Conf() {
		t.Errorf("%s is %q", confEnv, got)
	}
}

func TestModuleIsFoundByNameThenByPlace(t *testing.T) {
	dir := t.TempDir()
	module := filepath.Join(dir, "libsofthsm2.so")
	if err := os.WriteFile(module, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(dir, "none.so")
	for _, c := range []struct {
		name, named string
		places      []string
		want, says  string
	}{
		{"by name", module, nil, module, ""},
		{"by place", "", []string{none, dir + "/lib*.so"}, module, ""},
		{"name of nothing", none, []string{module}, "", moduleEnv},
		{"nowhere", "", []string{none}, "", "apt-get install softhsm2"},
	} {
		got, err := findModule(c.named, c.places)
		if got != c.want || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %q, %v", c.name, got, err)
		}
	}
	if _, err := Module(); err != nil {
		t.Errorf("SoftHSM is needed for the tests: %v", err)
	}
}

func FuzzParseSlots(f *testing.F) {
	f.Add([]byte("Slot 1\n Serial number:    7e84b616273e4f69\n Initialized:      yes\n Label:            a: b \n"))
	f.Add([]byte("Serial number: 1\nInitialized: no\nLabel: a\n"))
	f.Add([]byte("Label: a\nInitialized: yes\n"))
	f.Fuzz(func(t *testing.T, out []byte) {
		for label, serial := range parseSlots(out) {
			if serial == "" || strings.ContainsAny(label+serial, "\n") {
				t.Errorf("token %q has serial number %q", label, serial)
			}
		}
	})
}
