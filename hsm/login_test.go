package hsm_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"hyok/hsm"
	"hyok/internal/config"
	"hyok/softhsm/softhsmtest"
)

// refusals counts the log's records of PINs that a token refused: one for each
// that was given to it.
type refusals struct {
	slog.Handler
	mu sync.Mutex
	n  int
}

func (r *refusals) Enabled(context.Context, slog.Level) bool { return true }
func (r *refusals) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *refusals) Handle(_ context.Context, rec slog.Record) error {
	if rec.Level == slog.LevelError {
		r.mu.Lock()
		r.n++
		r.mu.Unlock()
	}
	return nil
}

func (r *refusals) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n
}

func TestWrongPINIsGivenToTheTokenOnce(t *testing.T) {
	log := &refusals{Handler: slog.DiscardHandler}
	r := newRig(t, hsm.ModuleConfig{Log: slog.New(log)})
	for range 5 {
		if _, err := r.module.Open(soon(t), hsm.TokenConfig{Label: r.label, PIN: wrongPIN}); !errors.Is(err, hsm.ErrPIN) {
			t.Errorf("opening with a wrong PIN gives %v", err)
		}
	}
	if n := log.count(); n != 1 {
		t.Errorf("the token was given the wrong PIN %d times", n)
	}
	token := r.open(t, hsm.TokenConfig{})
	if _, err := token.CreateKey(soon(t), "k"); err != nil {
		t.Errorf("with the right PIN: %v", err)
	}
}

func TestWrongPINStaysRefusedUntilAnother(t *testing.T) {
	log := &refusals{Handler: slog.DiscardHandler}
	r := newRig(t, hsm.ModuleConfig{Log: slog.New(log)})
	token, err := r.module.Open(soon(t), hsm.TokenConfig{Label: r.label})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := token.Login(soon(t), wrongPIN); !errors.Is(err, hsm.ErrPIN) {
			t.Errorf("logging in with a wrong PIN gives %v", err)
		}
		if _, err := token.CreateKey(soon(t), "k"); !errors.Is(err, hsm.ErrPIN) {
			t.Errorf("using the token then gives %v", err)
		}
		if h := token.Health(soon(t)); h.OK || !errors.Is(h.Err, hsm.ErrPIN) {
			t.Errorf("its health then is %v", h.Err)
		}
	}
	if n := log.count(); n != 1 {
		t.Errorf("the token was given the wrong PIN %d times", n)
	}
	if err := token.Login(soon(t), softhsmtest.PIN); err != nil {
		t.Fatal(err)
	}
	if _, err := token.CreateKey(soon(t), "k"); err != nil {
		t.Errorf("with the right PIN: %v", err)
	}
}

func TestRefusedPINIsGoodOnceTheTokenHasIt(t *testing.T) {
	r := newRig(t, hsm.ModuleConfig{})
	token, err := r.module.Open(soon(t), hsm.TokenConfig{Label: r.label})
	if err != nil {
		t.Fatal(err)
	}
	if err := token.Login(soon(t), wrongPIN); !errors.Is(err, hsm.ErrPIN) {
		t.Fatalf("got %v", err)
	}
	r.elsewhere(t, "set-pin", string(wrongPIN))
	if err := token.Login(soon(t), wrongPIN); err != nil {
		t.Errorf("after the token's PIN became that one: %v", err)
	}
}

func TestPINChangedElsewhereIsNotGuessedAt(t *testing.T) {
	log := &refusals{Handler: slog.DiscardHandler}
	r := newRig(t, hsm.ModuleConfig{Log: slog.New(log)})
	token := r.open(t, hsm.TokenConfig{})
	if _, err := token.CreateKey(soon(t), "k"); err != nil {
		t.Fatal(err)
	}
	r.elsewhere(t, "set-pin", "another")
	bringBack := r.takeTokenAway(t)
	within(t, time.Second, hsm.ErrUnavailable, nil, encrypts(t, token, "k"))
	bringBack()
	within(t, 2*time.Second, hsm.ErrPIN, []error{hsm.ErrKeyNotFound, nil}, encrypts(t, token, "k"))
	for range 20 {
		if err := encrypts(t, token, "k")(); !errors.Is(err, hsm.ErrPIN) {
			t.Errorf("got %v", err)
		}
	}
	if n := log.count(); n != 1 {
		t.Errorf("the token was given the old PIN %d times", n)
	}
	if err := token.Login(soon(t), "another"); err != nil {
		t.Fatal(err)
	}
	if err := encrypts(t, token, "k")(); err != nil {
		t.Errorf("with the new PIN: %v", err)
	}
}

