package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// xksSuites are the cipher suites of TLS 1.2 that the XKS specification lists
// (XKS fact 9, guide 004:20209).
var xksSuites = []uint16{
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
}

// forwardSecret are the cipher suites of TLS 1.2 with ephemeral keys and
// authenticated encryption. HTTP/2 needs one with AES-128 (RFC 9113, 9.2.2).
var forwardSecret = append([]uint16{
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
}, xksSuites...)

// hybridCurves are the key exchanges of the KMS endpoint: hybrid post-quantum for
// who offers it, classic for all others (guide 004:13696). Go orders them itself.
var hybridCurves = []tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.CurveP256, tls.CurveP384}

// httpProtocols are the protocols offered, HTTP/2 first. A proxy must be able to
// fall back to HTTP/1.1 (XKS fact 8).
var httpProtocols = []string{"h2", "http/1.1"}

// ServerTLS says what a server shows of itself and asks of its clients.
type ServerTLS struct {
	// CertFile and KeyFile are PEM: the full chain, leaf first (XKS fact 14), and
	// the leaf's key. Changes are taken up as Watch says, as long as the program
	// runs.
	CertFile, KeyFile string
	Watch             Watch
	// GetCertificate gives the certificate in place of CertFile, KeyFile and
	// Watch, such as Reloader.GetCertificate. Nil: the files are used.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// ClientCA are the roots of client certificates. Nil: none is asked for.
	ClientCA *x509.CertPool
	// ClientNames are the names of which a client certificate must have one, as
	// its common name or a DNS name among its alternative names; KMS has
	// cks.kms.<Region>.amazonaws.com (XKS fact 41). Case does not matter, there are
	// no wildcards. With ClientCA at least one is needed (XKS fact 40).
	ClientNames []string
}

// ServerConfig gives the TLS profile of an external key store proxy (XKS facts 8,
// 9, 40): TLS 1.3, or 1.2 with the two cipher suites of the specification; HTTP/2
// and HTTP/1.1; client certificates when c asks for them, refused in the handshake
// on a wrong root or name; sessions are resumed. Give the result to one server.
//
// The cipher suites stand in a second configuration behind GetConfigForClient,
// since net/http's HTTP/2 refuses to start with a list without AES-128. That one
// has no session ticket keys of its own, so crypto/tls uses and rotates the outer
// one's and resumption works.
func ServerConfig(c ServerTLS) (*tls.Config, error) {
	outer, err := serverBase(c)
	if err != nil {
		return nil, err
	}
	profile := outer.Clone()
	profile.CipherSuites = xksSuites
	outer.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return profile, nil }
	return outer, nil
}

// EndpointConfig gives the TLS profile of the KMS endpoint: TLS 1.2 or later with
// forward secrecy only, hybrid post-quantum key exchange offered (guide 004:8715,
// 004:13696), HTTP/2 and HTTP/1.1. All of c has the meaning it has for
// ServerConfig.
func EndpointConfig(c ServerTLS) (*tls.Config, error) {
	config, err := serverBase(c)
	if err != nil {
		return nil, err
	}
	config.CipherSuites = forwardSecret
	config.CurvePreferences = hybridCurves
	return config, nil
}

func serverBase(c ServerTLS) (*tls.Config, error) {
	if c.GetCertificate == nil {
		r, err := NewReloader(c.CertFile, c.KeyFile, c.Watch)
		if err != nil {
			return nil, err
		}
		c.GetCertificate = r.GetCertificate
	}
	config := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     httpProtocols,
		GetCertificate: c.GetCertificate,
	}
	if c.ClientCA == nil {
		if len(c.ClientNames) > 0 {
			return nil, errors.New("names of client certificates without their authority; give both or neither")
		}
		return config, nil
	}
	if len(c.ClientNames) == 0 {
		return nil, errors.New("an authority of client certificates without names; say which names it may vouch for")
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	config.ClientCAs = c.ClientCA
	// Not VerifyPeerCertificate: that is left out when a session is resumed.
	config.VerifyConnection = func(s tls.ConnectionState) error {
		return checkName(s.PeerCertificates[0], c.ClientNames)
	}
	return config, nil
}

// checkName refuses a certificate without any of the allowed names.
func checkName(cert *x509.Certificate, allowed []string) error {
	for _, name := range append([]string{cert.Subject.CommonName}, cert.DNSNames...) {
		if name != "" && slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, name) }) {
			return nil
		}
	}
	return fmt.Errorf("client certificate of %q has none of the allowed names", cert.Subject.CommonName)
}

// sessionCache is how many servers a client remembers a session of.
const sessionCache = 64

// ClientConfig gives the TLS profile of KMS as the client of a proxy: TLS 1.3, or
// 1.2 with the two cipher suites of the XKS specification; sessions are resumed,
// from a cache of this configuration's own. roots are the authorities trusted;
// nil: the system's. certificates are shown to a proxy that asks (mTLS), the first
// that it takes; none: no mTLS. Set GetClientCertificate to
// Reloader.GetClientCertificate for one that is renewed.
func ClientConfig(roots *x509.CertPool, certificates ...tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		CipherSuites:       xksSuites,
		RootCAs:            roots,
		Certificates:       certificates,
		ClientSessionCache: tls.NewLRUClientSessionCache(sessionCache),
	}
}
