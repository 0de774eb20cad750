// Package deploy_test checks what stands in deploy/ and the documents about it
// against the code.
package deploy_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// unit is a unit file: the values of a key, by "Section.Key".
type unit map[string][]string

func readUnit(t *testing.T, path string) unit {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	u, section := unit{}, ""
	for s := bufio.NewScanner(f); s.Scan(); {
		line := strings.TrimSpace(s.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] == '[' {
			section = strings.Trim(line, "[]")
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || section == "" {
			t.Fatalf("%s: %q is no setting of a section", path, line)
		}
		u[section+"."+key] = append(u[section+"."+key], value)
	}
	return u
}

func TestTheUnitIsHardened(t *testing.T) {
	u := readUnit(t, "xksproxy.service")
	for _, want := range []struct{ key, value string }{
		{"Service.Type", "notify"},
		{"Service.NoNewPrivileges", "yes"},
		{"Service.ProtectSystem", "strict"},
		{"Service.ProtectHome", "yes"},
		{"Service.PrivateTmp", "yes"},
		{"Service.MemoryDenyWriteExecute", "yes"},
		{"Service.CapabilityBoundingSet", "CAP_NET_BIND_SERVICE"},
		{"Service.ReadWritePaths", "/var/lib/xksproxy /var/log/xksproxy"},
		{"Service.SystemCallFilter", "@system-service"},
		{"Service.LimitCORE", "0"}, // keys and PINs must not be dumped
		{"Service.User", "xksproxy"},
		{"Service.Restart", "on-abnormal"}, // a wrong PIN is not tried again
		{"Service.WatchdogSec", "30s"},
	} {
		if !slices.Contains(u[want.key], want.value) {
			t.Errorf("%s is %q, not %s", want.key, u[want.key], want.value)
		}
	}
	if n, err := strconv.Atoi(strings.Join(u["Service.LimitNOFILE"], "")); err != nil || n < 4096 {
		t.Errorf("LimitNOFILE is %q", u["Service.LimitNOFILE"])
	}
}

func TestSystemdTakesTheUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Logf("no systemd-analyze here: %v; the unit was only parsed", err)
		return
	}
	// The program need not be installed where the test runs.
	text, err := os.ReadFile("xksproxy.service")
	if err != nil {
		t.Fatal(err)
	}
	local := filepath.Join(t.TempDir(), "xksproxy.service")
	text = []byte(strings.ReplaceAll(string(text), "/usr/local/bin/xksproxy", "/bin/true"))
	if err := os.WriteFile(local, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", local).CombinedOutput(); err != nil || strings.Contains(string(out), local) {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	out, err := exec.Command(analyze, "security", "--offline=true", local).CombinedOutput()
	m := regexp.MustCompile(`exposure level for \S+: ([0-9.]+)`).FindSubmatch(out)
	if m == nil { // older than version 250
		t.Logf("systemd-analyze security: %v\n%s", err, out)
		return
	}
	if level, err := strconv.ParseFloat(string(m[1]), 64); err != nil || level > 2 {
		t.Errorf("exposure level %s (%v), more than 2.0", m[1], err)
	}
}
