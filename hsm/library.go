package hsm

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/pkcs11"

	"hyok/hsm/internal/gcm"
)

// drainLimit is how long reloading waits for calls to come out of the module.
// Longer than listing ten thousand keys takes (guide hsm.md §1d).
const drainLimit = time.Second

// A library is a module in this process. There is one per path, whoever loads
// it how often: C_Initialize, C_Finalize and logins belong to the process.
type library struct {
	path string
	args []pkcs11.InitializeOption
	ctx  *pkcs11.Ctx
	gcm  *gcm.Functions

	gate  gate          // around every call
	epoch atomic.Uint64 // one more after each C_Initialize; sessions and handles live in one
	hung  atomic.Int64  // calls inside whose callers have gone

	users int // guarded by libraries

	mu sync.Mutex // initialising and finalising

	loginsMu sync.Mutex
	logins   map[string]*login // by serial number and label; kept, so that a refused PIN is remembered
}

var libraries struct {
	sync.Mutex
	byPath map[string]*library
}

// acquire gives the library at path, loaded and initialised.
func acquire(path, reserved string) (*library, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("finding the PKCS#11 module: %w", err)
	}
	libraries.Lock()
	defer libraries.Unlock()
	l := libraries.byPath[real]
	if l == nil {
		if l, err = newLibrary(real, reserved); err != nil {
			return nil, err
		}
		if libraries.byPath == nil {
			libraries.byPath = make(map[string]*library)
		}
		libraries.byPath[real] = l
	}
	l.users++
	return l, nil
}

func newLibrary(path, reserved string) (*library, error) {
	functions, err := gcm.Open(path)
	if err != nil {
		return nil, err
	}
	l := &library{path: path, gcm: functions, ctx: pkcs11.New(path), logins: make(map[string]*login)}
	if l.ctx == nil {
		return nil, fmt.Errorf("loading the PKCS#11 module %s failed", path)
	}
	if reserved != "" {
		l.args = append(l.args, pkcs11.InitializeWithReserved(gcm.String(reserved)))
	}
	if err := l.initialize(); err != nil {
		return nil, fmt.Errorf("initialising the PKCS#11 module %s: %w", path, err)
	}
	return l, nil
}

// release gives up a hold. The last one finalises the module, unless a call
// hangs in it: then the module stays as it is, for whoever acquires it next.
func (l *library) release() error {
	libraries.Lock()
	defer libraries.Unlock()
	if l.users--; l.users > 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.shut(); err != nil { // no other user waits meanwhile
		return fmt.Errorf("finalising the PKCS#11 module: %w", err)
	}
	defer l.gate.open()
	l.epoch.Add(1)
	delete(libraries.byPath, l.path)
	return coded("C_Finalize", l.ctx.Finalize())
}

// empty is shut for a reload, which does not wait for calls that hang.
func (l *library) empty() error {
	if n := l.hung.Load(); n > 0 {
		return fmt.Errorf("%w: %d calls hang in the module", ErrUnavailable, n)
	}
	return l.shut()
}

// shut shuts the gate with nobody inside, unless calls stay longer than drainLimit.
func (l *library) shut() error {
	if !l.gate.close(drainLimit) {
		return fmt.Errorf("%w: calls did not come out of the module in %s", ErrUnavailable, drainLimit)
	}
	return nil
}

// initialize calls C_Initialize with CKF_OS_LOCKING_OK, which the binding sets
// by itself; without it threads crash SoftHSM (guide hsm.md §2, trap 7). A
// module that other code in this process has initialised is taken as it is.
func (l *library) initialize() error {
	err := coded("C_Initialize", l.ctx.Initialize(l.args...))
	l.epoch.Add(1)
	if codeOf(err) == pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED {
		return nil
	}
	return err
}

// reload finalises and initialises the module, unless that has been done since
// the epoch seen. Nothing else brings back what a failed file access or a
// removed token took away (guide hsm.md §2, trap 12).
func (l *library) reload(seen uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.epoch.Load() != seen {
		return nil
	}
	if err := l.empty(); err != nil {
		return fmt.Errorf("reloading the module: %w", err)
	}
	defer l.gate.open()
	// An error here means that the module was not initialised, or is beyond
	// help; C_Initialize tells.
	_ = l.ctx.Finalize()
	if err := l.initialize(); err != nil {
		return fmt.Errorf("reloading the module: %w", err)
	}
	return nil
}

// bounded runs calls inside the gate and returns when ctx ends at the latest.
func (l *library) bounded(ctx context.Context, calls func() error) error {
	var over atomic.Bool // whichever comes first: the end of the calls, or of ctx
	done := make(chan error, 1)
	go func() {
		l.gate.enter()
		err := calls()
		l.gate.leave()
		if !over.CompareAndSwap(false, true) {
			l.hung.Add(-1)
		}
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		if over.CompareAndSwap(false, true) {
			l.hung.Add(1)
			return timedOut(ctx)
		}
		return <-done
	}
}

// reloadWithin is reload for a caller who waits until ctx ends at the latest.
func (l *library) reloadWithin(ctx context.Context, seen uint64) error {
	done := make(chan error, 1)
	go func() { done <- l.reload(seen) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return timedOut(ctx)
	}
}

// timedOut is ErrTimeout with the reason why ctx ended.
func timedOut(ctx context.Context) error {
	return fmt.Errorf("%w: %w", ErrTimeout, context.Cause(ctx))
}

// login is the login to a token, shared by all who have opened it: it belongs to
// the process.
func (l *library) login(of TokenInfo) *login {
	name := of.Serial + "\x00" + of.Label
	l.loginsMu.Lock()
	defer l.loginsMu.Unlock()
	if l.logins[name] == nil {
		l.logins[name] = newLogin()
	}
	return l.logins[name]
}

// slot is the slot that holds a token now. Its serial number finds it, and its
// label too if there are several: all tokens of NSS have the same number.
func (l *library) slot(of TokenInfo) (uint, error) {
	tokens, err := l.tokens()
	if err != nil {
		return 0, err
	}
	var match []TokenInfo
	for _, t := range tokens {
		if t.Serial == of.Serial {
			match = append(match, t)
		}
	}
	unique := len(match) == 1 && strings.Trim(of.Serial, "0") != ""
	for _, t := range match {
		if unique || t.Label == of.Label {
			return t.slot, nil
		}
	}
	return 0, fmt.Errorf("token with serial number %s is away: %w", of.Serial, ErrUnavailable)
}

// tokens lists the initialised tokens. One that does not answer is left out:
// it must not hide the others.
func (l *library) tokens() ([]TokenInfo, error) {
	slots, err := l.ctx.GetSlotList(true)
	if err != nil {
		return nil, coded("C_GetSlotList", err)
	}
	var found []TokenInfo
	for _, slot := range slots {
		info, err := l.tokenInfo(slot)
		if errors.Is(err, ErrUnavailable) || !info.initialized {
			continue
		}
		found = append(found, info)
	}
	return found, nil
}
