package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hyok/hsm"
	"hyok/internal/logtest"
	"hyok/internal/sigv4"
	"hyok/proxy/audit"
	"hyok/proxy/xks"
	"hyok/softhsm"
	"hyok/softhsm/softhsmtest"
)

var (
	first  = sigv4.Credential{AccessKeyID: strings.Repeat("A", 20), Secret: strings.Repeat("a", 43)}
	second = sigv4.Credential{AccessKeyID: strings.Repeat("B", 20), Secret: strings.Repeat("b", 43)}
)

// configuration is the file of the tests; the credential's letter is filled in.
const configuration = `
listen: 127.0.0.1:0
metrics_listen: 127.0.0.1:0
tls: {cert: server.pem, key: server-key.pem}
modules: [{name: softhsm, path: %s}]
tokens: [{name: main, label: %s, pin: {env: XKSPROXY_PIN}}]
stores:
  - path_prefix: /tenant
    credentials: [{access_key_id: %s, secret: %s}]
    all_keys: true
    deadline: 5s
audit: {file: audit.jsonl}
pprof: true
inject_faults: true
simulate_clusters: true
clusters:
  - {id: cluster-1, label: %s, profile: cloudhsm, trust_anchor: ca.pem, zones: [a, b], credentials: [{access_key_id: %s, secret: %s}]}
`

// A child is a running xksproxy.
type child struct {
	*exec.Cmd
	dir, module, keys, cluster string
	env                        []string
	log                        chan map[string]any // its log, line by line
	text                       logtest.Buffer      // all of it
	address                    map[string]string   // by endpoint
	started                    time.Time
}

// startChild makes tokens and a key, and starts the command on them. more goes into
// its file.
func startChild(t *testing.T, more ...string) *child {
	t.Helper()
	c := &child{dir: t.TempDir()}
	c.keys, c.cluster = softhsmtest.Label(t), softhsmtest.Label(t)
	tokens := softhsmtest.TestDir(t, c.keys, c.cluster)
	var err error
	if c.module, err = softhsm.Module(); err != nil {
		t.Fatal(err)
	}
	c.makeKey(t)
	if err := writeCertificate(c.dir); err != nil {
		t.Fatal(err)
	}
	c.configure(t, first)
	for _, line := range more {
		c.addLine(t, line)
	}
	c.env = append(os.Environ(), asDaemon+"=1", "XKSPROXY_PIN="+softhsmtest.PIN, "SOFTHSM2_CONF="+tokens.Conf())
	c.start(t)
	return c
}

// start starts the command, perhaps once more, and waits until it serves.
func (c *child) start(t testing.TB) {
	t.Helper()
	c.Cmd = exec.Command(os.Args[0], "--config", "xksproxy.yaml")
	c.Dir, c.Env = c.dir, c.env
	c.log, c.address = make(chan map[string]any, 1000), map[string]string{}
	stderr, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.started = time.Now()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	process, log := c.Process, c.log
	t.Cleanup(func() { _ = process.Kill() })
	go c.readLog(stderr, log)
	for len(c.address) < 2 {
		line := c.until(t, "serving")
		c.address[line["endpoint"].(string)] = line["address"].(string)
	}
}

func (c *child) readLog(r io.Reader, log chan<- map[string]any) {
	defer close(log)
	for s := bufio.NewScanner(r); s.Scan(); {
		line := map[string]any{"msg": s.Text()}
		_ = json.Unmarshal(s.Bytes(), &line)
		fmt.Fprintln(&c.text, s.Text())
		if line["msg"] == "request" && len(log) > cap(log)/2 {
			continue // nobody reads them
		}
		log <- line
	}
}

// until reads the log to the line with this message.
func (c *child) until(t testing.TB, msg string) map[string]any {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case line, ok := <-c.log:
			if !ok {
				t.Fatalf("the command ended before it logged %q", msg)
			}
			if line["msg"] == msg {
				return line
			}
		case <-late:
			t.Fatalf("no log line %q", msg)
		}
	}
}

// makeKey makes the external key, and leaves the module to the child.
func (c *child) makeKey(t *testing.T) {
	t.Helper()
	m, err := hsm.Load(hsm.ModuleConfig{Path: c.module})
	if err != nil {
		t.Fatal(err)
	}
	token, err := m.Open(t.Context(), hsm.TokenConfig{Label: c.keys, PIN: softhsmtest.PIN})
	if err == nil {
		_, err = token.CreateKey(t.Context(), "key")
	}
	if err = errors.Join(err, m.Close()); err != nil {
		t.Fatal(err)
	}
}

