package keystore

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"hyok/certs"
	"hyok/certs/certstest"
)

// A session that is resumed does not show the certificate: a renewed one is seen
// all the same, after a minute, and until then sessions are resumed.
func TestARenewedCertificateIsSeenDespiteResumption(t *testing.T) {
	kit := certstest.New(t)
	var current atomic.Pointer[tls.Certificate]
	show := func(name string) {
		leaf := certstest.Server()
		leaf.CommonName = name
		c := kit.Issue(t, leaf)
		current.Store(&c)
	}
	show("first")
	config, err := certs.ServerConfig(certs.ServerTLS{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current.Load(), nil }})
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go greet(l)

	seen, now := 0, time.Now()
	client := kit.ClientConfig()
	client.ServerName = "localhost"
	w := watchCertificates(client, func() { seen++ })
	w.now = func() time.Time { return now }
	for _, step := range []struct {
		what    string
		do      func()
		resumed bool
		name    string
		seen    int
	}{
		{"the first handshake", func() {}, false, "first", 1},
		{"the second", func() {}, true, "first", 1},
		{"after the renewal", func() { show("second") }, true, "first", 1},
		{"a minute later", func() { now = now.Add(time.Minute) }, false, "second", 2},
		{"and once more", func() {}, true, "second", 2},
		{"with nothing new after a minute", func() { now = now.Add(time.Minute) }, false, "second", 2},
	} {
		step.do()
		if got := handshake(t, l.Addr().String(), client); got != step.resumed {
			t.Errorf("%s: resumed %t", step.what, got)
		}
		if name := certificateName(w.last.Load()); name != step.name || seen != step.seen {
			t.Errorf("%s: saw %s, told %d times; want %s, %d", step.what, name, seen, step.name, step.seen)
		}
	}
}

// greet sends a byte on each connection, behind the session tickets.
func greet(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = c.Write([]byte{0})
		_ = c.Close()
	}
}

// handshake reports whether a session was resumed.
func handshake(t *testing.T, addr string, c *tls.Config) bool {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, c)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return conn.ConnectionState().DidResume
}

func TestCertificateName(t *testing.T) { // guide 004:7641
	for _, tc := range []struct {
		cn   string
		dns  []string
		want string
	}{
		{"xks.example.com", []string{"a.example.com"}, "xks.example.com"},
		{"", []string{"a.example.com", "b.example.com"}, "a.example.com"},
		{"", nil, ""},
	} {
		if got := certificateName(&x509.Certificate{Subject: pkix.Name{CommonName: tc.cn}, DNSNames: tc.dns}); got != tc.want {
			t.Errorf("%q, %q: %q, want %q", tc.cn, tc.dns, got, tc.want)
		}
	}
}
