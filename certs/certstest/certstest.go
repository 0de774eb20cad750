// Package certstest gives tests a certificate authority of their own, with
// certificates signed by it and TLS configurations that fit.
package certstest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"hyok/certs"
)

// A Kit is an authority and a server's certificate for localhost, 127.0.0.1 and
// ::1, both also in files that end with the test.
type Kit struct {
	Authority         *certs.Authority
	CAFile            string // the authority's certificate, PEM
	CertFile, KeyFile string // the server's, PEM
}

// New makes a kit. Two kits do not trust each other.
func New(t testing.TB) *Kit {
	t.Helper()
	a, err := certs.NewAuthority("test CA", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	k := &Kit{
		Authority: a,
		CAFile:    filepath.Join(dir, "ca.pem"),
		CertFile:  filepath.Join(dir, "server.pem"),
		KeyFile:   filepath.Join(dir, "server-key.pem"),
	}
	if err := a.Save(k.CAFile, filepath.Join(dir, "ca-key.pem")); err != nil {
		t.Fatal(err)
	}
	k.WriteServer(t, Server())
	return k
}

// Server is the leaf of a kit's server: localhost, 127.0.0.1 and ::1.
func Server() certs.Leaf {
	return certs.Leaf{DNSNames: []string{"localhost"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}}
}

// Issue signs a leaf.
func (k *Kit) Issue(t testing.TB, l certs.Leaf) tls.Certificate {
	t.Helper()
	cert, key, err := k.Authority.Issue(l)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// WriteServer signs a leaf and puts it in the place of the server's files.
func (k *Kit) WriteServer(t testing.TB, l certs.Leaf) {
	t.Helper()
	cert, key, err := k.Authority.Issue(l)
	if err != nil {
		t.Fatal(err)
	}
	if err := certs.WriteLeaf(k.CertFile, k.KeyFile, cert, key); err != nil {
		t.Fatal(err)
	}
}

// ServerConfig gives the proxy's TLS profile with the kit's server certificate,
// read once.
func (k *Kit) ServerConfig(t testing.TB) *tls.Config {
	t.Helper()
	config, err := certs.ServerConfig(certs.ServerTLS{
		CertFile: k.CertFile, KeyFile: k.KeyFile, Watch: certs.Watch{Interval: -1},
	})
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// ClientConfig gives the TLS profile of a proxy's client that trusts the kit's
// authority and shows the certificates given.
func (k *Kit) ClientConfig(certificates ...tls.Certificate) *tls.Config {
	return certs.ClientConfig(k.Authority.Pool(), certificates...)
}

// Static gives one certificate to every client, for ServerTLS.GetCertificate.
func Static(c tls.Certificate) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &c, nil }
}

// RSAKey gives one RSA-2048 key per test program, since making one takes long.
var RSAKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic("certstest: generating an RSA key: " + err.Error())
	}
	return key
})
