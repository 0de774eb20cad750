package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// redacted is what every printed form of a Secret shows.
const redacted = "[redacted]"

// A Secret is text that must not be seen: a PIN, a password, a secret access
// key. Printed, logged or marshalled in any way it gives "[redacted]"; only
// Reveal gives the text. The zero value is "no secret" and prints alike, so that
// output does not tell whether one is set.
//
// Limit: fmt does not call methods on unexported fields, so a struct that keeps
// a Secret in one must not itself be printed.
type Secret string

// Reveal gives the text itself, for the one place that needs it.
func (s Secret) Reveal() string { return string(s) }

// String gives "[redacted]".
func (s Secret) String() string { return redacted }

// GoString gives "[redacted]" for %#v.
func (s Secret) GoString() string { return redacted }

// Format writes "[redacted]" for every verb, %x and %q among them.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText gives "[redacted]", and never an error.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON gives the JSON string "[redacted]", and never an error.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalYAML gives "[redacted]", and never an error.
func (s Secret) MarshalYAML() (any, error) { return redacted, nil }

// LogValue gives "[redacted]" to slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// A SecretSource is a configuration value that says where a secret comes from:
//
//	pin: "1234"                # the secret itself, perhaps from ${VAR}
//	pin: {file: /run/pin}      # SecretFromFile
//	pin: {env: HSM_PIN}        # an environment variable, which must be set
//	pin: {command: [get, pin]} # SecretFromCommand
//
// It is read once, with the configuration; a command is run by Load, and refused
// by Parse. The zero value holds no secret.
type SecretSource struct{ Secret }

// secretForms is said where a secret is given in another way.
const secretForms = "the secret, {file: PATH}, {env: NAME} or {command: [PROGRAM, ARGUMENT…]}"

func (s *SecretSource) fromNode(d *document, n *yaml.Node, path string) error {
	if n.Kind == yaml.ScalarNode {
		s.Secret = Secret(n.Value)
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return d.wrongType(n, path, secretForms)
	}
	var from struct {
		File, Env string
		Command   []string
	}
	if err := d.decodeStruct(n, reflect.ValueOf(&from).Elem(), path); err != nil {
		return err
	}
	if len(n.Content) != 2 {
		return d.because(n, path, errors.New("give "+secretForms+": exactly one of them"))
	}
	var err error
	switch kind := n.Content[0].Value; {
	case kind == "file":
		d.sources.Add(from.File)
		s.Secret, err = SecretFromFile(from.File)
	case kind == "env":
		value, ok := d.getenv(from.Env)
		if s.Secret = Secret(value); !ok {
			err = fmt.Errorf("environment variable %s is not set; set it", from.Env)
		}
	case d.sources == nil: // text from anywhere must not start programs
		err = errors.New("a command is only run for a file that was loaded; give the secret in another way")
	default:
		s.Secret, err = SecretFromCommand(context.Background(), from.Command...)
	}
	return d.because(n, path, err)
}

// maxSecretFile is far above any PIN, password or access key, in bytes.
const maxSecretFile = 64 << 10

// SecretFromFile reads a secret of at most 64 KiB from a file that only its owner
// may use (mode 0600 or less), without one trailing line end. A pipe will do, so
// a shell's <(command) does. An empty file is an error; errors name the file and
// never show what is in it.
func SecretFromFile(path string) (Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("opening the secret file: %w; check its path and permissions", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("looking at the secret file: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return "", fmt.Errorf("secret file %s has mode %04o, others than its owner can use it; run: chmod 600 %s", path, mode, path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return "", fmt.Errorf("reading the secret file: %w", err)
	}
	if len(data) > maxSecretFile {
		return "", fmt.Errorf("secret file %s holds more than %d bytes; give the file with the secret alone", path, maxSecretFile)
	}
	text, cut := strings.CutSuffix(string(data), "\n")
	if cut {
		text = strings.TrimSuffix(text, "\r")
	}
	if text == "" {
		return "", fmt.Errorf("secret file %s is empty; write the secret into it", path)
	}
	return Secret(text), nil
}
