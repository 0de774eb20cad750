package proxy_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"hyok/internal/config"
	"hyok/proxy"
)

// reference is the commented file of the command.
const reference = "../cmd/xksproxy/xksproxy.yaml"

func environment(name string) (string, bool) {
	switch name {
	case "XKSPROXY_PIN":
		return "1234", true
	case "XKSPROXY_SECRET", "XKSPROXY_CLUSTER_SECRET", "XKSPROXY_AUDIT_KEY":
		return strings.Repeat("secret/", 7), true
	}
	return "", false
}

func readReference(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheReferenceFileLoads(t *testing.T) {
	var f proxy.File
	if err := config.Parse("xksproxy.yaml", []byte(readReference(t)), environment, &f); err != nil {
		t.Fatal(err)
	}
	if f.Stores[0].RateLimit != proxy.DefaultRateLimit || f.Stores[0].Concurrency != proxy.DefaultConcurrency || f.Stores[0].Deadline != proxy.DefaultDeadline {
		t.Errorf("the file shows other defaults than there are: %+v", f.Stores[0])
	}
}

// Each change of the reference file is refused with the line it is in, and
// without showing what stands there.
func TestFilesThatAreRefused(t *testing.T) {
	text := readReference(t)
	for _, row := range []struct {
		what, old, new string
		at             string // what stands in the line of the error; "": new
		msg            string
	}{
		{"address", "0.0.0.0:443", "nowhere", "", "HOST:PORT"},
		{"metrics address", "127.0.0.1:9464", "9464", "", "HOST:PORT"},
		{"no certificate", "cert: /etc/xksproxy/server.pem", "cert: ''", "", "HTTPS only"},
		{"no private key", "key: /etc/xksproxy/server-key.pem", "key: ''", "", "private key"},
		{"client names alone", "client_ca: /etc/xksproxy/client-ca.pem", "client_ca: ''", "client_names:", "belong together"},
		{"unknown key", "workers: 2", "worker: 2", "", "workers"},
		{"profile", "profile: softhsm", "profile: abacus", "", "nshield"},
		{"negative", "workers: 2", "workers: -2", "", "negative"},
		{"no module path", "path: /usr/lib/softhsm/libsofthsm2.so", "path: ''", "", "PKCS#11 module"},
		{"no PIN", "pin: {env: XKSPROXY_PIN}", "pin: ''", "", "must be given"},
		{"unknown module", "module: softhsm\n    # Which", "module: luna\n    # Which", "", "not defined"},
		{"unknown token", "token: pair", "token: spare", "", "not defined"},
		{"no token of several", "token: pair", "token: ''", "", "several"},
		{"group of an unknown token", "tokens: [main, second]", "tokens: [main, third]", "", "no token of this file"},
		{"group of a group", "tokens: [main, second]", "tokens: [main, pair]", "", "no token of this file"},
		{"group with a token twice", "tokens: [main, second]", "tokens: [main, main]", "", "already"},
		{"group of nothing", "tokens: [main, second]", "tokens: []", "", "at least one"},
		{"group of eleven", "tokens: [main, second]", "tokens: [a, b, c, d, e, f, g, h, i, j, k]", "", "at most 10"},
		{"group with a token's name", "name: pair", "name: main", "", "another entry"},
		{"group without a name", "name: pair", "name: ''", "", "must be given"},
		{"prefix", "path_prefix: /tenant-1", "path_prefix: tenant-1/", "", "slash"},
		{"access key ID", "ABCDEFGHIJKLMNOPQRSTUVWX", "abc", "", "A-Z 2-7"},
		{"secret", "secret: {env: XKSPROXY_SECRET}", "secret: hushhush", "", "43 to 64"},
		{"no credential", "credentials:\n      - access_key_id: ABCDEFGHIJKLMNOPQRSTUVWX\n        secret: {env: XKSPROXY_SECRET}\n        # The day it was made, for the metric of its age. Left out: the age counts\n        # from when this process first accepted it.\n        since: 2026-07-14", "credentials: []", "", "at least one"},
		{"key ID", "id: orders-2026", "id: orders/2026", "", "A-Z a-z"},
		{"one key ID twice", "id: payroll", "id: orders-2026", "", "another entry"},
		{"sample metadata", "metadata_b64: a2V5X3ZlcnNpb249MQ==", "metadata_b64: '?'", "", "standard base64"},
		{"sample metadata too long", "a2V5X3ZlcnNpb249MQ==", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA", "", "at most 20 bytes"},
		{"sample metadata like ours", "a2V5X3ZlcnNpb249MQ==", "AQAAAAE=", "", "cannot be told apart"},
		{"unknown sample member", "metadata_b64: a2V", "metadata: a2V", "", "metadata"},
		{"deadline without unit", "deadline: 200ms", "deadline: 200", "", "unit"},
		{"clusters without the switch", "simulate_clusters: true\n", "simulate_clusters: false\n", "clusters:\n  - id", "simulate_clusters: true"},
		{"since", "since: 2026-07-14", "since: 14 July", "", "such as 2026-07-14"},
		{"drain", "drain_delay: 0s", "drain_delay: -1s", "", "negative"},
		{"traces", "endpoint: http://127.0.0.1:4318", "endpoint: 127.0.0.1:4318", "", "URL"},
		{"traces with a password", "endpoint: http://127.0.0.1:4318", "endpoint: http://a:hush@127.0.0.1:4318", "", "URL"},
		{"sample", "sample: 1", "sample: -1", "", "negative"},
		{"no audit file", "file: /var/log/xksproxy/audit.jsonl", "file: ''", "", "path of the audit log"},
		{"audit size", "max_size: 104857600", "max_size: -1", "", "negative"},
		{"audit key", "key: {env: XKSPROXY_AUDIT_KEY}", "key: hushhush", "", "at least 32"},
		{"cluster profile", "profile: softhsm\n    # customerCA.crt", "profile: abacus\n    # customerCA.crt", "", "nshield"},
		{"cluster ID", "id: cluster-2abcdefghij", "id: ../x", "", "cluster-"},
	} {
		t.Run(row.what, func(t *testing.T) {
			changed := strings.Replace(text, row.old, row.new, 1)
			if changed == text {
				t.Fatalf("the reference file has no %q", row.old)
			}
			var f proxy.File
			err := config.Parse("x.yaml", []byte(changed), environment, &f)
			var ce *config.Error
			if !errors.As(err, &ce) {
				t.Fatalf("got %v", err)
			}
			at := strings.Index(text, row.old)
			if row.at != "" {
				at = strings.Index(changed, row.at)
			}
			if want := 1 + strings.Count(changed[:at], "\n"); ce.Line != want {
				t.Errorf("line %d, want %d: %v", ce.Line, want, err)
			}
			if msg := err.Error(); !strings.Contains(msg, row.msg) || strings.Contains(msg, "hush") || strings.Contains(msg, "\n") {
				t.Errorf("got %s", msg)
			}
		})
	}
}

// Faults can be injected from the machine itself alone.
func TestFaultsNeedALoopbackAddress(t *testing.T) {
	text := strings.Replace(readReference(t), "inject_faults: false", "inject_faults: true", 1)
	for address, ok := range map[string]bool{"127.0.0.1:9464": true, "localhost:9464": true, "'[::1]:9464'": true, ":9464": false, "0.0.0.0:9464": false, "10.0.0.1:9464": false, "''": false} {
		var f proxy.File
		err := config.Parse("x.yaml", []byte(strings.Replace(text, "127.0.0.1:9464", address, 1)), environment, &f)
		if (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// Profiles are for the machine itself alone; the error stands in the switch's line.
func TestProfilesNeedALoopbackAddress(t *testing.T) {
	text := strings.Replace(readReference(t), "pprof: false", "pprof: true", 1)
	line := 1 + strings.Count(text[:strings.Index(text, "pprof: true")], "\n")
	for address, ok := range map[string]bool{"127.0.0.1:9464": true, "0.0.0.0:9464": false, "''": false} {
		var f proxy.File
		err := config.Parse("x.yaml", []byte(strings.Replace(text, "127.0.0.1:9464", address, 1)), environment, &f)
		var ce *config.Error
		if (err == nil) != ok || err != nil && (!errors.As(err, &ce) || ce.Line != line) {
			t.Errorf("%s: %v", address, err)
		}
	}
}
