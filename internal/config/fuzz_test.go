package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"hyok/internal/config"
)

// FuzzParse: no input breaks the reader, every error is one line that begins with
// file and line, and what was read reads the same once written as JSON.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "a: 1\n", "{\"a\": [1, 2.5, true, null]}", "a: ${HOST}-$${x}", "a: &x 1\nb: *x", "- !t a", "a: |\n  ${NONE}\n",
		"a:\n\t- b", "? [a]\n: b", "<<: {a: 1}", "a: 1\n---\nb: 2", "{\"a\": \"\\ud83d\\ude00\\/\"}", "listen: a\nstores: [{path: b}]",
		"timeout: 1s\nport: 0x10\nrate: .nan", "\xff\xfea\x00", "a: \"\\u2028\"", "a: 2001-01-01", "-.0",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var c serverConfig
		oneLine(t, config.Parse("f.yaml", data, env, &c))

		var x any
		if err := config.Parse("f.yaml", data, env, &x); err != nil {
			oneLine(t, err)
			return
		}
		j, err := json.Marshal(x)
		if err != nil {
			return // .inf and .nan have no JSON
		}
		var again any
		escaped := escape(j)
		if err := config.Parse("f.json", []byte(escaped), nil, &again); err != nil {
			if len(j) > 1000 {
				return // YAML takes keys of at most 1,024 characters
			}
			t.Fatalf("its JSON %q is refused: %v", escaped, err)
		}
		k, err := json.Marshal(again)
		if err != nil || !sameJSON(t, j, k) {
			t.Fatalf("read %s, then %s (%v)", j, k, err)
		}
	})
}

// sameJSON compares two texts, with -0 like 0: YAML has it as a float alone.
func sameJSON(t *testing.T, a, b []byte) bool {
	tree := func(text []byte) (v any) {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	zero := func(n json.Number) json.Number {
		if n == "-0" {
			return "0"
		}
		return n
	}
	return cmp.Equal(tree(a), tree(b), cmp.Comparer(func(a, b json.Number) bool { return zero(a) == zero(b) }))
}

// escape gives JSON without variables and in ASCII, as YAML takes no control
// characters, which JSON has no need to escape.
func escape(j []byte) string {
	var out strings.Builder
	for _, unit := range utf16.Encode([]rune(strings.ReplaceAll(string(j), "${", "$${"))) {
		if unit < 0x7f {
			out.WriteByte(byte(unit))
		} else {
			fmt.Fprintf(&out, "\\u%04x", unit)
		}
	}
	return out.String()
}

func oneLine(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if msg := err.Error(); !strings.HasPrefix(msg, "f.yaml:") || strings.ContainsAny(msg, "\r\n") || msg[len("f.yaml:")] < '1' || msg[len("f.yaml:")] > '9' {
		t.Fatalf("not one line with file and line: %q", msg)
	}
}

func TestAnyTextSurvivesEscaping(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOf(rapid.OneOf(rapid.String(), rapid.StringMatching(`[${}$A-Z:]{0,12}`))).Draw(t, "texts")
		j, err := json.Marshal(map[string]any{"texts": want})
		if err != nil {
			t.Fatal(err)
		}
		var got struct{ Texts []string }
		if err := config.Parse("r.json", []byte(escape(j)), nil, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(append([]string{}, want...), got.Texts); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
	})
}
