package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"hyok/internal/config"
)

const pin = "hunter2-1234"

// outputs prints v in every way that a program may come to print it.
func outputs(t *testing.T, v any) map[string]string {
	t.Helper()
	out := make(map[string]string)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T of %v", "%40s", "%.3s"} {
		args := []any{v}
		if strings.Count(verb, "%") == 2 {
			args = append(args, v)
		}
		out[verb] = fmt.Sprintf(verb, args...)
	}
	j, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	y, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out["json"], out["yaml"] = string(j), string(y)
	var text, logged bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("m", "a", v)
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("m", "a", v)
	out["slog text"], out["slog json"] = text.String(), logged.String()
	return out
}

func TestSecretIsNeverShown(t *testing.T) {
	s := config.Secret(pin)
	for _, v := range []any{
		s, &s, []config.Secret{s}, map[string]config.Secret{"a": s}, struct{ PIN config.Secret }{s},
		config.SecretSource{Secret: s}, struct{ PIN config.SecretSource }{config.SecretSource{Secret: s}},
	} {
		for how, got := range outputs(t, v) {
			if strings.Contains(got, pin) || strings.Contains(got, fmt.Sprintf("%x", pin)) || strings.Contains(got, pin[:3]) {
				t.Errorf("%s of %T shows it: %s", how, v, got)
			}
		}
	}
	if got := outputs(t, s)["json"]; got != `"[redacted]"` {
		t.Errorf("JSON is %s", got)
	}
	if s.Reveal() != pin {
		t.Errorf("Reveal gives %q", s.Reveal())
	}
}

func TestSecretSource(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	open := write("open", pin, 0o640)
	write("unix", pin+"\n", 0o600)
	write("dos", pin+"\r\n", 0o400)
	write("two", pin+"\n\n", 0o600)
	write("return", pin+"\r", 0o600)
	write("empty", "\n", 0o600)
	write("huge", strings.Repeat("x", 64<<10+1), 0o600)

	for _, tc := range []struct{ name, in, want, fault string }{
		{"the secret itself", "pin: " + pin, pin, ""},
		{"a number as text", "pin: 0012", "0012", ""},
		{"the secret from a variable", "pin: ${SECRET}", "hunter2", ""},
		{"a file without its line end", "pin: {file: DIR/unix}", pin, ""},
		{"a file with a line end of two", "pin: {file: DIR/dos}", pin, ""},
		{"no more than one line end", "pin: {file: DIR/two}", pin + "\n", ""},
		{"no return without a new line", "pin: {file: DIR/return}", pin + "\r", ""},
		{"the environment", "pin: {env: SECRET}", "hunter2", ""},
		{"a file that others can read", "pin: {file: DIR/open}", "", "s.yaml:1: pin: secret file " + open + " has mode 0640, others than its owner can use it; run: chmod 600 " + open},
		{"a file that is missing", "pin: {file: DIR/none}", "", "s.yaml:1: pin: opening the secret file: open " + dir + "/none: no such file or directory; check its path and permissions"},
		{"an empty file", "pin: {file: DIR/empty}", "", "s.yaml:1: pin: secret file " + dir + "/empty is empty; write the secret into it"},
		{"a file that is too large", "pin: {file: DIR/huge}", "", "s.yaml:1: pin: secret file " + dir + "/huge holds more than 65536 bytes; give the file with the secret alone"},
		{"an unset variable", "\npin: {env: NONE}", "", "s.yaml:2: pin: environment variable NONE is not set; set it"},
		{"two sources", "pin: {file: a, env: b}", "", "s.yaml:1: pin: give the secret, {file: PATH}, {env: NAME} or {command: [PROGRAM, ARGUMENT…]}: exactly one of them"},
		{"no source", "pin: {}", "", "s.yaml:1: pin: give the secret, {file: PATH}, {env: NAME} or {command: [PROGRAM, ARGUMENT…]}: exactly one of them"},
		{"a list", "pin: [" + pin + "]", "", "s.yaml:1: pin: want the secret, {file: PATH}, {env: NAME} or {command: [PROGRAM, ARGUMENT…]}, not a list"},
		{"an unknown source", "pin: {fil: a}", "", `s.yaml:1: unknown key "fil" in pin; did you mean "file"?`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var c struct{ PIN config.SecretSource }
			err := config.Parse("s.yaml", []byte(strings.ReplaceAll(tc.in, "DIR", dir)), env, &c)
			switch {
			case tc.fault == "" && err != nil:
				t.Fatal(err)
			case tc.fault != "" && (err == nil || err.Error() != tc.fault):
				t.Errorf("got  %v\nwant %s", err, tc.fault)
			case tc.fault == "" && c.PIN.Reveal() != tc.want:
				t.Errorf("read %q, want %q", c.PIN.Reveal(), tc.want)
			}
		})
	}
}
