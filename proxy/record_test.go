package proxy_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hyok/internal/fault"
	"hyok/internal/sigv4"
	"hyok/proxy"
	"hyok/proxy/audit"
	"hyok/proxy/xks"
)

// audited is a rig with an audit log, and the log.
func audited(t *testing.T, more ...func(*proxy.Config)) (*rig, *audit.Log, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	log, err := audit.Open(audit.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(c *proxy.Config) {
		c.Audit = log
		for _, change := range more {
			change(c)
		}
	})
	t.Cleanup(func() { _ = log.Close() })
	return r, log, path
}

// lines gives the lines about requests.
func lines(t *testing.T, path string) (all []map[string]any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		if m["event"] == nil {
			all = append(all, m)
		}
	}
	return all
}

func TestEveryRequestWithAGoodSignatureIsInTheAuditLog(t *testing.T) {
	r, _, path := audited(t)
	body := encryptBody()
	for i, row := range []struct {
		what    string
		request request
		outcome string // "": no line
	}{
		{"success", request{path: "/keys/good/encrypt", body: body}, "ok"},
		{"another operation", request{path: "/keys/good/metadata", body: body}, "ok"},
		{"health", request{path: "/health", body: body}, "ok"},
		{"a refusal", request{path: "/keys/off/encrypt", body: body}, "InvalidStateException"},
		{"a key that is not there", request{path: "/keys/none/encrypt", body: body}, "KeyNotFoundException"},
		{"a body that is none", request{path: "/keys/good/encrypt", body: "{"}, "ValidationException"},
		{"a wrong signature", request{path: "/keys/good/encrypt", body: body, credential: sigv4.Credential{AccessKeyID: short.AccessKeyID, Secret: "x"}}, ""},
		{"a path that is none", request{path: "/keys/good/wrap", body: body}, ""},
	} {
		before := len(lines(t, path))
		r.do(t, row.request)
		all := lines(t, path)[before:] // the line is there before the answer
		if row.outcome == "" {
			if len(all) != 0 {
				t.Errorf("%s: got %v", row.what, all)
			}
			continue
		}
		if len(all) != 1 || all[0]["outcome"] != row.outcome || all[0]["store"] != prefix || all[0]["access_key_id"] != short.AccessKeyID {
			t.Errorf("%s: got %v", row.what, all)
		}
		if i == 0 && (all[0]["key"] != "good" || all[0]["operation"] != "Encrypt" || all[0]["kms_operation"] != "Encrypt" || all[0]["kms_request_id"] != "not-a-uuid" ||
			all[0]["principal"] != "arn:aws:iam::123456789012:user/Alice" || all[0]["kms_key"] != "arn:aws:kms:us-east-2:123456789012:/key/1234abcd") {
			t.Errorf("%s: got %v", row.what, all[0])
		}
	}
	if _, err := audit.Check("", path); err != nil {
		t.Error(err)
	}
}

// The policy that decided is in the line, like the outcome that came of it.
func TestTheDecidingPolicyIsInTheAuditLog(t *testing.T) {
	for _, row := range []struct {
		dryRun    bool
		principal string
		outcome   string
		policy    string
		wouldDeny any
	}{
		{false, alice, "ok", "alice", nil},
		{false, "AWS Internal", "AccessDeniedException", "default", nil},
		{true, alice, "ok", "alice", nil},
		{true, "AWS Internal", "ok", "default", true},
	} {
		r, _, path := audited(t, guarded(t, onlyAlice, row.dryRun))
		r.do(t, request{path: "/keys/good/encrypt", body: by(encryptBody(), row.principal, "Encrypt")})
		all := lines(t, path)
		if len(all) != 1 || all[0]["outcome"] != row.outcome || all[0]["policy"] != row.policy || all[0]["policy_would_deny"] != row.wouldDeny {
			t.Errorf("%+v: got %v", row, all)
		}
		r.do(t, request{path: "/health", body: encryptBody()})
		if all := lines(t, path); len(all) != 2 || all[1]["policy"] != nil {
			t.Errorf("of health, about which no policy is asked: %v", all)
		}
	}
}

func TestWithoutTheAuditLogNoRequestIsAnswered(t *testing.T) {
	r, log, _ := audited(t)
	_, decrypt := r.sealed(t, "good")
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	for path, body := range map[string]any{"/keys/good/encrypt": encryptBody(), "/keys/good/decrypt": decrypt, "/keys/off/encrypt": encryptBody()} {
		a := r.do(t, request{path: path, body: body})
		a.want(t, path, xks.InternalException)
		if strings.Contains(string(a.body), "plaintext") || !xks.InternalException.Retryable() {
			t.Errorf("%s: got %s", path, a.body)
		}
	}
	r.https.Close() // waits for the handlers
	wantLines(t, scrape(r.registry), "hyok_xks_audit_failures_total 3")
	if log := r.log.String(); !strings.Contains(log, "writing the audit log: file already closed") {
		t.Errorf("logged %s", log)
	}
}

// A request that is cut on purpose has passed the signature, and has its line.
func TestACutRequestIsInTheAuditLog(t *testing.T) {
	r, _, path := audited(t)
	if _, err := r.faults.Add(fault.Rule{At: fault.Proxy, Reset: true}); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(soon(t), http.MethodPost, r.https.URL+prefix+xks.BasePath+"/health", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.sign(t, req, []byte("{}"), request{})
	if resp, err := r.http.Do(req); err == nil {
		resp.Body.Close()
		t.Fatal("it was answered")
	}
	if all := lines(t, path); len(all) == 0 || all[0]["outcome"] != "aborted" {
		t.Errorf("got %v", all)
	}
}
