package main

import (
	"crypto/tls"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hyok/certs"
	"hyok/internal/sigv4"
)

const (
	callers = 16
	swaps   = 24
)

// traffic is callers that encrypt without end, each with a kept connection that
// it replaces now and then.
type traffic struct {
	credential atomic.Pointer[sigv4.Credential]
	done       [callers]atomic.Int64
	failed     atomic.Pointer[error]
	stop       chan struct{}
	callers    sync.WaitGroup
}

func (c *child) startTraffic(t *testing.T, cred sigv4.Credential) *traffic {
	tr := &traffic{stop: make(chan struct{})}
	tr.credential.Store(&cred)
	for i := range callers {
		tr.callers.Go(func() { tr.call(t, c, &tr.done[i]) })
	}
	return tr
}

func (tr *traffic) call(t *testing.T, c *child, done *atomic.Int64) {
	var signer *sigv4.Credential
	client := c.client(t, *tr.credential.Load())
	defer func() { client.Close() }()
	for n := 0; ; n++ {
		select {
		case <-tr.stop:
			return
		case <-time.After(10 * time.Millisecond): // about 1,000 a second for all
		}
		if now := tr.credential.Load(); now != signer || n%50 == 0 {
			client.Close()
			client, signer = c.client(t, *now), now
		}
		if err := encryptWith(client); err != nil {
			tr.failed.CompareAndSwap(nil, &err)
		}
		done.Add(1)
	}
}

// sign makes all callers sign with cred, and waits until they do.
func (tr *traffic) sign(t *testing.T, cred sigv4.Credential) {
	t.Helper()
	tr.credential.Store(&cred)
	for i := range tr.done {
		before := tr.done[i].Load()
		for deadline := time.Now().Add(20 * time.Second); tr.done[i].Load() < before+2; <-time.After(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("caller %d does not get on", i)
			}
		}
	}
}

// end stops the callers, and gives how many requests they made.
func (tr *traffic) end() (total int64) {
	close(tr.stop)
	tr.callers.Wait()
	for i := range tr.done {
		total += tr.done[i].Load()
	}
	return total
}

// Reloads, by signal and by file, rotated credentials and renewed certificates
// disturb no request.
func TestNoRequestFailsWhileEverythingIsReplaced(t *testing.T) {
	c := startChild(t)
	unlimited := allKeys + "    rate_limit: -1\n"
	c.rewrite(t, allKeys, unlimited)
	c.until(t, "the key stores were reloaded")
	tr, start := c.startTraffic(t, first), time.Now()
	old, next := first, second
	for i := range swaps {
		switch i % 4 {
		case 0: // both
			c.rewrite(t, allKeys, unlimited, credentialsOf(first), credentialsOf(old, next))
		case 1: // KMS moves over, and the old one goes
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
	}
	c.checkCertificate(t)
	took := time.Since(start)
	total := tr.end()
	if err := tr.failed.Load(); err != nil {
		t.Errorf("a request failed: %v", *err)
	}
	t.Logf("%d swaps, %d requests in %s by %d callers, %.0f a second", swaps, total, took.Round(time.Millisecond), callers, float64(total)/took.Seconds())
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
