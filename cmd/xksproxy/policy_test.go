package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"hyok/proxy/xks"
)

// The policy file is taken over on SIGHUP; one that is wrong changes nothing.
func TestTheDaemonReloadsPolicies(t *testing.T) {
	c := startChild(t)
	if err := c.encrypt(t, first); err != nil {
		t.Fatal(err)
	}
	if line := c.until(t, "request"); line["policy"] != nil {
		t.Errorf("no policy was asked, but logged %v", line)
	}
	path := filepath.Join(c.dir, "xksproxy.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	guarded := strings.Replace(string(text), "    all_keys: true\n", "    all_keys: true\n    policy: {file: keys.cedar}\n", 1)
	c.write(t, "xksproxy.yaml", guarded)
	for _, step := range []struct {
		policies, logged string
		denied           bool
	}{
		{`permit (principal == Principal::"p", action, resource);`, "the key stores were reloaded", false},
		{`permit (principal == Principal::"q", action, resource);`, "the key stores were reloaded", true},
		{"permit (principal, action, resource);\npermit ();", "the configuration was not reloaded", true},
	} {
		c.write(t, "keys.cedar", step.policies)
		c.signal(t, syscall.SIGHUP)
		line := c.until(t, step.logged)
		if cause, _ := line["cause"].(string); strings.Contains(step.logged, "not") && !strings.HasPrefix(cause, "keys.cedar:2: ") {
			t.Errorf("logged %v", line)
		}
		err := c.encrypt(t, first)
		var refused *xks.Error
		if denied := errors.As(err, &refused) && refused.Name == xks.AccessDeniedException; denied != step.denied || !denied && err != nil {
			t.Errorf("%s: got %v", step.policies, err)
		}
		want := "keys.cedar:1:1"
		if step.denied {
			want = "default"
		}
		if line := c.until(t, "request"); line["policy"] != want {
			t.Errorf("%s: logged %v, want %s", step.policies, line, want)
		}
	}
}
