package hsm

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/miekg/pkcs11"

	"hyok/internal/config"
)

// A login is the user's login to a token. PKCS#11 has one per process and
// token, however many sessions there are (guide hsm.md §2, trap 8).
type login struct {
	mu    sync.Mutex // held while the device is asked
	state atomic.Pointer[loginState]
	users atomic.Int32 // Tokens open; the login ends with the last one
}

// A loginState is never changed, only replaced.
type loginState struct {
	wanted  bool          // log in again after a reload
	pin     config.Secret // the one used last; also the one set last
	refused error         // why the token refused the PIN; nil: it did not

	// refusedPIN is remembered after a logout too: three wrong ones lock some
	// tokens (guide reliability.md, "PIN").
	refusedPIN config.Secret
	// lastPIN is the last right one, after a logout too.
	lastPIN config.Secret
}

// doubtful tells whether pin is neither the last right one nor the first given:
// it was perhaps changed by another process.
func (s *loginState) doubtful(pin config.Secret) bool {
	return s.refusedPIN != "" || s.lastPIN != "" && samePIN(s.lastPIN, pin) != nil
}

func newLogin() *login {
	l := new(login)
	l.state.Store(new(loginState))
	return l
}

// release is for a Token that closes.
func (l *login) release() {
	if l.users.Add(-1) == 0 {
		l.end()
	}
}

// end forgets that a login is wanted, though not what is known of PINs.
func (l *login) end() {
	s := l.state.Load()
	l.state.Store(&loginState{refusedPIN: s.refusedPIN, lastPIN: s.lastPIN})
}

// usable says why there is no login; nil when there is one.
func (s *loginState) usable() error {
	if s.refused != nil {
		return s.refused
	}
	if !s.wanted {
		return ErrNotLoggedIn
	}
	return nil
}

// claimLogin says that the token is to be logged in with pin from now on. A
// different PIN while logged in gives ErrPIN: the token would not check it.
func (t *Token) claimLogin(pin config.Secret) error {
	l := t.login
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.state.Load()
	if s.wanted && s.refused == nil {
		return samePIN(s.pin, pin)
	}
	if err := t.rememberedRefusal(s, pin); err != nil {
		return err
	}
	l.state.Store(&loginState{wanted: true, pin: pin, refusedPIN: s.refusedPIN, lastPIN: s.lastPIN})
	return nil
}

func samePIN(current, given config.Secret) error {
	if subtle.ConstantTimeCompare([]byte(current), []byte(given)) != 1 {
		return fmt.Errorf("%w: it is logged in with another one; log out first", ErrPIN)
	}
	return nil
}

// rememberedRefusal is ErrPIN when the token refused this very PIN and has not
// seen a right one, or got a new one, since.
func (t *Token) rememberedRefusal(s *loginState, pin config.Secret) error {
	if s.refusedPIN == "" || samePIN(s.refusedPIN, pin) != nil {
		return nil
	}
	slot, err := t.lib.slot(t.info)
	if err != nil {
		return err
	}
	if info, err := t.lib.tokenInfo(slot); err != nil || !info.PINLow {
		return err
	}
	return fmt.Errorf("%w: it refused the same PIN before, which is not tried again", ErrPIN)
}

