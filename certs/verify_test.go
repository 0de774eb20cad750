package certs_test

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"hyok/certs"
	"hyok/certs/certstest"
)

func TestClientRefusesServersOutsideItsProfile(t *testing.T) {
	k, stranger := certstest.New(t), certstest.New(t)
	now := time.Now()
	leaf := func(change func(*certs.Leaf)) certs.Leaf {
		l := certstest.Server()
		change(&l)
		return l
	}
	server := func(k *certstest.Kit, l certs.Leaf, version uint16, suites ...uint16) *tls.Config {
		return &tls.Config{
			Certificates: []tls.Certificate{k.Issue(t, l)}, MinVersion: version, MaxVersion: version, CipherSuites: suites,
		}
	}
	plain := certstest.Server()
	for _, tc := range []struct {
		name   string
		server *tls.Config
		want   string // part of the error; empty: taken
	}{
		{"TLS 1.3", server(k, plain, tls.VersionTLS13), ""},
		{"TLS 1.2 with AES-256 and ECDSA", server(k, plain, tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384), ""},
		{"TLS 1.2 with AES-256 and RSA", server(k, withRSA(plain), tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384), ""},
		{"TLS 1.2 with AES-128", server(k, plain, tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256), "handshake failure"},
		{"TLS 1.2 with ChaCha20", server(k, plain, tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256), "handshake failure"},
		{"TLS 1.1", server(k, plain, tls.VersionTLS11), "protocol version not supported"},
		{"a name in both CN and SAN", server(k, leaf(func(l *certs.Leaf) { l.CommonName = "localhost" }), tls.VersionTLS13), ""},
		{"a name in the SAN and another in the CN", server(k, leaf(func(l *certs.Leaf) { l.CommonName = "other" }), tls.VersionTLS13), ""},
		{"a name in the CN only", server(k, certs.Leaf{CommonName: "localhost"}, tls.VersionTLS13), "legacy Common Name"},
		{"another name", server(k, certs.Leaf{DNSNames: []string{"example.com"}}, tls.VersionTLS13), "not localhost"},
		{"a wildcard for another level", server(k, certs.Leaf{DNSNames: []string{"*.localhost"}}, tls.VersionTLS13), "not localhost"},
		{"an expired certificate", server(k, leaf(func(l *certs.Leaf) {
			l.NotBefore, l.NotAfter = now.Add(-48*time.Hour), now.Add(-24*time.Hour)
		}), tls.VersionTLS13), "expired or is not yet valid"},
		{"a certificate of tomorrow", server(k, leaf(func(l *certs.Leaf) {
			l.NotBefore, l.NotAfter = now.Add(24*time.Hour), now.Add(48*time.Hour)
		}), tls.VersionTLS13), "expired or is not yet valid"},
		{"an unknown authority", server(stranger, plain, tls.VersionTLS13), "unknown authority"},
		{"a client's certificate", server(k, leaf(func(l *certs.Leaf) { l.Client = true }), tls.VersionTLS13), "incompatible key usage"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			client := k.ClientConfig()
			client.ServerName = "localhost"
			s := serve(t, tc.server)
			_, _, err := s.get(t, client, true)
			switch {
			case tc.want == "" && err != nil:
				t.Error(err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got %v, want an error with %q", err, tc.want)
			case tc.want != "" && s.requests.Load() != 0:
				t.Error("the request reached the server")
			}
		})
	}
}

func TestServerEndsTheHandshakeOnAWrongClientCertificate(t *testing.T) {
	k, stranger := certstest.New(t), certstest.New(t)
	const name = "cks.kms.us-east-1.amazonaws.com"
	config, err := certs.ServerConfig(certs.ServerTLS{
		CertFile: k.CertFile, KeyFile: k.KeyFile,
		ClientCA: k.Authority.Pool(), ClientNames: []string{"cks.kms.eu-west-1.amazonaws.com", name},
	})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, tc := range []struct {
		name  string
		shown []tls.Certificate
		taken bool
	}{
		{"the name as CN", []tls.Certificate{k.Issue(t, certs.Leaf{CommonName: name, Client: true})}, true},
		{"the name in other case", []tls.Certificate{k.Issue(t, certs.Leaf{CommonName: strings.ToUpper(name), Client: true})}, true},
		{"the name as SAN", []tls.Certificate{k.Issue(t, certs.Leaf{CommonName: "x", DNSNames: []string{"y", name}, Client: true})}, true},
		{"no certificate", nil, false},
		{"another name", []tls.Certificate{k.Issue(t, certs.Leaf{CommonName: "cks.kms.us-east-2.amazonaws.com", Client: true})}, false},
		{"the name as part of another", []tls.Certificate{k.Issue(t, certs.Leaf{CommonName: name + ".example.com", Client: true})}, false},
		{"a wildcard for the name", []tls.Certificate{k.Issue(t, certs.Leaf{DNSNames: []string{"*.kms.us-east-1.amazonaws.com"}, Client: true})}, false},
		{"the name by another authority", []tls.Certificate{stranger.Issue(t, certs.Leaf{CommonName: name, Client: true})}, false},
		{"a server's certificate", []tls.Certificate{k.Issue(t, certs.Leaf{CommonName: name})}, false},
		{"an expired certificate", []tls.Certificate{k.Issue(t, certs.Leaf{
			CommonName: name, Client: true, NotBefore: now.Add(-48 * time.Hour), NotAfter: now.Add(-24 * time.Hour)})}, false},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(tc.name+" over "+tls.VersionName(version), func(t *testing.T) {
				s := serve(t, config)
				client := k.ClientConfig()
				client.MaxVersion = version
				// Shown whether or not the server's list of authorities has its issuer.
				client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					return &append(tc.shown, tls.Certificate{})[0], nil
				}
				_, _, err := s.get(t, client, true)
				if (err == nil) != tc.taken {
					t.Errorf("got %v, want taken: %t", err, tc.taken)
				}
				if !tc.taken && s.requests.Load() != 0 {
					t.Error("the request reached the handler")
				}
			})
		}
	}
}

func TestServerRefusesHalfAClientCheck(t *testing.T) {
	k := certstest.New(t)
	for name, c := range map[string]certs.ServerTLS{
		"an authority without names": {CertFile: k.CertFile, KeyFile: k.KeyFile, ClientCA: k.Authority.Pool()},
		"names without an authority": {CertFile: k.CertFile, KeyFile: k.KeyFile, ClientNames: []string{"a"}},
		"a missing certificate":      {CertFile: k.CertFile + ".none", KeyFile: k.KeyFile},
	} {
		if _, err := certs.ServerConfig(c); err == nil {
			t.Errorf("%s: the proxy's profile was given", name)
		}
		if _, err := certs.EndpointConfig(c); err == nil {
			t.Errorf("%s: the endpoint's profile was given", name)
		}
	}
}
