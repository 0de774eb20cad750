// Package hsmbench measures a PKCS#11 token without the code that package hsm
// puts around it, as the yardstick for that code: a loop of C_EncryptInit and
// C_Encrypt in C, on one thread and one session.
//
// Limits: the loop repeats one IV, so it must never see data that matters. In a
// process that has the module initialised or the token logged in, it uses that
// and leaves it so.
package hsmbench

import (
	"errors"
	"fmt"
	"time"

	"github.com/miekg/pkcs11"

	"hyok/hsm/internal/gcm"
)

// Sizes of what the loop encrypts, in bytes; those of guide hsm.md §1a.
const (
	TextSize = 32
	AADSize  = 32
)

// CLoop encrypts n times under the AES key of that label, on the token of that
// label, and gives operations a second.
func CLoop(modulePath, label, pin, key string, n int) (opsPerSecond float64, err error) {
	functions, err := gcm.Open(modulePath)
	if err != nil {
		return 0, err
	}
	ctx := pkcs11.New(modulePath)
	if ctx == nil {
		return 0, fmt.Errorf("loading %s failed", modulePath)
	}
	err = ctx.Initialize()
	if err == nil {
		defer func() { err = errors.Join(err, ctx.Finalize()) }()
	} else if !errors.Is(err, pkcs11.Error(pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED)) {
		return 0, fmt.Errorf("initialising %s: %w", modulePath, err)
	}
	session, err := open(ctx, label, pin)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, ctx.CloseSession(session)) }()
	handle, err := find(ctx, session, key)
	if err != nil {
		return 0, err
	}
	iv, aad, in := make([]byte, 12), make([]byte, AADSize), make([]byte, TextSize)
	out := make([]byte, TextSize+gcm.TagSize+gcm.Margin)
	start := time.Now()
	if rv := functions.Loop(uint(session), uint(handle), iv, aad, in, out, n); rv != 0 {
		return 0, fmt.Errorf("encrypting in C: %w", pkcs11.Error(rv))
	}
	return float64(n) / time.Since(start).Seconds(), nil
}

// open opens a logged-in session on the token of that label.
func open(ctx *pkcs11.Ctx, label, pin string) (pkcs11.SessionHandle, error) {
	slots, err := ctx.GetSlotList(true)
	if err != nil {
		return 0, fmt.Errorf("listing slots: %w", err)
	}
	for _, slot := range slots {
		info, err := ctx.GetTokenInfo(slot)
		if err != nil || info.Label != label {
			continue
		}
		session, err := ctx.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION)
		if err != nil {
			return 0, fmt.Errorf("opening a session: %w", err)
		}
		err = ctx.Login(session, pkcs11.CKU_USER, pin)
		if err != nil && !errors.Is(err, pkcs11.Error(pkcs11.CKR_USER_ALREADY_LOGGED_IN)) {
			return 0, errors.Join(fmt.Errorf("logging in: %w", err), ctx.CloseSession(session))
		}
		return session, nil
	}
	return 0, fmt.Errorf("no token has the label %q", label)
}

func find(ctx *pkcs11.Ctx, s pkcs11.SessionHandle, label string) (pkcs11.ObjectHandle, error) {
	err := ctx.FindObjectsInit(s, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, label),
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
	})
	if err != nil {
		return 0, fmt.Errorf("finding key %q: %w", label, err)
	}
	found, _, err := ctx.FindObjects(s, 1)
	if err = errors.Join(err, ctx.FindObjectsFinal(s)); err != nil {
		return 0, fmt.Errorf("finding key %q: %w", label, err)
	}
	if len(found) == 0 {
		return 0, fmt.Errorf("no secret key has the label %q", label)
	}
	return found[0], nil
}