// logInAgain logs in if that is wanted and not so, and tells whether it did. The
// caller is inside the gate.
func (t *Token) logInAgain(c *connection) (did bool, err error) {
	l := t.login
	if !l.state.Load().wanted {
		return false, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.state.Load()
	if !s.wanted || s.refused != nil {
		return false, s.refused
	}
	if in, err := t.lib.loggedIn(c.guard); in || err != nil {
		return false, err
	}
	if err := t.logIn(c, s.pin); err != nil {
		return false, err
	}
	return true, nil
}

// logIn gives pin to the token and keeps what comes of it; t.login.mu is held.
func (t *Token) logIn(c *connection, pin config.Secret) error {
	s := t.login.state.Load()
	err := coded("C_Login", t.lib.ctx.Login(c.guard, pkcs11.CKU_USER, pin.Reveal()))
	switch {
	case err == nil || codeOf(err) == pkcs11.CKR_USER_ALREADY_LOGGED_IN:
		t.login.state.Store(&loginState{wanted: true, pin: pin, lastPIN: pin})
		t.forgetKeys()
		return nil
	case errors.Is(err, ErrPIN):
		t.config.Log.Error("the token refused the PIN, which is not tried again", "token", t.info.Label, "error", err)
		t.login.state.Store(&loginState{wanted: s.wanted, pin: s.pin, refused: err, refusedPIN: pin, lastPIN: s.lastPIN})
	}
	return err
}

// loggedIn asks the module, in memory, whether the user is logged in.
func (l *library) loggedIn(s pkcs11.SessionHandle) (bool, error) {
	info, err := l.ctx.GetSessionInfo(s)
	if err != nil {
		return false, coded("C_GetSessionInfo", err)
	}
	return info.State == pkcs11.CKS_RO_USER_FUNCTIONS || info.State == pkcs11.CKS_RW_USER_FUNCTIONS, nil
}

// Login logs in to the token as its user, for all who have it open in this
// process. ErrBadInput: an empty PIN. ErrPIN: the token refused it, and gives
// that error to every call until another Login; the same PIN is not given to
// the token again while the token says that its last PIN was wrong. While
// logged in, the same PIN gives nil and another ErrPIN, neither asking the
// token, which would accept any.
func (t *Token) Login(ctx context.Context, pin config.Secret) error {
	if pin == "" {
		return fmt.Errorf("logging in: %w: the PIN is empty", ErrBadInput)
	}
	epoch := t.lib.epoch.Load()
	try := func(reloaded bool) error {
		return t.do(ctx, t.slow, opLogin, func(w *worker) error { return t.logInAs(w.conn, pin, reloaded) }, nil)
	}
	err := try(false)
	if err == errDoubtfulPIN {
		if err = t.lib.reloadWithin(ctx, epoch); err == nil {
			err = try(true)
		}
	}
	if err != nil {
		return fmt.Errorf("logging in to token %q: %w", t.info.Label, err)
	}
	return nil
}

// errDoubtfulPIN says that the module is to be reloaded first: SoftHSM compares
// with the PIN that it read when it was initialised, and one try is all there is.
var errDoubtfulPIN = errors.New("PIN may have changed")

func (t *Token) logInAs(c *connection, pin config.Secret, reloaded bool) error {
	l := t.login
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.state.Load()
	in, err := t.lib.loggedIn(c.guard)
	if err != nil {
		return err
	}
	if in && s.wanted {
		return samePIN(s.pin, pin)
	}
	if err := t.rememberedRefusal(s, pin); err != nil {
		return err
	}
	if s.doubtful(pin) && !reloaded {
		return errDoubtfulPIN
	}
	return t.logIn(c, pin)
}

// Logout logs out from the token, for all who have it open in this process. It
// is no error if nobody is logged in.
func (t *Token) Logout(ctx context.Context) error {
	err := t.do(ctx, t.slow, opLogout, func(w *worker) error {
		l := t.login
		l.mu.Lock()
		defer l.mu.Unlock()
		err := coded("C_Logout", t.lib.ctx.Logout(w.conn.guard))
		if err != nil && codeOf(err) != pkcs11.CKR_USER_NOT_LOGGED_IN {
			return err
		}
		l.end()
		t.forgetKeys()
		return nil
	}, nil)
	if err != nil {
		return fmt.Errorf("logging out from token %q: %w", t.info.Label, err)
	}
	return nil
}

// SetPIN changes the user's PIN from old to new, logged in or not. ErrPIN: old
// is wrong, or new is not a PIN to the token. It is tried once. A token that is
// logged in uses the new PIN from now on, after a recovery too.
func (t *Token) SetPIN(ctx context.Context, old, new config.Secret) error {
	if old == "" || new == "" {
		return fmt.Errorf("setting the PIN: %w: a PIN is empty", ErrBadInput)
	}
	err := t.do(ctx, t.slow, opSetPIN, func(w *worker) error {
		l := t.login
		l.mu.Lock()
		defer l.mu.Unlock()
		if err := t.lib.ctx.SetPIN(w.session, old.Reveal(), new.Reveal()); err != nil {
			return coded("C_SetPIN", err)
		}
		after := &loginState{wanted: l.state.Load().wanted, lastPIN: new}
		if after.wanted {
			after.pin = new
		}
		l.state.Store(after)
		return nil
	}, nil)
	if err != nil {
		return fmt.Errorf("setting the PIN of token %q: %w", t.info.Label, err)
	}
	return nil
}

// LoggedIn tells whether the token is logged in, or will be when the device
// returns. It does not ask the device.
func (t *Token) LoggedIn() bool { return t.login.state.Load().usable() == nil }
