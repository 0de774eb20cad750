package softhsm

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	maxLabel = 32  // bytes of a token's label, CK_TOKEN_INFO
	minPIN   = 4   // characters, guide hsm.md §3 "PIN length"
	maxPIN   = 255 // characters
)

// utilTimeout is far above the 10 to 30 ms that softhsm2-util takes.
const utilTimeout = 30 * time.Second

// InitToken makes a token with this label (1 to 32 bytes), user PIN and
// security officer's PIN (4 to 255 bytes each). A label that is taken gives
// ErrExists: labels are not unique to SoftHSM, and two alike cannot be told apart.
// The PINs stand on softhsm2-util's command line while it runs.
func (d *Dir) InitToken(label, pin, soPIN string) error {
	if label == "" || len(label) > maxLabel || label != strings.TrimSpace(label) {
		return fmt.Errorf("making token %q: a label is 1 to %d bytes without space around it", label, maxLabel)
	}
	for _, p := range []string{pin, soPIN} {
		if len(p) < minPIN || len(p) > maxPIN {
			return fmt.Errorf("making token %q: a PIN has %d to %d characters", label, minPIN, maxPIN)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	tokens, err := d.list()
	if err != nil {
		return fmt.Errorf("making token %q: %w", label, err)
	}
	if _, taken := tokens[label]; taken {
		return fmt.Errorf("making token %q: %w", label, ErrExists)
	}
	if _, err := d.util("--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", soPIN); err != nil {
		return fmt.Errorf("making token %q: %w", label, err)
	}
	return nil
}

// RemoveToken removes a token's directory, as TokenPath gives it, and all in it.
func (d *Dir) RemoveToken(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return os.RemoveAll(path)
}

// TokenPath is the directory that holds the token of that label; whoever
// renames or removes it takes the token away. ErrNotFound if there is none.
func (d *Dir) TokenPath(label string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	tokens, err := d.list()
	if err != nil {
		return "", fmt.Errorf("finding token %q: %w", label, err)
	}
	serial, ok := tokens[label]
	if !ok {
		return "", fmt.Errorf("finding token %q in %s: %w", label, d.path, ErrNotFound)
	}
	entries, err := os.ReadDir(d.tokens())
	if err != nil {
		return "", fmt.Errorf("finding token %q: %w", label, err)
	}
	for _, e := range entries {
		// The directory's name is a UUID whose last 16 digits are the serial number.
		if strings.HasSuffix(strings.ReplaceAll(e.Name(), "-", ""), serial) {
			return filepath.Join(d.tokens(), e.Name()), nil
		}
	}
	return "", fmt.Errorf("finding token %q, serial number %s: %w", label, serial, ErrNotFound)
}

// list gives the serial number of each initialised token by label. Of two
// tokens with one label the later wins; InitToken makes no such pair.
func (d *Dir) list() (map[string]string, error) {
	out, err := d.util("--show-slots")
	if err != nil {
		return nil, err
	}
	return parseSlots(out), nil
}

// parseSlots reads what softhsm2-util --show-slots prints: per slot, among
// others, the lines "Serial number:", "Initialized:" and, last, "Label:".
func parseSlots(out []byte) map[string]string {
	tokens := make(map[string]string)
	var serial string
	var initialised bool
	for line := range bytes.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(string(line)), ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Serial number":
			serial, initialised = value, false
		case "Initialized":
			initialised = value == "yes"
		case "Label":
			if initialised && serial != "" {
				tokens[value] = serial
			}
			serial = ""
		}
	}
	return tokens
}

// utilTries is how often a look at the tokens is tried: a token that is written
// to at that moment, when its PIN changes for instance, cannot be read.
const utilTries = 5

const unreadable = "Could not get info about the token"

// util runs softhsm2-util on d and gives what it printed.
func (d *Dir) util(args ...string) (out []byte, err error) {
	for range utilTries {
		out, err = d.utilOnce(args...)
		if err == nil || !strings.Contains(err.Error(), unreadable) {
			break
		}
	}
	return out, err
}

func (d *Dir) utilOnce(args ...string) ([]byte, error) {
	module, err := Module()
	if err != nil {
		return nil, err
	}
	program, err := exec.LookPath("softhsm2-util")
	if err != nil {
		return nil, fmt.Errorf("finding softhsm2-util: %w; install SoftHSM (apt-get install softhsm2)", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), utilTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append([]string{"--module", module}, args...)...)
	cmd.Env = append(os.Environ(), confEnv+"="+d.Conf())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		said := strings.Join(strings.Fields(stderr.String()), " ")
		return nil, fmt.Errorf("running softhsm2-util %s: %w: %s", args[0], err, said)
	}
	return out, nil
}
