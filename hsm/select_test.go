package hsm

import (
	"errors"
	"strings"
	"testing"
)

func TestTokensAreChosenWithoutGuessing(t *testing.T) {
	a := TokenInfo{Serial: "1", Label: "a"}
	b := TokenInfo{Serial: "2", Label: "b"}
	b2 := TokenInfo{Serial: "3", Label: "b"}
	for _, c := range []struct {
		name          string
		found         []TokenInfo
		serial, label string
		want          string // serial number
		err           error
		says          []string
	}{
		{"by serial number", []TokenInfo{a, b, b2}, "3", "", "3", nil, nil},
		{"by label", []TokenInfo{a, b, b2}, "", "a", "1", nil, nil},
		{"by both", []TokenInfo{a, b, b2}, "2", "b", "2", nil, nil},
		{"the only one", []TokenInfo{a}, "", "", "1", nil, nil},
		{"one label, two tokens", []TokenInfo{a, b, b2}, "", "b", "", ErrAmbiguous, []string{`"b" (serial number 2)`, `"b" (serial number 3)`}},
		{"neither named", []TokenInfo{a, b}, "", "", "", ErrAmbiguous, []string{`"a"`, `"b"`}},
		{"no such label", []TokenInfo{a, b}, "", "c", "", ErrNoToken, []string{`"c"`, `"a" (serial number 1)`, `"b" (serial number 2)`}},
		{"serial number of another", []TokenInfo{a, b}, "1", "b", "", ErrNoToken, []string{`"1"`}},
		{"no token at all", nil, "", "a", "", ErrNoToken, []string{"none"}},
	} {
		got, err := selectToken(c.found, c.serial, c.label)
		if got.Serial != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: got token %q, %v; want %q, %v", c.name, got.Serial, err, c.want, c.err)
		}
		for _, part := range c.says {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v does not say %s", c.name, err, part)
			}
		}
	}
}

func TestOpeningSaysWhatThereIs(t *testing.T) {
	token := openToken(t, TokenConfig{})
	_, err := token.module.Open(t.Context(), TokenConfig{Label: "no such token"})
	if !errors.Is(err, ErrNoToken) || !strings.Contains(err.Error(), token.info.Serial) {
		t.Errorf("got %v", err)
	}
	if _, err := token.Encrypt(t.Context(), "k", nil, nil); err != nil {
		t.Errorf("a search for another token broke this one: %v", err)
	}
	all, err := token.module.Tokens(t.Context())
	if err != nil || len(all) == 0 || all[0].Label == "" {
		t.Errorf("Tokens gives %v, %v", all, err)
	}
}

func TestFilesThatAreNoModules(t *testing.T) {
	for name, path := range map[string]string{"no path": "", "no file": "/nonexistent.so", "no library": "select_test.go"} {
		if m, err := Load(ModuleConfig{Path: path}); err == nil {
			m.Close()
			t.Errorf("%s was loaded", name)
		}
	}
}
