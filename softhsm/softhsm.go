// Package softhsm makes SoftHSM tokens out of nothing: in a directory of one's
// own, without root and without the system's configuration. `hyok up` and every
// test that needs a PKCS#11 device use it.
//
// A Dir holds a configuration file and the tokens. SoftHSM finds the file
// through the environment variable SOFTHSM2_CONF when C_Initialize runs, so a
// process works with one Dir at a time.
//
// A token can be copied as it is (Export) and made again of the copy (Import),
// as backups are.
//
// Limits: tokens are made by the program softhsm2-util, which takes PINs on its
// command line. Who can see that for the moment it runs gains nothing by it:
// the directory is closed to other users. It is a simulator all the same; a
// process that already has the module initialised sees a new token only after
// initialising it again.
package softhsm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// What InitToken, TokenPath and Use can end with, for errors.Is.
var (
	// ErrExists is returned by InitToken when a token of that label is there.
	ErrExists = errors.New("token exists")
	// ErrNotFound is returned by TokenPath when no token has that label.
	ErrNotFound = errors.New("no such token")
	// ErrInUse is returned by Use when the process already uses another Dir.
	ErrInUse = errors.New("another SoftHSM directory is in use")
)

// confEnv names the configuration file to SoftHSM (guide hsm.md §4).
const confEnv = "SOFTHSM2_CONF"

// A Dir is a directory of SoftHSM tokens. Its methods are safe for concurrent use.
type Dir struct {
	path string // absolute

	mu sync.Mutex // one softhsm2-util at a time
}

// New takes dir, or makes it with mode 0700: DIR/tokens and DIR/softhsm2.conf
// (guide hsm.md §4). Tokens already there stay. A configuration that names
// another token directory, as after moving dir, is written anew.
func New(dir string) (*Dir, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("finding the SoftHSM directory: %w", err)
	}
	d := &Dir{path: abs}
	if err := os.MkdirAll(d.tokens(), 0o700); err != nil {
		return nil, fmt.Errorf("making the SoftHSM directory: %w", err)
	}
	have, err := os.ReadFile(d.Conf())
	if err == nil && tokenDir(string(have)) == d.tokens() {
		return d, nil
	}
	if err := os.WriteFile(d.Conf(), []byte(d.conf()), 0o600); err != nil {
		return nil, fmt.Errorf("writing the SoftHSM configuration: %w", err)
	}
	return d, nil
}

// Path is the directory itself, absolute.
func (d *Dir) Path() string { return d.path }

// Conf is the absolute path of the configuration file, for SOFTHSM2_CONF.
func (d *Dir) Conf() string { return filepath.Join(d.path, "softhsm2.conf") }

func (d *Dir) tokens() string { return filepath.Join(d.path, "tokens") }

const tokenDirKey = "directories.tokendir"

func (d *Dir) conf() string {
	return tokenDirKey + " = " + d.tokens() + `
objectstore.backend = file
log.level = ERROR
slots.removable = false
`
}

// tokenDir is the token directory that a configuration names; "" if none.
func tokenDir(conf string) string {
	for line := range strings.Lines(conf) {
		if key, value, ok := strings.Cut(line, "="); ok && strings.TrimSpace(key) == tokenDirKey {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

var inUse struct {
	sync.Mutex
	conf string
}

// Use makes this process use d: it sets SOFTHSM2_CONF, for C code too, since a
// program with cgo shares its environment with C. It must come before the
// module is initialised. A second, different Dir is refused with ErrInUse.
func (d *Dir) Use() error {
	inUse.Lock()
	defer inUse.Unlock()
	if inUse.conf != "" && inUse.conf != d.Conf() {
		return fmt.Errorf("using %s: %w: %s; use one directory for all tokens of a process", d.Conf(), ErrInUse, inUse.conf)
	}
	if err := os.Setenv(confEnv, d.Conf()); err != nil {
		return fmt.Errorf("setting %s: %w", confEnv, err)
	}
	inUse.conf = d.Conf()
	return nil
}
