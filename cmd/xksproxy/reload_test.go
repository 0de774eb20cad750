package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hyok/certs"
	"hyok/internal/sigv4"
	"hyok/proxy/xks"
)

// The parts of the configuration that tests change.
const allKeys = "    all_keys: true\n"

func credentialsOf(all ...sigv4.Credential) string {
	var entries []string
	for _, c := range all {
		entries = append(entries, fmt.Sprintf("{access_key_id: %s, secret: %s}", c.AccessKeyID, c.Secret))
	}
	return "    credentials: [" + strings.Join(entries, ", ") + "]\n"
}

// rewrite writes the configuration with the first credential and with parts
// replaced, old and new by turns.
func (c *child) rewrite(t *testing.T, parts ...string) {
	t.Helper()
	text := fmt.Sprintf(configuration, c.module, c.keys, first.AccessKeyID, first.Secret, c.cluster, first.AccessKeyID, first.Secret)
	for i := 0; i < len(parts); i += 2 {
		if !strings.Contains(text, parts[i]) {
			t.Fatalf("the configuration has no %q", parts[i])
		}
		text = strings.Replace(text, parts[i], parts[i+1], 1)
	}
	c.write(t, "xksproxy.yaml", text)
}

func (c *child) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (c *child) client(t testing.TB, cred sigv4.Credential) *xks.Client {
	t.Helper()
	pool, err := certs.LoadPool(filepath.Join(c.dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := xks.NewClient(xks.ClientConfig{
		Endpoint: "https://localhost", Path: "/tenant" + xks.BasePath, Credential: cred, Region: "us-east-1",
		TLS: certs.ClientConfig(pool), Resolve: map[string]string{"localhost": c.address["xks"]}, Timeout: 20 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// callPlaintext is what the tests encrypt.
var callPlaintext = []byte("x")

func callMetadata(op string) xks.RequestMetadata {
	return xks.RequestMetadata{AWSPrincipalArn: "p", KMSKeyArn: "k", KMSOperation: op, KMSRequestID: "r"}
}

func encryptWith(client *xks.Client) error {
	_, err := encryptOne(client)
	return err
}

func encryptOne(client *xks.Client) (*xks.EncryptResponse, error) {
	return client.Encrypt(context.Background(), "key", &xks.EncryptRequest{
		RequestMetadata: callMetadata("Encrypt"), Plaintext: callPlaintext,
		EncryptionAlgorithm: xks.AlgorithmAESGCM, CiphertextDataIntegrityValueAlgorithm: xks.AlgorithmSHA256,
	})
}

// untilAnswer encrypts until the answer has this error name ("": none), and
// gives the time that took.
func (c *child) untilAnswer(t *testing.T, cred sigv4.Credential, want xks.ErrorName) time.Duration {
	t.Helper()
	client, start := c.client(t, cred), time.Now()
	defer client.Close()
	for {
		var refused *xks.Error
		err := encryptWith(client)
		took := time.Since(start)
		switch {
		case err == nil && want == "", errors.As(err, &refused) && refused.Name == want:
			return took
		case took > 20*time.Second:
			t.Fatalf("after %s still %v, want %q", took, err, want)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// Every change is in effect below one second after the file was written, without
// a signal.
func TestSwitchesAndCredentialsTakeEffectWithinASecond(t *testing.T) {
	c := startChild(t)
	c.untilAnswer(t, first, "")
	const closed = allKeys + "    disabled: true\n"
	fromFile := fmt.Sprintf("    credentials: [{access_key_id: %s, secret: {file: secret}}]\n", second.AccessKeyID)
	c.write(t, "secret", strings.Repeat("x", 43))
	for _, step := range []struct {
		what   string
		change func()
		signer sigv4.Credential
		want   xks.ErrorName
		status string // of the key, for GetKeyMetadata; "": not asked
	}{
		{"the key is disabled", func() { c.rewrite(t, allKeys, "    keys: [{id: key, disabled: true}]\n") }, first, xks.InvalidStateException, xks.StatusDisabled},
		{"the key is enabled", func() { c.rewrite(t, allKeys, "    keys: [{id: key}]\n") }, first, "", xks.StatusEnabled},
		{"one of all keys is disabled", func() { c.rewrite(t, allKeys, allKeys+"    keys: [{id: key, disabled: true}]\n") }, first, xks.InvalidStateException, xks.StatusDisabled},
		{"another one is", func() { c.rewrite(t, allKeys, allKeys+"    keys: [{id: other, disabled: true}]\n") }, first, "", xks.StatusEnabled},
		{"one of all keys is disabled under another ID", func() { c.rewrite(t, allKeys, allKeys+"    keys: [{id: other, label: key, disabled: true}]\n") }, first, xks.InvalidStateException, xks.StatusDisabled},
		{"none is", func() { c.rewrite(t) }, first, "", xks.StatusEnabled},
		{"the store is disabled", func() { c.rewrite(t, allKeys, closed) }, first, xks.InvalidStateException, xks.StatusDisabled},
		{"the store is enabled", func() { c.rewrite(t) }, first, "", xks.StatusEnabled},
		{"a credential comes", func() { c.rewrite(t, credentialsOf(first), credentialsOf(first, second)) }, second, "", ""},
		{"the first credential goes", func() { c.rewrite(t, credentialsOf(first), credentialsOf(second)) }, first, xks.AuthenticationFailedException, ""},
		{"another secret is in a file", func() { c.rewrite(t, credentialsOf(first), fromFile) }, second, xks.AuthenticationFailedException, ""},
		{"the secret's file changes", func() { c.write(t, "secret", second.Secret+"\n") }, second, "", ""},
	} {
		step.change()
		took := c.untilAnswer(t, step.signer, step.want)
		t.Logf("%s: in effect after %s", step.what, took.Round(time.Millisecond))
		if took >= time.Second {
			t.Errorf("%s: took %s", step.what, took)
		}
		if step.status == "" {
			continue
		}
		client := c.client(t, step.signer)
		m, err := client.GetKeyMetadata(t.Context(), "key", &xks.GetKeyMetadataRequest{
			RequestMetadata: xks.RequestMetadata{AWSPrincipalArn: "p", KMSOperation: "CreateKey", KMSRequestID: "r"}})
		if client.Close(); err != nil || m.KeyStatus != step.status {
			t.Errorf("%s: GetKeyMetadata gives %v, %v", step.what, m, err)
		}
	}
	c.signal(t, syscall.SIGTERM)
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	for _, secret := range []string{first.Secret, second.Secret, "123456"} {
		if strings.Contains(c.text.String(), secret) {
			t.Errorf("the log shows a secret")
		}
	}
}

func TestWhatNeedsARestartIsNamed(t *testing.T) {
	c := startChild(t)
	token := fmt.Sprintf("tokens: [{name: main, label: %s, pin: {env: XKSPROXY_PIN}}]\n", c.keys)
	c.rewrite(t, "listen: 127.0.0.1:0", "listen: 127.0.0.2:0", "inject_faults: true", "inject_faults: false",
		token, strings.Replace(token, "pin:", "workers: 3, pin:", 1))
	if line := c.until(t, "changes are not in effect before a restart"); fmt.Sprint(line["keys"]) != "[listen inject_faults tokens.main]" {
		t.Errorf("logged %v", line)
	}
	c.rewrite(t, "stores:\n", "stores:\n  - path_prefix: /other\n    token: spare\n    all_keys: true\n"+credentialsOf(first),
		"  - path_prefix: /tenant\n", "  - path_prefix: /tenant\n    token: main\n",
		token, strings.Replace(token, "]", ", {name: spare, label: spare, pin: hush}]", 1))
	line := c.until(t, "the configuration was not reloaded")
	if want := `xksproxy.yaml:9: stores.0.token: the token "spare" is new; restart the proxy to open it`; line["cause"] != want {
		t.Errorf("logged %v, want %s", line, want)
	}
	c.rewrite(t, "cert: server.pem", "cert: other.pem", allKeys, "    keys: [{id: another}]\n")
	if line := c.until(t, "the configuration was not reloaded"); !strings.Contains(fmt.Sprint(line["cause"]), "other.pem") {
		t.Errorf("logged %v", line)
	}
	c.write(t, "xksproxy.yaml", "listen: hush\n")
	line = c.until(t, "the configuration was not reloaded")
	if cause := fmt.Sprint(line["cause"]); !strings.HasPrefix(cause, "xksproxy.yaml:1: listen: ") || strings.Contains(cause, "hush") {
		t.Errorf("logged %v", line)
	}
	if err := c.encrypt(t, first); err != nil {
		t.Errorf("after files that were refused: %v", err)
	}
}

// The authorities of client certificates, and their names, come and go; what
// their file holds counts, not only its path.
func TestClientCertificatesAreAskedForWithinASecond(t *testing.T) {
	c := startChild(t)
	shown := "tls: {cert: server.pem, key: server-key.pem}\n"
	asked := strings.Replace(shown, "}", ", client_ca: clients.pem, client_names: [localhost]}", 1)
	authority, err := os.ReadFile(filepath.Join(c.dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	if err := writeCertificate(other); err != nil {
		t.Fatal(err)
	}
	stranger, err := os.ReadFile(filepath.Join(other, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		what   string
		change func()
		bare   bool // a client without a certificate is served
		with   bool // and one with a certificate of ca.pem
	}{
		{"nothing is asked for", func() {}, true, true},
		{"a certificate is asked for", func() { c.write(t, "clients.pem", string(authority)); c.rewrite(t, shown, asked) }, false, true},
		{"another authority's", func() { c.write(t, "clients.pem", string(stranger)) }, false, false},
		{"any name no more", func() {
			c.write(t, "clients.pem", string(authority))
			c.rewrite(t, shown, strings.Replace(asked, "[localhost]", "[elsewhere]", 1))
		}, false, false},
		{"nothing again", func() { c.rewrite(t) }, true, true},
	} {
		step.change()
		for start := time.Now(); ; <-time.After(5 * time.Millisecond) {
			bare, with := c.handshake(t, false), c.handshake(t, true)
			if bare == step.bare && with == step.with {
				break
			}
			if time.Since(start) > time.Second {
				t.Fatalf("%s: after a second bare %t, with a certificate %t", step.what, bare, with)
			}
		}
	}
}

// handshake reports whether a new connection gets an answer.
func (c *child) handshake(t *testing.T, certificate bool) bool {
	t.Helper()
	pool, err := certs.LoadPool(filepath.Join(c.dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	config := certs.ClientConfig(pool)
	if certificate {
		config.Certificates = []tls.Certificate{c.issue(t, certs.Leaf{CommonName: "localhost", Client: true})}
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	resp, err := client.Get("https://localhost:" + c.address["xks"][strings.LastIndexByte(c.address["xks"], ':')+1:])
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil
}

// issue makes a certificate of ca.pem.
func (c *child) issue(t *testing.T, leaf certs.Leaf) tls.Certificate {
	t.Helper()
	a, err := certs.LoadAuthority(filepath.Join(c.dir, "ca.pem"), filepath.Join(c.dir, "ca-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := a.Issue(leaf)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}
