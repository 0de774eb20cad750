package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hyok/internal/config"
)

type storeConfig struct {
	Path     string        `yaml:"path"`
	Secret   config.Secret `yaml:"secret"`
	Deadline time.Duration `yaml:"deadline"`
}

type serverConfig struct {
	Listen   string                 `yaml:"listen"`
	Port     uint16                 `yaml:"port"`
	Offset   int8                   `yaml:"offset"`
	Rate     float64                `yaml:"rate"`
	Verbose  bool                   `yaml:"verbose"`
	Timeout  config.Duration        `yaml:"timeout"`
	TLS      *struct{ Cert string } `yaml:"tls"`
	Stores   []storeConfig          `yaml:"stores"`
	Resolve  map[string]string      `yaml:"resolve"`
	Anything any                    `yaml:"anything"`
	Hidden   string                 `yaml:"-"`
	Common   `yaml:",inline"`
}

type Common struct {
	Region string `yaml:"region"`
}

func env(name string) (string, bool) {
	v, ok := map[string]string{"HOST": "example.com", "PORT": "8443", "EMPTY": "", "SECRET": "hunter2", "YES": "true"}[name]
	return v, ok
}

func TestParseReads(t *testing.T) {
	defaults := serverConfig{Listen: "default:1", Timeout: config.Duration(time.Second), Stores: []storeConfig{{Path: "/old"}}}
	with := func(change func(*serverConfig)) serverConfig {
		c := defaults
		change(&c)
		return c
	}
	for _, tc := range []struct {
		name, in string
		want     serverConfig
	}{
		{"an empty file as the defaults", "", defaults},
		{"comments alone as the defaults", "# nothing\n", defaults},
		{"null as the default", "listen: ~\nstores:\n", defaults},
		{"text", "listen: a:1", with(func(c *serverConfig) { c.Listen = "a:1" })},
		{"a number as text where text is wanted", "listen: 0111122223333", with(func(c *serverConfig) { c.Listen = "0111122223333" })},
		{"numbers and booleans", "port: 65535\noffset: -128\nrate: 1.5\nverbose: true",
			with(func(c *serverConfig) { c.Port, c.Offset, c.Rate, c.Verbose = 65535, -128, 1.5, true })},
		{"durations of both types", "timeout: 250ms\nstores: [{deadline: 1h30m}]",
			with(func(c *serverConfig) {
				c.Timeout, c.Stores = config.Duration(250*time.Millisecond), []storeConfig{{Deadline: 90 * time.Minute}}
			})},
		{"a map where a pointer waits", "tls: {cert: c.pem}", with(func(c *serverConfig) { c.TLS = &struct{ Cert string }{"c.pem"} })},
		{"an inline field", "region: eu-west-1", with(func(c *serverConfig) { c.Region = "eu-west-1" })},
		{"a list in place of the default", "stores: []", with(func(c *serverConfig) { c.Stores = []storeConfig{} })},
		{"JSON", `{"listen": "a\/b", "stores": [{"path": "/p"}], "anything": {"a": [1, 2.5, true, null, "x"]}}`,
			with(func(c *serverConfig) {
				c.Listen, c.Stores = "a/b", []storeConfig{{Path: "/p"}}
				c.Anything = map[string]any{"a": []any{1, 2.5, true, nil, "x"}}
			})},
		{"JSON with tabs and escapes of its own", "{\n\t\"listen\": \"\\ud83d\\ude00\\\\/\\u00e9\",\n\t\"stores\": [\n\t\t{\"path\": \"a\\tb\"}\n\t]\n}\n",
			with(func(c *serverConfig) { c.Listen, c.Stores = "\U0001F600\\/é", []storeConfig{{Path: "a\tb"}} })},
		{"a variable alone and inside text", "listen: ${HOST}\nresolve: {a: \"https://${HOST}:${PORT}/\"}",
			with(func(c *serverConfig) {
				c.Listen, c.Resolve = "example.com", map[string]string{"a": "https://example.com:8443/"}
			})},
		{"a variable in a key", "resolve: {\"${HOST}\": b}", with(func(c *serverConfig) { c.Resolve = map[string]string{"example.com": "b"} })},
		{"numbers and booleans from variables, quoted or not", "port: \"${PORT}\"\nverbose: ${YES}",
			with(func(c *serverConfig) { c.Port, c.Verbose = 8443, true })},
		{"an empty variable as empty text", "listen: ${EMPTY}", with(func(c *serverConfig) { c.Listen = "" })},
		{"a variable as text where anything goes", "anything: ${PORT}", with(func(c *serverConfig) { c.Anything = "8443" })},
		{"escaped variables as they are", "listen: $${HOST} $$${HOST} $HOST $", with(func(c *serverConfig) { c.Listen = "${HOST} $${HOST} $HOST $" })},
		{"policy variables as they are", "listen: '${aws:username} ${kms:ViaService} ${*} ${$} ${aws:PrincipalTag/team, ''none''}'",
			with(func(c *serverConfig) {
				c.Listen = "${aws:username} ${kms:ViaService} ${*} ${$} ${aws:PrincipalTag/team, 'none'}"
			})},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := defaults
			if err := config.Parse("c.yaml", []byte(tc.in), env, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"an unknown key, with the nearest one", "port: 1\nlisten_adr: x", `c.yaml:2: unknown key "listen_adr"; the keys known here are anything, listen, offset, port, rate, region, resolve, stores, timeout, tls, verbose`},
		{"a key with two letters swapped", "prot: 1", `c.yaml:1: unknown key "prot"; did you mean "port"?`},
		{"a misspelt key", "port: 1\nlitsen: x", `c.yaml:2: unknown key "litsen"; did you mean "listen"?`},
		{"a misspelt key further in", "stores:\n- path: /a\n- pth: /b", `c.yaml:3: unknown key "pth" in stores.1; did you mean "path"?`},
		{"a field that files may not set", "hidden: x", `c.yaml:1: unknown key "hidden"; the keys known here are anything, listen, offset, port, rate, region, resolve, stores, timeout, tls, verbose`},
		{"a key given twice", "port: 1\nlisten: a\nport: 2", `c.yaml:3: key "port" is given twice, first on line 1; keep one of them`},
		{"a key given twice in a free map", "anything:\n  a: 1\n  a: 2", `c.yaml:3: key "a" is given twice, first on line 2; keep one of them`},
		{"a second document", "port: 1\n---\nport: 2", `c.yaml:2: a second document begins here; keep one document in the file`},
		{"bytes after a JSON document", "{\"port\": 1}\n}", `c.yaml:1: not valid YAML, here or just below: did not find expected <document start>;`},
		{"bad indentation", "stores:\n  - path: a\n bad", `c.yaml:2: not valid YAML, here or just below: did not find expected key;`},
		{"text for a number", "port: hunter2", `c.yaml:1: port: want a whole number from 0 to 65535, not this text`},
		{"a quoted number", "port: \"80\"", `c.yaml:1: port: want a whole number from 0 to 65535 without quotes, not this text`},
		{"a number that is too great", "port: 65536", `c.yaml:1: port: want a whole number from 0 to 65535, not this number`},
		{"a number that is too small", "offset: -129", `c.yaml:1: offset: want a whole number of at most 8 bits, not this number`},
		{"a fraction for a whole number", "port: 1.5", `c.yaml:1: port: want a whole number from 0 to 65535, not this number`},
		{"infinity for a number", "rate: .inf", `c.yaml:1: rate: want a number, not this number`},
		{"yes for true", "verbose: yes", `c.yaml:1: verbose: want true or false, not this text`},
		{"a list for text", "listen: [a]", `c.yaml:1: listen: want text, not a list`},
		{"a map for a list", "stores: {path: a}", `c.yaml:1: stores: want a list, not a map`},
		{"text for a map", "tls: hunter2", `c.yaml:1: tls: want a map of keys and values, not this text`},
		{"a list for the whole", "- a", `c.yaml:1: want a map of keys and values, not a list`},
		{"a duration without unit", "timeout: 250", `c.yaml:1: timeout: want a duration with its unit, such as 250ms, 30s or 1h30m`},
		{"a list for a duration", "timeout: [1s]", `c.yaml:1: timeout: want text, not a list`},
		{"an unset variable", "port: 1\nlisten: a ${NONE} b", `c.yaml:2: environment variable NONE is not set; set it, or write $${NONE} for the text itself`},
		{"an unset variable far inside a text", "listen: |\n  a\n  ${HOST}\n  ${NONE}\n", `c.yaml:4: environment variable NONE is not set; set it, or write $${NONE} for the text itself`},
		{"a variable without end", "listen: ${HOST", `c.yaml:1: ${ has no closing brace; write ${NAME} for a variable, or $${ for a plain ${`},
		{"a variable with a default", "listen: ${HOST:-x}", "c.yaml:1: ${…} does not hold the name of a variable; write ${NAME} with letters, digits and _ only, or $${ for a plain ${"},
		{"a key twice once variables are in", "resolve: {\"${HOST}\": a, example.com: b}", `c.yaml:1: key "example.com" is given twice, first on line 1; keep one of them`},
		{"an alias", "anything: {a: &x hunter2, b: *x}", `c.yaml:1: anchors (&name) are not supported; leave the anchor out, or put the value in quotes if it is text`},
		{"a secret that looks like an alias", "listen: a\nregion: *hunter2", `a value that begins with * is an alias in YAML; put the value in quotes`},
		{"a secret that looks like a tag", "region: !hunter2", `c.yaml:1: tags (!name) are not supported; leave the tag out, or put the value in quotes if it is text`},
		{"a merge key", "anything:\n  <<: {a: 1}", `c.yaml:2: merge keys (<<) are not supported; write the keys out`},
		{"a list as a key", "anything:\n  [a]: 1", `c.yaml:2: a list or map cannot be a key; write the key as text`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var c serverConfig
			err := config.Parse("c.yaml", []byte(tc.in), env, &c)
			if err == nil {
				t.Fatalf("accepted; want %s", tc.want)
			}
			got := err.Error()
			if !strings.HasPrefix(got, tc.want) && !strings.HasSuffix(got, tc.want) {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if strings.Contains(got, "hunter2") || strings.Contains(got, "\n") {
				t.Errorf("shows a value or more than one line: %q", got)
			}
			if e, ok := errors.AsType[*config.Error](err); !ok || e.File != "c.yaml" || e.Line == 0 {
				t.Errorf("is not an *Error with file and line: %#v", err)
			}
		})
	}
}

