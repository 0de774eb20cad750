package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"time"

	"hyok/certs"
	"hyok/hsm/doctor"
)

// handshakeLimit is far above what a handshake over loopback takes.
const handshakeLimit = 5 * time.Second

// handshakeRows are clients over loopback, and whether the proxy's profile takes
// them (XKS facts 8 and 9).
var handshakeRows = []struct {
	name    string
	version uint16
	suites  []uint16 // of TLS 1.2
	taken   bool
}{
	{"TLS 1.3", tls.VersionTLS13, nil, true},
	{"TLS 1.2 with the suites of the specification", tls.VersionTLS12, []uint16{
		tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	}, true},
	{"TLS 1.2 with AES-128", tls.VersionTLS12, []uint16{
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	}, false},
}

// handshakes serves the certificate over loopback with the proxy's profile, but
// without asking for a client certificate, which this program has none of.
func (x *tlsExam) handshakes() doctor.Step {
	config, err := certs.ServerConfig(certs.ServerTLS{CertFile: x.file.Cert, KeyFile: x.file.Key})
	if err != nil {
		return finding(doctor.Failed, "correct the files", "%v", err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		return finding(doctor.Failed, "allow this program to listen on loopback", "%v", err)
	}
	defer listener.Close()
	go serveHandshakes(listener)
	var agreed []string
	for _, r := range handshakeRows {
		state, err := x.handshake(listener.Addr().String(), r.version, r.suites)
		switch {
		case r.taken && err != nil:
			return finding(doctor.Failed, "use a certificate with an RSA or ECDSA key", "%s: %v", r.name, err)
		case !r.taken && err == nil:
			return finding(doctor.Failed, "do not use this build of the proxy", "%s is accepted", r.name)
		case r.taken:
			agreed = append(agreed, fmt.Sprintf("%s (%s)", tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite)))
		}
	}
	return finding(doctor.OK, "", "%s; others refused", strings.Join(agreed, ", "))
}

// serveHandshakes makes the server's half of each handshake until the listener
// is closed.
func serveHandshakes(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(handshakeLimit))
			if conn.(*tls.Conn).Handshake() == nil {
				_, _ = conn.Read(make([]byte, 1)) // until the client has gone
			}
		}()
	}
}

// handshake is a client's half. The certificate is not verified here: the other
// steps do that, each with what to do.
func (x *tlsExam) handshake(address string, version uint16, suites []uint16) (tls.ConnectionState, error) {
	d := tls.Dialer{
		NetDialer: &net.Dialer{Timeout: handshakeLimit},
		Config: &tls.Config{
			InsecureSkipVerify: true, MinVersion: version, MaxVersion: version, CipherSuites: suites,
		},
	}
	conn, err := d.DialContext(x.ctx, "tcp", address)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState(), nil
}
