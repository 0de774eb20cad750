package certs

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"time"

	"hyok/internal/durable"
)

// Modes of the files written.
const (
	certMode = 0o644
	keyMode  = 0o600
)

// WriteLeaf writes a certificate (mode 0644) and its private key (0600), both
// PEM, each file atomically. The key comes first: where the certificate's file
// exists, the key's does. Between the two writes they do not match; a Reloader
// waits that out.
func WriteLeaf(certFile, keyFile string, cert, key []byte) error {
	if err := durable.WriteFile(keyFile, key, keyMode); err != nil {
		return fmt.Errorf("writing the key %s: %w", keyFile, err)
	}
	if err := durable.WriteFile(certFile, cert, certMode); err != nil {
		return fmt.Errorf("writing the certificate %s: %w", certFile, err)
	}
	return nil
}

// Save writes the authority's certificate and key as WriteLeaf does.
func (a *Authority) Save(certFile, keyFile string) error {
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return fmt.Errorf("encoding the authority's key: %w", err)
	}
	return WriteLeaf(certFile, keyFile, a.CertPEM(), keyPEM(der))
}

// LoadAuthority reads what Save wrote. A missing file is fs.ErrNotExist.
func LoadAuthority(certFile, keyFile string) (*Authority, error) {
	pair, err := loadPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !pair.Leaf.IsCA || !ok {
		return nil, fmt.Errorf("certificate %s is not a certificate authority's; give the authority's certificate and key", certFile)
	}
	return &Authority{cert: pair.Leaf, key: key}, nil
}

// loadPair reads a certificate chain, leaf first, and the leaf's key.
func loadPair(certFile, keyFile string) (*tls.Certificate, error) {
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate: %w", err)
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("reading the key: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("using certificate %s with key %s: %w; give a PEM certificate chain, leaf first, and the key of the leaf", certFile, keyFile, err)
	}
	return &pair, nil
}

// LoadCertificate reads the first certificate of a PEM file: the leaf of a chain.
func LoadCertificate(file string) (*x509.Certificate, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate: %w", err)
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("reading the certificate %s: %w", file, err)
		}
		return cert, nil
	}
	return nil, fmt.Errorf("%s holds no certificate; give a PEM file", file)
}

// LoadPool reads PEM files of authorities into one new pool. Each file must hold
// at least one certificate.
func LoadPool(files ...string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading the authorities: %w", err)
		}
		if !pool.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("%s holds no certificate; give a PEM file", file)
		}
	}
	return pool, nil
}

// DaysToExpiry gives the days of 24 hours from now to the end of a certificate,
// with fraction; negative once it has expired. Key stores publish it as
// XksProxyCertificateDaysToExpire (guide 004:7629).
func DaysToExpiry(cert *x509.Certificate, now time.Time) float64 {
	return cert.NotAfter.Sub(now).Hours() / 24
}
