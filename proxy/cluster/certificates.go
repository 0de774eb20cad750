package cluster

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"time"
)

// csrBits is the size of the key that a cluster's certificate is of.
const csrBits = 2048

// newCSR makes a cluster's certificate signing request, PEM. Nobody will ask
// the cluster to prove that it has the key, so that none is kept.
func newCSR(clusterID string) (string, error) {
	key, err := rsa.GenerateKey(rand.Reader, csrBits)
	if err != nil {
		return "", fmt.Errorf("making the key of %s: %w", clusterID, err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: clusterID, Organization: []string{"hyok simulated CloudHSM cluster"}},
	}, key)
	if err != nil {
		return "", fmt.Errorf("making the certificate request of %s: %w", clusterID, err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), nil
}

// checkSigned wants signed to be a certificate of the key of csr, signed by
// anchor, and both to be valid at now.
func checkSigned(csr, signed, anchor string, now time.Time) error {
	block, _ := pem.Decode([]byte(csr))
	if block == nil {
		return invalid("the cluster has no certificate signing request")
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return invalid("the certificate signing request of the cluster cannot be read")
	}
	cert, err := parseCertificate("SignedCert", signed)
	if err != nil {
		return err
	}
	ca, err := parseCertificate("TrustAnchor", anchor)
	if err != nil {
		return err
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok || !key.Equal(request.PublicKey) {
		return invalid("SignedCert is not a certificate of the key in the cluster's certificate signing request")
	}
	if ca.CheckSignature(ca.SignatureAlgorithm, ca.RawTBSCertificate, ca.Signature) != nil {
		return invalid("TrustAnchor must be a self-signed certificate")
	}
	if ca.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) != nil {
		return invalid("SignedCert was not signed with the key of TrustAnchor")
	}
	for name, c := range map[string]*x509.Certificate{"SignedCert": cert, "TrustAnchor": ca} {
		if now.Before(c.NotBefore) || now.After(c.NotAfter) {
			return invalid("%s is not valid now", name)
		}
	}
	return nil
}

func parseCertificate(name, text string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, invalid("%s must be a PEM certificate", name)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, invalid("%s is not a certificate that can be read", name)
	}
	return cert, nil
}

// identity is by what relatives are known: the cluster's certificate, which
// clusters restored from one another's backups share (guide 004:18594-18596).
func (r *Record) identity() string { return identityOf(r.Certificate, r.History) }

func identityOf(certificate, history string) string {
	block, _ := pem.Decode([]byte(certificate))
	if block == nil {
		return history
	}
	sum := sha256.Sum256(block.Bytes)
	return hex.EncodeToString(sum[:])
}
