package main

import (
	"crypto/tls"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"hyok/certs"
	"hyok/hsm"
	"hyok/softhsm/softhsmtest"
)

const swaps = 24

// Reloads, by signal and by file, rotated credentials, renewed certificates and
// rotated keys disturb no request.
func TestNoRequestFailsWhileEverythingIsReplaced(t *testing.T) {
	c := startChild(t)
	unlimited := allKeys + "    rate_limit: -1\n"
	c.rewrite(t, allKeys, unlimited)
	c.until(t, "the key stores were reloaded")
	token := c.openToken(t)
	tr, start := c.startTraffic(t, first), time.Now()
	old, next := first, second
	for i := range swaps {
		switch i % 4 {
		case 0: // both
			c.rewrite(t, allKeys, unlimited, credentialsOf(first), credentialsOf(old, next))
		case 1: // KMS moves over, and the old one goes
			c.untilAnswer(t, next, "") // the line in the log may be of a reload before
			tr.sign(t, next)
			c.rewrite(t, allKeys, unlimited, credentialsOf(first), credentialsOf(next))
			old, next = next, old
		case 2:
			c.rewrite(t, allKeys, "    keys: [{id: key}]\n    rate_limit: -1\n", credentialsOf(first), credentialsOf(old))
		case 3:
			c.rewrite(t, allKeys, unlimited, credentialsOf(first), credentialsOf(old))
			c.renewCertificate(t)
		}
		if i%8 < 4 {
			c.signal(t, syscall.SIGHUP)
		}
		c.until(t, "the key stores were reloaded")
		if i%4 == 2 {
			tr.rotate(t, token)
		}
	}
	c.checkCertificate(t)
	took := time.Since(start)
	total := tr.end()
	if err := tr.failed.Load(); err != nil {
		t.Errorf("a request failed: %v", *err)
	}
	opened := make([]int, len(tr.sealed))
	for i, s := range tr.sealed {
		if opened[i] = s.opened; versionOf(s.EncryptResponse) != uint32(i+1) || s.opened == 0 {
			t.Errorf("version %d was decrypted %d times", versionOf(s.EncryptResponse), s.opened)
		}
	}
	if want := 1 + swaps/4; len(opened) != want {
		t.Errorf("%d versions encrypted, want %d", len(opened), want)
	}
	t.Logf("%d swaps, %d requests in %s by %d callers, %.0f a second; decryptions by version: %v",
		swaps, total, took.Round(time.Millisecond), callers, float64(total)/took.Seconds(), opened)
}

// openToken opens the external keys' token in this process too, as hyok key rotate
// does in its own.
func (c *child) openToken(t *testing.T) *hsm.Token {
	t.Helper()
	m, err := hsm.Load(hsm.ModuleConfig{Path: c.module})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	token, err := m.Open(t.Context(), hsm.TokenConfig{Label: c.keys, PIN: softhsmtest.PIN})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// rotate makes a new version of the key, and waits until it encrypts.
func (tr *traffic) rotate(t *testing.T, token *hsm.Token) {
	t.Helper()
	k, err := token.RotateKey(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(time.Millisecond) {
		tr.mu.Lock()
		used := len(tr.sealed) > 0 && versionOf(tr.sealed[len(tr.sealed)-1].EncryptResponse) == k.Version
		tr.mu.Unlock()
		if used {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("version %d does not encrypt", k.Version)
		}
	}
}

func (c *child) renewCertificate(t *testing.T) {
	t.Helper()
	a, err := certs.LoadAuthority(filepath.Join(c.dir, "ca.pem"), filepath.Join(c.dir, "ca-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := a.Issue(certs.Leaf{CommonName: "localhost", DNSNames: []string{"localhost"}})
	if err == nil {
		err = certs.WriteLeaf(filepath.Join(c.dir, "server.pem"), filepath.Join(c.dir, "server-key.pem"), cert, key)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// checkCertificate wants the certificate of the file to be shown.
func (c *child) checkCertificate(t *testing.T) {
	t.Helper()
	want, err := certs.LoadCertificate(filepath.Join(c.dir, "server.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool, err := certs.LoadPool(filepath.Join(c.dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	config := certs.ClientConfig(pool)
	config.ServerName = "localhost"
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(10 * time.Millisecond) {
		conn, err := tls.Dial("tcp", c.address["xks"], config.Clone())
		if err != nil {
			t.Fatal(err)
		}
		shown := conn.ConnectionState().PeerCertificates[0]
		if conn.Close(); shown.Equal(want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("an old certificate is shown")
		}
	}
}
