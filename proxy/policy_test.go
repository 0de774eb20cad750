package proxy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"hyok/internal/config"
	"hyok/internal/fault"
	"hyok/internal/sigv4"
	"hyok/proxy"
	"hyok/proxy/policy"
	"hyok/proxy/xks"
)

// onlyAlice is the user of metadataOf, who may not re-encrypt.
const onlyAlice = `@id("alice") permit (principal == Principal::"arn:aws:iam::123456789012:user/Alice", action, resource);
@id("no-reencrypt") forbid (principal, action, resource) when { context.kmsOperation == "ReEncrypt" };`

// guarded is a store with the policies in text.
func guarded(t *testing.T, text string, dryRun bool) func(*proxy.Config) {
	t.Helper()
	set, err := policy.Parse("x.cedar", []byte(text), prefix)
	if err != nil {
		t.Fatal(err)
	}
	return func(c *proxy.Config) { c.Stores[0].Policy, c.Stores[0].PolicyDryRun = set, dryRun }
}

// by is body from another principal or for another operation of KMS.
func by(body members, principal, kmsOperation string) members {
	m := body["requestMetadata"].(members)
	return body.with("requestMetadata", m.with("awsPrincipalArn", principal).with("kmsOperation", kmsOperation))
}

const alice = "arn:aws:iam::123456789012:user/Alice"

// 401 before 404 and the key's state, those before 403, 403 before 400.
func TestThePolicyComesBetweenKeyAndFields(t *testing.T) {
	stranger := sigv4.Credential{AccessKeyID: strings.Repeat("Q", 20), Secret: strings.Repeat("q", 43)}
	mallory := by(encryptBody(), "arn:aws:iam::123456789012:user/Mallory", "Encrypt")
	bad := mallory.with("plaintext", make([]byte, 4301))
	listed := map[string]proxy.Key{"good": {}, "blocked": {Label: "good", Disabled: true}, "sealer": {}, "gone": {}}
	for _, row := range []struct {
		what string
		list bool // the store lists its keys
		q    request
		want xks.ErrorName
	}{
		{"signature, before policy", true, request{path: "/keys/none/encrypt", body: bad, credential: stranger}, xks.AuthenticationFailedException},
		{"metadata, before policy", true, request{path: "/keys/good/encrypt", body: by(bad, alice, "")}, xks.ValidationException},
		{"key unlisted, before policy", true, request{path: "/keys/none/encrypt", body: bad}, xks.KeyNotFoundException},
		{"key unlisted, metadata of it", true, request{path: "/keys/none/metadata", body: bad}, xks.KeyNotFoundException},
		{"key listed and not on the device", true, request{path: "/keys/gone/encrypt", body: bad}, xks.KeyNotFoundException},
		{"key not on the device, before policy", false, request{path: "/keys/none/encrypt", body: bad}, xks.KeyNotFoundException},
		{"key not on the device, metadata of it", false, request{path: "/keys/none/metadata", body: bad}, xks.KeyNotFoundException},
		{"key blocked, before policy", true, request{path: "/keys/blocked/encrypt", body: bad}, xks.InvalidStateException},
		{"key disabled, before policy", false, request{path: "/keys/off/encrypt", body: bad}, xks.InvalidStateException},
		{"policy, before fields", true, request{path: "/keys/good/encrypt", body: bad}, xks.AccessDeniedException},
		{"policy, before base64", false, request{path: "/keys/good/encrypt", body: bad.with("plaintext", "?")}, xks.AccessDeniedException},
		{"policy, before usage", true, request{path: "/keys/sealer/decrypt", body: mallory}, xks.AccessDeniedException},
		{"policy, of metadata", true, request{path: "/keys/good/metadata", body: mallory}, xks.AccessDeniedException},
		{"fields of one who is allowed", true, request{path: "/keys/good/encrypt", body: by(bad, alice, "Encrypt")}, xks.UnsupportedOperationException},
		{"one who is allowed", true, request{path: "/keys/good/encrypt", body: encryptBody()}, ""},
		{"an operation of KMS that nobody knows", true, request{path: "/keys/good/encrypt", body: by(encryptBody(), alice, "Unheard")}, ""},
		{"health is exempt", true, request{path: "/health", body: members{"requestMetadata": members{"kmsOperation": "KmsHealthCheck", "kmsRequestId": "1"}}}, ""},
	} {
		t.Run(row.what, func(t *testing.T) {
			guard := guarded(t, onlyAlice, false)
			r := newRig(t, func(c *proxy.Config) {
				if guard(c); row.list {
					c.Stores[0].Keys = listed
				}
			})
			r.do(t, row.q).want(t, row.what, row.want)
		})
	}
}

