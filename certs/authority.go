// Package certs makes and serves certificates: a local certificate authority, the
// TLS profiles of the external key store proxy, of its client and of the KMS
// endpoint, and certificates that are read anew when their files change.
//
// The authority is for one machine and for tests. It is a single self-signed
// ECDSA P-256 root that signs leaves directly; it revokes nothing and keeps no
// list of what it issued.
//
// Limits of the profiles: Go cannot choose among the cipher suites of TLS 1.3, so
// TLS_AES_128_GCM_SHA256 is taken too, which the XKS specification does not list
// (XKS fact 9, custom key stores item 34). Host names are matched with the
// subject alternative names alone; a certificate that has its name only in the
// common name is refused (item 33), so leaves carry it in both.
package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"time"
)

// Lifetimes of what an Authority makes. Certificates begin early, so that a
// client whose clock is a little behind takes them.
const (
	authorityLifetime = 10 * 365 * 24 * time.Hour
	leafLifetime      = 365 * 24 * time.Hour
	backdated         = time.Hour
)

// maxCommonName is the upper bound of a common name in characters (RFC 5280,
// ub-common-name).
const maxCommonName = 64

// An Authority is a certificate authority: its certificate and its private key.
// Its methods may be called at the same time.
type Authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// NewAuthority makes an authority that is valid for ten years from now.
func NewAuthority(commonName string, now time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating the authority's key: %w", err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: commonName},
		NotBefore:             now.Add(-backdated),
		NotAfter:              now.Add(authorityLifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("signing the authority's certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading back the authority's certificate: %w", err)
	}
	return &Authority{cert: cert, key: key}, nil
}

// Certificate gives the authority's certificate, which must not be changed.
func (a *Authority) Certificate() *x509.Certificate { return a.cert }

// CertPEM gives the authority's certificate as PEM.
func (a *Authority) CertPEM() []byte { return certPEM(a.cert.Raw) }

// Pool gives a new pool with the authority as its only root.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// A Leaf says what a certificate is to hold. At least one name is needed. Nothing
// is added to the alternative names, so that a faulty certificate can be made on
// purpose.
type Leaf struct {
	CommonName string        // at most 64 characters; empty: the first of DNSNames that fits
	DNSNames   []string      // subject alternative names
	IPs        []net.IP      // subject alternative names
	Client     bool          // for client authentication; false: for a server
	NotBefore  time.Time     // zero: an hour ago
	NotAfter   time.Time     // zero: 365 days from now, but not beyond the authority's own end
	Key        crypto.Signer // nil: a new ECDSA P-256 key
}

// Issue signs a leaf and gives it with its private key (PKCS #8), both as PEM.
func (a *Authority) Issue(l Leaf) (cert, key []byte, err error) {
	template, err := a.template(l)
	if err != nil {
		return nil, nil, err
	}
	if l.Key == nil {
		if l.Key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, nil, fmt.Errorf("generating the leaf's key: %w", err)
		}
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(l.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding the leaf's key: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, l.Key.Public(), a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("signing the leaf: %w", err)
	}
	return certPEM(der), keyPEM(keyDER), nil
}

func (a *Authority) template(l Leaf) (*x509.Certificate, error) {
	for _, name := range l.DNSNames {
		if l.CommonName == "" && len(name) <= maxCommonName {
			l.CommonName = name
		}
	}
	now := time.Now()
	if l.NotBefore.IsZero() {
		l.NotBefore = now.Add(-backdated)
	}
	if l.NotAfter.IsZero() {
		l.NotAfter = now.Add(leafLifetime)
		if end := a.cert.NotAfter; end.Before(l.NotAfter) {
			l.NotAfter = end
		}
	}
	switch {
	case l.CommonName == "" && len(l.DNSNames) == 0 && len(l.IPs) == 0:
		return nil, errors.New("a leaf needs a name; give a common name, a DNS name or an IP address")
	case len([]rune(l.CommonName)) > maxCommonName:
		return nil, fmt.Errorf("common name of %d characters, at most %d are allowed; put a long name in the DNS names only", len([]rune(l.CommonName)), maxCommonName)
	case !l.NotBefore.Before(l.NotAfter):
		return nil, fmt.Errorf("a leaf from %s to %s is never valid; give a later end, or renew the authority", l.NotBefore.UTC().Format(time.RFC3339), l.NotAfter.UTC().Format(time.RFC3339))
	}
	usage := x509.ExtKeyUsageServerAuth
	if l.Client {
		usage = x509.ExtKeyUsageClientAuth
	}
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: l.CommonName},
		DNSNames:              l.DNSNames,
		IPAddresses:           l.IPs,
		NotBefore:             l.NotBefore,
		NotAfter:              l.NotAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{usage},
		BasicConstraintsValid: true,
	}, nil
}

func certPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func keyPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
