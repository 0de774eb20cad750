package proxy_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hyok/hsm"
	"hyok/internal/config"
	"hyok/proxy"
	"hyok/softhsm"
	"hyok/softhsm/softhsmtest"
)

// tokensFile is a file with two tokens, a group of them, and a store on device.
func tokensFile(t *testing.T, device string) *proxy.File {
	t.Helper()
	module, err := softhsm.Module()
	if err != nil {
		t.Fatal(err)
	}
	f := &proxy.File{
		Modules: []proxy.FileModule{{Name: "m", Path: module}},
		Groups:  []proxy.FileGroup{{Name: "pair", Tokens: []string{"b", "a"}}},
		Stores: []proxy.FileStore{{Token: device, AllKeys: true, Credentials: []proxy.FileCredential{{
			AccessKeyID: short.AccessKeyID, Secret: config.SecretSource{Secret: config.Secret(short.Secret)},
		}}}},
	}
	for _, name := range []string{"a", "b"} {
		label := softhsmtest.Label(t)
		softhsmtest.TestDir(t, label)
		f.Tokens = append(f.Tokens, proxy.FileToken{Name: name, Label: label, PIN: config.SecretSource{Secret: softhsmtest.PIN}})
	}
	return f
}

func TestAStoresTokensAreThoseOfItsGroup(t *testing.T) {
	for _, row := range []struct {
		device string
		want   []string
	}{{"pair", []string{"b", "a"}}, {"a", []string{"a"}}} {
		f := tokensFile(t, row.device)
		if got := f.TokensOf(f.Stores[0]); !slices.Equal(got, row.want) {
			t.Errorf("%s: %v", row.device, got)
		}
		s, err := proxy.Open(soon(t), f, proxy.Parts{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Reload(tokensFile(t, "other")); err == nil {
			t.Error("a token that is not there was taken")
		}
		if err := s.Reload(f); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	one := &proxy.File{Tokens: []proxy.FileToken{{Name: "only"}}}
	if got := one.TokensOf(proxy.FileStore{}); !slices.Equal(got, []string{"only"}) {
		t.Errorf("the only token: %v", got)
	}
}

// Two names for one token are no group.
func TestAGroupOfOneTokenTwiceIsNotOpened(t *testing.T) {
	f := tokensFile(t, "pair")
	f.Tokens[1].Label = f.Tokens[0].Label
	if s, err := proxy.Open(soon(t), f, proxy.Parts{}); !errors.Is(err, hsm.ErrBadInput) || !strings.Contains(err.Error(), `group "pair"`) {
		t.Errorf("got %v, %v", s, err)
	}
}

// A proxy starts while a member with a serial number is away, and does not start
// without any.
func TestAProxyStartsWithoutAMember(t *testing.T) {
	f := tokensFile(t, "pair")
	dir := softhsmtest.TestDir(t)
	module, err := hsm.Load(hsm.ModuleConfig{Path: f.Modules[0].Path})
	if err != nil {
		t.Fatal(err)
	}
	defer module.Close()
	found, err := module.Tokens(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	var bringBack []func()
	for i := range f.Tokens {
		token := &f.Tokens[i]
		for _, info := range found {
			if info.Label == token.Label {
				token.Serial = info.Serial
			}
		}
		bringBack = append(bringBack, (&rig{dir: dir, label: token.Label}).takeAway(t))
	}
	if s, err := proxy.Open(soon(t), f, proxy.Parts{}); !errors.Is(err, hsm.ErrUnavailable) {
		t.Errorf("without any member: %v, %v", s, err)
	}
	bringBack[0]()
	f.Tokens[1].Serial = ""
	for end := time.Now().Add(5 * time.Second); ; <-time.After(10 * time.Millisecond) { // the module may still be emptying
		s, err := proxy.Open(soon(t), f, proxy.Parts{})
		if errors.Is(err, hsm.ErrNoToken) {
			break
		}
		if s != nil || time.Now().After(end) {
			t.Fatalf("without a member that has only a label: %v, %v", s, err)
		}
	}
	f.Tokens[1].Serial = strings.Repeat("9", 16) // of no token at all
	s, err := proxy.Open(soon(t), f, proxy.Parts{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	bringBack[1]()
}

func TestANewGroupNeedsARestart(t *testing.T) {
	for name, value := range map[string]string{"XKSPROXY_PIN": "1234", "XKSPROXY_SECRET": strings.Repeat("s", 43),
		"XKSPROXY_CLUSTER_SECRET": strings.Repeat("s", 43), "XKSPROXY_AUDIT_KEY": strings.Repeat("s", 43)} {
		t.Setenv(name, value)
	}
	path := filepath.Join(t.TempDir(), "x.yaml")
	load := func(old, new string, running *proxy.File) (*proxy.File, error) {
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(readReference(t), old, new)), 0o600); err != nil {
			t.Fatal(err)
		}
		f, _, err := proxy.LoadChanged(path, running)
		return f, err
	}
	running, err := load("", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	next, err := load("tokens: [main, second]", "tokens: [main]", running)
	if err != nil {
		t.Fatal(err)
	}
	if keys := running.NeedsRestart(next); !slices.Equal(keys, []string{"groups.pair"}) {
		t.Errorf("a changed group: %v", keys)
	}
	if _, err = load("pair", "trio", running); err == nil || !strings.Contains(err.Error(), `the group "trio" is new`) {
		t.Errorf("a store on a new group: %v", err)
	}
	if _, err = load("token: pair", "token: second", running); err != nil {
		t.Errorf("a store that moves to a token of the group: %v", err)
	}
}
