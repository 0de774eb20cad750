package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"testing"
	"time"
)

func TestSignRequestGivesACertificateOfTheRequestsKey(t *testing.T) {
	a, err := NewAuthority("CA", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "cluster"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	request := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	signed, err := a.SignRequest(request, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(signed)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if err := cert.CheckSignatureFrom(a.Certificate()); err != nil {
		t.Error(err)
	}
	if !key.PublicKey.Equal(cert.PublicKey) || cert.Subject.CommonName != "cluster" || cert.NotAfter.After(a.Certificate().NotAfter) {
		t.Errorf("the certificate is of %s, until %s", cert.Subject, cert.NotAfter)
	}
	der[len(der)-1] ^= 1 // the request's own signature
	for name, csr := range map[string][]byte{
		"no PEM": []byte("x"), "a certificate": a.CertPEM(),
		"a broken signature": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}),
	} {
		if _, err := a.SignRequest(csr, time.Now()); err == nil {
			t.Errorf("%s is signed", name)
		}
	}
}