func (c *child) configure(t *testing.T, cred sigv4.Credential) {
	t.Helper()
	text := fmt.Sprintf(configuration, c.module, c.keys, cred.AccessKeyID, cred.Secret, c.cluster, cred.AccessKeyID, cred.Secret)
	if err := os.WriteFile(filepath.Join(c.dir, "xksproxy.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// addLine adds a line to the file.
func (c *child) addLine(t *testing.T, line string) {
	t.Helper()
	name := filepath.Join(c.dir, "xksproxy.yaml")
	text, err := os.ReadFile(name)
	if err == nil {
		err = os.WriteFile(name, append(text, line+"\n"...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// encrypt sends one Encrypt signed with cred.
func (c *child) encrypt(t *testing.T, cred sigv4.Credential) error {
	t.Helper()
	client := c.client(t, cred)
	defer client.Close()
	return encryptWith(client)
}

func (c *child) get(t *testing.T, path string) (int, string) {
	t.Helper()
	resp, err := http.Get("http://" + c.address["metrics"] + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

func TestTheDaemonServesReloadsAndStops(t *testing.T) {
	c := startChild(t)
	if err := c.encrypt(t, first); err != nil {
		t.Error(err)
	}
	if line := c.until(t, "request"); line["outcome"] != "ok" || line["kms_request_id"] != "r" {
		t.Errorf("logged %v", line)
	}
	if status, body := c.get(t, "/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if _, body := c.get(t, "/metrics"); !strings.Contains(body, `outcome="ok"`) || !strings.Contains(body, "hyok_build_info") {
		t.Errorf("/metrics lacks the request or the build")
	}
	for _, line := range []string{
		"hyok_xks_certificate_expiry_days 36", `hyok_xks_credential_age_days{access_key_id="AAAAAAAAAAAAAAAAAAAA",store="/tenant"} `,
		`hyok_hsm_calls_total{operation="Encrypt",outcome="ok",token="main"} 1`, `hyok_hsm_call_seconds_count{operation="Decrypt",token="main"} 1`,
		`hyok_hsm_wait_seconds_count{token="main"} `, `hyok_hsm_breaker_open{token="main"} 0`,
		`hyok_hsm_workers_wanted{token="cluster-1"} 9`, // eight of its profile
	} {
		if _, body := c.get(t, "/metrics"); !strings.Contains(body, "\n"+line) {
			t.Errorf("/metrics lacks %s", line)
		}
	}
	if status, body := c.get(t, "/faults"); status != http.StatusOK {
		t.Errorf("/faults: %d %s", status, body)
	}

	if status, body := c.get(t, "/debug/pprof/goroutine?debug=1"); status != http.StatusOK || !strings.Contains(body, "goroutine profile") {
		t.Errorf("/debug/pprof/goroutine: %d %s", status, body)
	}

	// SIGHUP takes the new credentials over, and refuses a file that is wrong.
	c.configure(t, second)
	c.signal(t, syscall.SIGHUP)
	c.until(t, "the key stores were reloaded")
	var refused *xks.Error
	if err := c.encrypt(t, first); !errors.As(err, &refused) || refused.Name != xks.AuthenticationFailedException {
		t.Errorf("the old credential after the reload: %v", err)
	}
	c.configure(t, sigv4.Credential{AccessKeyID: "short", Secret: "hush"})
	c.signal(t, syscall.SIGHUP)
	if line := c.until(t, "the configuration was not reloaded"); strings.Contains(fmt.Sprint(line), "hush") {
		t.Errorf("logged %v", line)
	}
	if err := c.encrypt(t, second); err != nil {
		t.Errorf("the new credential after both reloads: %v", err)
	}

	start := time.Now()
	c.signal(t, syscall.SIGTERM)
	if err := c.Wait(); err != nil || time.Since(start) > 5*time.Second {
		t.Errorf("the end: %v after %s", err, time.Since(start))
	}
	// opened, two requests, closed
	if r, err := audit.Check("", filepath.Join(c.dir, "audit.jsonl")); err != nil || r.First != 1 || r.Last != 4 {
		t.Errorf("the audit log: %+v %v", r, err)
	}
}

func (c *child) signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := c.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func TestAWrongPINEndsTheStart(t *testing.T) {
	c := startChild(t)
	c.signal(t, syscall.SIGTERM)
	_ = c.Wait()
	again := exec.Command(os.Args[0], "--config", "xksproxy.yaml")
	again.Dir = c.dir
	again.Env = append(c.Env, "XKSPROXY_PIN=000000")
	out, err := again.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || strings.Contains(string(out), "000000") || !strings.Contains(string(out), "PIN") {
		t.Errorf("got %v: %s", err, out)
	}
}

// A balancer that asks while the proxy ends sees that it is not ready, and what it
// still sends is answered.
func TestTheDaemonSaysThatItEndsBeforeItDoes(t *testing.T) {
	c := startChild(t, "drain_delay: 2s")
	c.signal(t, syscall.SIGTERM)
	for ready := http.StatusOK; ready == http.StatusOK; {
		var body string
		if ready, body = c.get(t, "/readyz"); ready == http.StatusServiceUnavailable && body != "shutting down\n" {
			t.Errorf("/readyz: %s", body)
		}
	}
	if err := c.encrypt(t, first); err != nil {
		t.Errorf("while it ends: %v", err)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}