type checked struct {
	Listen string                 `yaml:"listen"`
	Stores []storeConfig          `yaml:"stores"`
	Tokens map[string]storeConfig `yaml:"tokens"`
	err    error
}

func (c *checked) Validate() error { return c.err }

func TestValidateErrorsHaveTheLineOfTheKey(t *testing.T) {
	const in = "\nlisten: a\nstores:\n- path: /a\n- path: /b\n  secret: x\ntokens:\n  a.b:\n    path: /c\n  a: {path: /d}\n"
	field := func(path string) error { return config.FieldError{Field: path, Msg: "is wrong; mend it"} }
	for _, tc := range []struct {
		name string
		err  error
		want string
	}{
		{"of a key", field("listen"), "c.yaml:2: listen: is wrong; mend it"},
		{"of a key in a list", field("stores.1.secret"), "c.yaml:6: stores.1.secret: is wrong; mend it"},
		{"of a list element", field("stores.0"), "c.yaml:4: stores.0: is wrong; mend it"},
		{"of a key with a dot", field("tokens.a.b.path"), "c.yaml:9: tokens.a.b.path: is wrong; mend it"},
		{"of the nearest key around", field("stores.1.deadline"), "c.yaml:5: stores.1.deadline: is wrong; mend it"},
		{"of the file for a key that is missing", field("other"), "c.yaml:2: other: is wrong; mend it"},
		{"of a wrapped error", errors.Join(errors.New("first"), field("listen")), "c.yaml:2: listen: is wrong; mend it"},
		{"of a part that validates itself", config.At("stores", config.At("1", field("path"))), "c.yaml:5: stores.1.path: is wrong; mend it"},
		{"of a part with an error of another kind", config.At("stores.0", errors.New("is odd")), "c.yaml:4: stores.0: is odd"},
		{"of the whole, on one line", errors.New("wrong\nall over"), "c.yaml:2: wrong; all over"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := config.Parse("c.yaml", []byte(in), nil, &checked{err: tc.err})
			if err == nil || err.Error() != tc.want {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
		})
	}
	if config.At("a", nil) != nil {
		t.Error("At made an error of nil")
	}
}

func TestLoadReadsFileAndEnvironment(t *testing.T) {
	t.Setenv("CONFIG_TEST_HOST", "example.org")
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte("listen: ${CONFIG_TEST_HOST}:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var c serverConfig
	if err := config.Load(path, &c); err != nil {
		t.Fatal(err)
	}
	if c.Listen != "example.org:1" {
		t.Errorf("listen is %q", c.Listen)
	}
	err := config.Load(path+".none", &c)
	want := path + ".none: cannot read this file: no such file or directory; check its path and permissions"
	if err == nil || err.Error() != want || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
