package hsm

import (
	"context"
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"

	"hyok/internal/config"
)

var opResetPIN = &operation{name: "ResetPIN", fault: "ResetPIN", once: true}

// ResetPIN gives the user a new PIN without knowing the old one: it logs in as
// the security officer, once, and calls C_InitPIN. ErrPIN: soPIN is wrong, or
// new is not a PIN to the token. It is for a token that nobody is logged in to;
// ErrBadInput if somebody is.
func (t *Token) ResetPIN(ctx context.Context, soPIN, new config.Secret) error {
	if soPIN == "" || new == "" {
		return fmt.Errorf("resetting the PIN: %w: a PIN is empty", ErrBadInput)
	}
	err := t.do(ctx, t.slow, opResetPIN, func(w *worker) error {
		l := t.login
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.state.Load().wanted {
			return fmt.Errorf("%w: the user is logged in", ErrBadInput)
		}
		if err := t.resetPIN(w, soPIN, new); err != nil {
			return err
		}
		l.state.Store(&loginState{lastPIN: new})
		return nil
	}, nil)
	if err != nil {
		return fmt.Errorf("resetting the PIN of token %q: %w", t.info.Label, err)
	}
	return nil
}

func (t *Token) resetPIN(w *worker, soPIN, new config.Secret) error {
	if err := t.lib.ctx.Login(w.session, pkcs11.CKU_SO, soPIN.Reveal()); err != nil {
		return coded("C_Login", err)
	}
	err := coded("C_InitPIN", t.lib.ctx.InitPIN(w.session, new.Reveal()))
	return errors.Join(err, coded("C_Logout", t.lib.ctx.Logout(w.session)))
}
