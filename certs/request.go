package certs

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// SignRequest signs a certificate signing request (PEM) and gives the
// certificate, PEM, which is valid for ten years from now but not beyond the
// authority's own end: what the owner of a CloudHSM cluster does with openssl
// to initialize it.
func (a *Authority) SignRequest(csr []byte, now time.Time) ([]byte, error) {
	block, _ := pem.Decode(csr)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, errors.New("the certificate signing request is not PEM")
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err == nil {
		err = request.CheckSignature()
	}
	if err != nil {
		return nil, fmt.Errorf("reading the certificate signing request: %w", err)
	}
	template := &x509.Certificate{
		Subject: request.Subject, NotBefore: now.Add(-backdated), NotAfter: now.Add(authorityLifetime),
	}
	if template.NotAfter.After(a.cert.NotAfter) {
		template.NotAfter = a.cert.NotAfter
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, request.PublicKey, a.key)
	if err != nil {
		return nil, fmt.Errorf("signing the certificate request: %w", err)
	}
	return certPEM(der), nil
}
