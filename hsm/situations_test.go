package hsm_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"hyok/hsm"
	"hyok/softhsm/softhsmtest"
)

// The limits of a process are tried in a child, which has a key "k".
func init() {
	childActions["run-out-of-files"] = func(ctx context.Context, t *hsm.Token, label string) error {
		return withLimit(ctx, t, label, syscall.RLIMIT_NOFILE, 3, func() error {
			_, err := t.Encrypt(ctx, label, []byte("text"), nil)
			return err
		})
	}
	childActions["run-out-of-disk"] = func(ctx context.Context, t *hsm.Token, label string) error {
		signal.Ignore(syscall.SIGXFSZ) // a write past the limit is an error then
		made := 0
		return withLimit(ctx, t, label, syscall.RLIMIT_FSIZE, 0, func() error {
			made++
			_, err := t.CreateKey(ctx, fmt.Sprintf("new-%d", made))
			return err
		})
	}
}

// withLimit has use fail by a limit of the process, and succeed soon after it.
func withLimit(ctx context.Context, t *hsm.Token, label string, resource int, limit uint64, use func() error) error {
	encrypt := func() error {
		_, err := t.Encrypt(ctx, label, []byte("text"), nil)
		return err
	}
	if err := encrypt(); err != nil {
		return fmt.Errorf("before: %w", err)
	}
	var before syscall.Rlimit
	if err := syscall.Getrlimit(resource, &before); err != nil {
		return err
	}
	if err := syscall.Setrlimit(resource, &syscall.Rlimit{Cur: limit, Max: before.Max}); err != nil {
		return err
	}
	var wrong error
	for range 20 {
		if err := use(); !errors.Is(err, hsm.ErrUnavailable) {
			wrong = fmt.Errorf("under the limit: got %v", err)
		}
		if err := encrypt(); err != nil && !errors.Is(err, hsm.ErrUnavailable) {
			wrong = fmt.Errorf("encrypting under the limit: got %w", err)
		}
	}
	if err := syscall.Setrlimit(resource, &before); err != nil {
		return err
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; <-tick.C {
		err := errors.Join(use(), encrypt())
		if err == nil {
			return wrong
		}
		if time.Since(began) > 2*time.Second || errors.Is(err, hsm.ErrKeyNotFound) {
			return fmt.Errorf("%s after the limit: %w", time.Since(began), err)
		}
	}
}

func TestWorkGoesOnWhenThereAreFilesAgain(t *testing.T) {
	r, _ := newToken(t, hsm.TokenConfig{})
	r.elsewhere(t, "run-out-of-files", "k")
}

func TestWorkGoesOnWhenThereIsRoomAgain(t *testing.T) {
	r, _ := newToken(t, hsm.TokenConfig{})
	r.elsewhere(t, "run-out-of-disk", "k")
}

// TestTokenMadeAnewIsUsedAgain has another process initialise the token again:
// its keys are gone then, and new ones are found.
func TestTokenMadeAnewIsUsedAgain(t *testing.T) {
	r, token := newToken(t, hsm.TokenConfig{})
	if err := encrypts(t, token, "k")(); err != nil {
		t.Fatal(err)
	}
	again := exec.Command("softhsm2-util", "--init-token", "--serial", token.Info().Serial, "--label", r.label,
		"--pin", softhsmtest.PIN, "--so-pin", softhsmtest.SOPIN)
	if out, err := again.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	within(t, 2*time.Second, hsm.ErrKeyNotFound, []error{hsm.ErrPIN, hsm.ErrNotLoggedIn, hsm.ErrInvalidCiphertext}, encrypts(t, token, "k"))
	r.elsewhere(t, "create", "k")
	within(t, 2*time.Second, nil, []error{hsm.ErrPIN, hsm.ErrNotLoggedIn}, encrypts(t, token, "k"))
}
