// Package hsm uses AES-256 keys on PKCS#11 devices, and keeps on using them
// when the device fails and returns.
//
// A Module is a hold on a PKCS#11 library, which a process initialises once. A
// Token has a guard session that holds the login, and a few workers with a
// session each. A call into a device cannot be cancelled, so callers hand their
// work to a worker and wait no longer than their context allows; a worker whose
// caller has gone is counted lost and replaced, up to a limit. Key handles are
// cached by label.
//
// Each return code has a class (codes.go), and a class a remedy: a new session,
// a new login, another search for the key, or the module finalised and
// initialised again, which is what SoftHSM needs after any failed file access.
// "Not found" and "invalid ciphertext" are believed only when a probe of the
// token says that it is well. A Group puts several tokens with the same keys
// behind one set of methods, and goes on while one of them works.
//
// Each token has a breaker. It opens when an attempt at recovery fails or takes
// longer than a caller waits, and when too many calls hang: calls are refused at
// once with ErrUnavailable, while attempts at recovery, each a reload and a
// canary's encryption, go on at most a second apart. The first that succeeds
// closes it. Token.Stats shows it.
//
// Limits: secret keys only, found by CKA_LABEL. A module in which calls hang is
// reloaded only once they have returned, since finalising under a running call
// crashes. The recovery of one token reloads the module, and so makes calls on
// other tokens of that module wait for some milliseconds.
package hsm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/miekg/pkcs11"

	"hyok/internal/fault"
)

// An Observer is told of each piece of work for the device when it has ended,
// or when nobody waits any more for a worker to take it. It must be quick and
// safe for concurrent use.
type Observer func(Call)

// A Call is a piece of work as an Observer is told of it.
type Call struct {
	Op     string        // as in Token's methods: "Encrypt"
	Waited time.Duration // for a worker
	Taken  bool          // by a worker; else Took is zero
	Took   time.Duration // in the device
	Err    error
}

// ModuleConfig says which PKCS#11 module to load. Only Path is required.
type ModuleConfig struct {
	Path     string       // of the shared library
	Reserved string       // pReserved of C_Initialize, as NSS wants it (guide hsm.md §3); "": none. The first Load of a path decides
	Faults   *fault.Set   // failures made on purpose, at "hsm"; nil: none
	Log      *slog.Logger // losing and regaining the device; nil: silent
	Observe  Observer     // metrics; nil: none
}

// Module is one user's hold on a PKCS#11 module. Its methods are safe for
// concurrent use.
type Module struct {
	lib    *library
	config ModuleConfig

	mu     sync.Mutex
	open   map[*Token]struct{}
	closed bool
}

// TokenInfo describes a token of the module.
type TokenInfo struct {
	Serial, Label, Model, Manufacturer, Firmware string
	PINLow                                       bool // a wrong PIN was given since the last right one
	PINLocked                                    bool // the user PIN is locked

	slot        uint
	initialized bool
}

// Load loads and initialises the module at c.Path. A second Load of the same
// path shares what the first one made, and may have a different Faults, Log
// and Observe. Each Module needs its own Close.
func Load(c ModuleConfig) (*Module, error) {
	if c.Path == "" {
		return nil, fmt.Errorf("loading the PKCS#11 module: %w: it has no path", ErrBadInput)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	l, err := acquire(c.Path, c.Reserved)
	if err != nil {
		return nil, err
	}
	return &Module{lib: l, config: c, open: make(map[*Token]struct{})}, nil
}

// Tokens lists the initialised tokens that the module saw when it was last
// initialised and that answer. ErrTimeout when ctx ends first.
func (m *Module) Tokens(ctx context.Context) ([]TokenInfo, error) {
	if m.isClosed() {
		return nil, fmt.Errorf("listing tokens: %w", ErrClosed)
	}
	var found []TokenInfo
	err := m.lib.bounded(ctx, func() (err error) {
		found, err = m.lib.tokens()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing tokens: %w", err)
	}
	return found, nil
}

func (m *Module) isClosed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.closed
}

// Close closes the tokens opened through m; the last Close of a path finalises
// the module. It does not unload it, since modules do not survive that (guide
// hsm.md §2, trap 16). An error says that calls hang in the module, which then
// stays initialised.
func (m *Module) Close() error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	open := make([]*Token, 0, len(m.open))
	for t := range m.open {
		open = append(open, t)
	}
	m.mu.Unlock()

	var errs []error
	for _, t := range open {
		errs = append(errs, t.Close())
	}
	return errors.Join(append(errs, m.lib.release())...)
}

// choose finds the token that c names, looking again after reloading the
// module: SoftHSM sees new tokens only then.
func (m *Module) choose(ctx context.Context, c TokenConfig) (TokenInfo, error) {
	epoch := m.lib.epoch.Load()
	found, err := m.Tokens(ctx)
	if err != nil {
		return TokenInfo{}, err
	}
	info, err := selectToken(found, c.Serial, c.Label)
	if !errors.Is(err, ErrNoToken) {
		return info, err
	}
	if err := m.lib.reloadWithin(ctx, epoch); err != nil {
		return TokenInfo{}, err
	}
	if found, err = m.Tokens(ctx); err != nil {
		return TokenInfo{}, err
	}
	return selectToken(found, c.Serial, c.Label)
}

// selectToken finds the one token with this serial number and label; "" stands
// for any. Labels are not unique, and slot numbers change (guide hsm.md §2,
// trap 11), so neither a guess nor a slot will do.
func selectToken(found []TokenInfo, serial, label string) (TokenInfo, error) {
	var match, all []string
	var chosen TokenInfo
	for _, t := range found {
		name := fmt.Sprintf("%q (serial number %s)", t.Label, t.Serial)
		all = append(all, name)
		if (serial == "" || t.Serial == serial) && (label == "" || t.Label == label) {
			match = append(match, name)
			chosen = t
		}
	}
	switch {
	case len(match) == 1:
		return chosen, nil
	case len(match) > 1:
		return TokenInfo{}, fmt.Errorf("choosing a token: %w: %s match; give the serial number", ErrAmbiguous, strings.Join(match, ", "))
	case len(all) == 0:
		return TokenInfo{}, fmt.Errorf("choosing a token: %w: the module has none that is initialised", ErrNoToken)
	}
	return TokenInfo{}, fmt.Errorf("choosing a token: %w with serial number %q and label %q; there are %s", ErrNoToken, serial, label, strings.Join(all, ", "))
}

// tokenInfo asks for the token in a slot. It is the one call that notices that
// a SoftHSM token's directory has gone (guide hsm.md §2, trap 13).
func (l *library) tokenInfo(slot uint) (TokenInfo, error) {
	i, err := l.ctx.GetTokenInfo(slot)
	if err != nil {
		return TokenInfo{}, coded("C_GetTokenInfo", err)
	}
	const low = pkcs11.CKF_USER_PIN_COUNT_LOW | pkcs11.CKF_USER_PIN_FINAL_TRY | pkcs11.CKF_USER_PIN_LOCKED
	return TokenInfo{
		Serial: i.SerialNumber, Label: i.Label, Model: i.Model, Manufacturer: i.ManufacturerID,
		Firmware:    fmt.Sprintf("%d.%d", i.FirmwareVersion.Major, i.FirmwareVersion.Minor),
		PINLow:      i.Flags&low != 0,
		PINLocked:   i.Flags&pkcs11.CKF_USER_PIN_LOCKED != 0,
		slot:        slot,
		initialized: i.Flags&pkcs11.CKF_TOKEN_INITIALIZED != 0,
	}, nil
}