func TestWithoutLoginNothingIsDoneWithKeys(t *testing.T) {
	r, _ := newToken(t, hsm.TokenConfig{})
	token, err := r.module.Open(soon(t), hsm.TokenConfig{Label: r.label})
	if err != nil {
		t.Fatal(err)
	}
	ctx := soon(t)
	if !token.LoggedIn() {
		t.Error("a login belongs to the process, and there is one")
	}
	if err := token.Logout(ctx); err != nil {
		t.Fatal(err)
	}
	if token.LoggedIn() {
		t.Error("it is logged in after Logout")
	}
	_, encrypting := token.Encrypt(ctx, "k", nil, nil)
	_, decrypting := token.Decrypt(ctx, "k", make([]byte, 12), nil, make([]byte, 16), nil)
	_, describing := token.Key(ctx, "k")
	_, listing := token.Keys(ctx)
	_, creating := token.CreateKey(ctx, "k2")
	for name, err := range map[string]error{
		"encrypting": encrypting, "decrypting": decrypting, "describing": describing, "listing": listing,
		"creating": creating, "deleting": token.DeleteKey(ctx, "k"), "enabling": token.SetEnabled(ctx, "k", true),
	} {
		if !errors.Is(err, hsm.ErrNotLoggedIn) {
			t.Errorf("%s gives %v", name, err)
		}
	}
	if h := token.Health(ctx); !h.OK {
		t.Errorf("a token that is not logged in is not well: %v", h.Err)
	}
	if _, err := token.Random(ctx, 8); err != nil {
		t.Errorf("random bytes without login: %v", err)
	}
	if err := token.Login(ctx, softhsmtest.PIN); err != nil {
		t.Fatal(err)
	}
	if err := encrypts(t, token, "k")(); err != nil {
		t.Errorf("after logging in again: %v", err)
	}
}

func TestLoginEndsWithTheLastOneWhoHasTheTokenOpen(t *testing.T) {
	r := newRig(t, hsm.ModuleConfig{})
	first, second := r.open(t, hsm.TokenConfig{}), r.open(t, hsm.TokenConfig{})
	for _, token := range []*hsm.Token{first, second} {
		if _, err := second.Keys(soon(t)); err != nil {
			t.Errorf("while somebody has it open: %v", err)
		}
		if err := token.Close(); err != nil {
			t.Fatal(err)
		}
	}
	third, err := r.module.Open(soon(t), hsm.TokenConfig{Label: r.label})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := third.Keys(soon(t)); !errors.Is(err, hsm.ErrNotLoggedIn) || third.LoggedIn() {
		t.Errorf("opened without PIN after that: %v", err)
	}
}

func TestLoggedInTokensTakeNoOtherPIN(t *testing.T) {
	r, token := newToken(t, hsm.TokenConfig{})
	if err := token.Login(soon(t), softhsmtest.PIN); err != nil {
		t.Errorf("the same PIN again: %v", err)
	}
	if err := token.Login(soon(t), wrongPIN); !errors.Is(err, hsm.ErrPIN) {
		t.Errorf("another PIN gives %v", err)
	}
	if _, err := r.module.Open(soon(t), hsm.TokenConfig{Label: r.label, PIN: wrongPIN}); !errors.Is(err, hsm.ErrPIN) {
		t.Errorf("opening with another PIN gives %v", err)
	}
	if err := token.Login(soon(t), ""); !errors.Is(err, hsm.ErrBadInput) {
		t.Errorf("an empty PIN gives %v", err)
	}
	if err := encrypts(t, token, "k")(); err != nil {
		t.Errorf("the login did not survive: %v", err)
	}
}

func TestNewPINOutlivesAReload(t *testing.T) {
	r, token := newToken(t, hsm.TokenConfig{})
	ctx := soon(t)
	const pin = config.Secret("rotated")
	if err := token.SetPIN(ctx, wrongPIN, pin); !errors.Is(err, hsm.ErrPIN) {
		t.Errorf("a wrong old PIN gives %v", err)
	}
	if err := token.SetPIN(ctx, softhsmtest.PIN, "123"); !errors.Is(err, hsm.ErrPIN) {
		t.Errorf("a PIN that is too short gives %v", err)
	}
	if err := encrypts(t, token, "k")(); err != nil {
		t.Errorf("after the PIN was not changed: %v", err)
	}
	if err := token.SetPIN(ctx, softhsmtest.PIN, pin); err != nil {
		t.Fatal(err)
	}
	bringBack := r.takeTokenAway(t)
	within(t, time.Second, hsm.ErrUnavailable, nil, encrypts(t, token, "k"))
	bringBack()
	within(t, 2*time.Second, nil, []error{hsm.ErrPIN, hsm.ErrKeyNotFound}, encrypts(t, token, "k"))
	if err := token.Logout(ctx); err != nil {
		t.Fatal(err)
	}
	if err := token.Login(ctx, softhsmtest.PIN); !errors.Is(err, hsm.ErrPIN) {
		t.Errorf("the old PIN gives %v", err)
	}
	if err := token.Login(ctx, pin); err != nil {
		t.Errorf("the new PIN gives %v", err)
	}
}
