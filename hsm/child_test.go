package hsm_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"hyok/hsm"
	"hyok/internal/config"
	"hyok/softhsm"
	"hyok/softhsm/softhsmtest"
)

// childEnv has a test binary be another process that changes a token: it holds
// the token's label, the action and what it acts on.
const childEnv = "HSM_TEST_CHILD"

func TestMain(m *testing.M) {
	if task := os.Getenv(childEnv); task != "" {
		if err := childMain(strings.Split(task, " ")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// childActions are what another process does to a token.
var childActions = map[string]func(ctx context.Context, t *hsm.Token, arg string) error{
	"create": func(ctx context.Context, t *hsm.Token, label string) error {
		_, err := t.CreateKey(ctx, label)
		return err
	},
	"rotate": func(ctx context.Context, t *hsm.Token, label string) error {
		_, err := t.RotateKey(ctx, label)
		return err
	},
	"delete":  func(ctx context.Context, t *hsm.Token, label string) error { return t.DeleteKey(ctx, label) },
	"disable": func(ctx context.Context, t *hsm.Token, label string) error { return t.SetEnabled(ctx, label, false) },
	"enable":  func(ctx context.Context, t *hsm.Token, label string) error { return t.SetEnabled(ctx, label, true) },
	"set-pin": func(ctx context.Context, t *hsm.Token, pin string) error {
		return t.SetPIN(ctx, softhsmtest.PIN, config.Secret(pin))
	},
	"double": func(_ context.Context, t *hsm.Token, label string) error {
		return importKey(t.Info().Label, label, nil)
	},
}

func childMain(task []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	path, err := softhsm.Module()
	if err != nil {
		return err
	}
	m, err := hsm.Load(hsm.ModuleConfig{Path: path})
	if err != nil {
		return err
	}
	t, err := m.Open(ctx, hsm.TokenConfig{Label: task[0], PIN: softhsmtest.PIN})
	if err != nil {
		return err
	}
	if err := childActions[task[1]](ctx, t, task[2]); err != nil {
		return err
	}
	return m.Close()
}

// elsewhere has another process do action.
func (r *rig) elsewhere(t testing.TB, action, arg string) {
	t.Helper()
	if childActions[action] == nil {
		t.Fatalf("there is no action %q", action)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childEnv+"="+strings.Join([]string{r.label, action, arg}, " "),
		"GORACE=atexit_sleep_ms=0") // the race detector would linger for a second
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("another process doing %s: %v: %s", action, err, out)
	}
}