func TestADenialIsLoggedAndTellsNothing(t *testing.T) {
	r := newRig(t, guarded(t, onlyAlice, false))
	denied := []struct{ principal, kmsOperation, policy string }{
		{"AWS Internal", "Encrypt", policy.Default},
		{"ec2.amazonaws.com", "Encrypt", policy.Default},
		{alice, "ReEncrypt", "no-reencrypt"},
	}
	for _, row := range denied {
		a := r.do(t, request{path: "/keys/good/encrypt", body: by(encryptBody(), row.principal, row.kmsOperation)})
		a.want(t, row.principal, xks.AccessDeniedException)
		for _, secret := range []string{row.principal, row.policy, "cedar", row.kmsOperation, "good"} {
			if strings.Contains(string(a.body), secret) {
				t.Errorf("the answer tells %q: %s", secret, a.body)
			}
		}
	}
	r.do(t, request{path: "/keys/good/encrypt", body: encryptBody()}).want(t, "alice", "")
	for i, line := range r.logged(t, len(denied)+1) {
		name := "alice"
		if i < len(denied) {
			name = denied[i].policy
		}
		if !strings.Contains(line, `"policy":"`+name+`"`) || !strings.Contains(line, `"level":"INFO"`) || strings.Contains(line, "would") {
			t.Errorf("logged %s", line)
		}
	}
	r.wantDecisions(t, `
hyok_xks_policy_decisions_total{outcome="allowed",store="/tenant-1"} 1
hyok_xks_policy_decisions_total{outcome="denied",store="/tenant-1"} 3
hyok_xks_policy_decisions_total{outcome="would_deny",store="/tenant-1"} 0
`)
}

func TestADryRunRefusesNothingAndWarns(t *testing.T) {
	r := newRig(t, guarded(t, onlyAlice, true))
	r.do(t, request{path: "/keys/good/encrypt", body: by(encryptBody(), "AWS Internal", "Encrypt")}).want(t, "AWS Internal", "")
	r.do(t, request{path: "/keys/good/metadata", body: by(encryptBody(), alice, "CreateKey")}).want(t, "alice", "")
	lines := r.logged(t, 2)
	if line := lines[0]; !strings.Contains(line, `"level":"WARN"`) || !strings.Contains(line, `"policy":"default","policy_would_deny":true`) {
		t.Errorf("logged %s", line)
	}
	if line := lines[1]; !strings.Contains(line, `"level":"INFO"`) || strings.Contains(line, "would") {
		t.Errorf("logged %s", line)
	}
	r.wantDecisions(t, `
hyok_xks_policy_decisions_total{outcome="allowed",store="/tenant-1"} 1
hyok_xks_policy_decisions_total{outcome="denied",store="/tenant-1"} 0
hyok_xks_policy_decisions_total{outcome="would_deny",store="/tenant-1"} 1
`)
}

// A denial does not wait for the device to be well: only a key that is surely
// missing or disabled comes before it.
func TestADenialNeedsNoDevice(t *testing.T) {
	r := newRig(t, guarded(t, `permit (principal == Principal::"nobody", action, resource);`, false))
	if _, err := r.faults.Add(fault.Rule{At: fault.HSM, Op: "*", Error: "CKR_DEVICE_ERROR"}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/keys/good/encrypt", "/keys/good/metadata"} {
		r.do(t, request{path: path, body: encryptBody()}).want(t, path, xks.AccessDeniedException)
	}
}

// logged ends the server, since the last line is written after the answer, and
// gives the n lines of the log.
func (r *rig) logged(t *testing.T, n int) []string {
	t.Helper()
	r.https.Close()
	lines := strings.Split(strings.TrimSpace(r.log.String()), "\n")
	if len(lines) != n {
		t.Fatalf("%d lines, want %d: %v", len(lines), n, lines)
	}
	return lines
}

func (r *rig) wantDecisions(t *testing.T, samples string) {
	t.Helper()
	const name = "hyok_xks_policy_decisions_total"
	head := "# HELP " + name + " Decisions of the key owner's policies; would_deny is a refusal in a dry run.\n# TYPE " + name + " counter"
	if err := testutil.GatherAndCompare(r.registry.Prometheus(), strings.NewReader(head+samples), name); err != nil {
		t.Error(err)
	}
}

// A policy file is read with the configuration; a bad one is told with its line.
func TestPoliciesOfAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tenant-1.cedar")
	text := strings.Replace(readReference(t), "/etc/xksproxy/tenant-1.cedar", path, 1)
	var f proxy.File
	if err := config.Parse("x.yaml", []byte(text), environment, &f); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ text, want string }{
		{onlyAlice, ""},
		{onlyAlice + "\npermit (who);", path + ":3: "},
	} {
		if err := os.WriteFile(path, []byte(row.text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := f.CheckPolicies()
		if (err == nil) != (row.want == "") || err != nil && (!strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("got %v, want %q", err, row.want)
		}
	}
	f = proxy.File{}
	err := config.Parse("x.yaml", []byte(strings.Replace(text, "file: "+path+"\n      dry_run: false", "dry_run: true", 1)), environment, &f)
	if err == nil || !strings.Contains(err.Error(), "needs file") {
		t.Errorf("a dry run of nothing: %v", err)
	}
}
