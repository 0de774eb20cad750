package certs_test

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"hyok/certs"
	"hyok/certs/certstest"
)

// A site is a running HTTPS server.
type site struct {
	addr     string
	requests atomic.Int64 // that reached the handler
}

// serve runs an HTTPS server with a configuration until the test ends.
func serve(t *testing.T, config *tls.Config) *site {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{addr: l.Addr().String()}
	server := &http.Server{
		TLSConfig: config,
		ErrorLog:  log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.requests.Add(1)
			_, _ = io.WriteString(w, r.Proto)
		}),
	}
	if len(config.NextProtos) == 0 { // no profile of ours: HTTP/2 would refuse some lists of suites
		server.Protocols = new(http.Protocols)
		server.Protocols.SetHTTP1(true)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.ServeTLS(l, "", "") }()
	t.Cleanup(func() {
		if err := errors.Join(server.Close(), <-ended); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("the server ended with %v", err)
		}
	})
	return s
}

// get makes one request on a new connection and gives what TLS agreed on, and the
// protocol that the server saw. A whole request, as a TLS 1.3 client learns only
// after its handshake that the server refused it.
func (s *site) get(t *testing.T, config *tls.Config, http2 bool) (*tls.ConnectionState, string, error) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: http2, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Get("https://" + s.addr)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.TLS, string(body), nil
}

// serverWith gives a profile with a server certificate signed by the kit.
func serverWith(t *testing.T, k *certstest.Kit, profile func(certs.ServerTLS) (*tls.Config, error), l certs.Leaf) *tls.Config {
	t.Helper()
	config, err := profile(certs.ServerTLS{GetCertificate: certstest.Static(k.Issue(t, l))})
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func withRSA(l certs.Leaf) certs.Leaf {
	l.Key = certstest.RSAKey()
	return l
}

// exactly gives a client that speaks one version with one cipher suite of TLS 1.2.
func exactly(k *certstest.Kit, version, suite uint16) *tls.Config {
	return &tls.Config{RootCAs: k.Authority.Pool(), MinVersion: version, MaxVersion: version, CipherSuites: []uint16{suite}}
}

func TestServersTakeTheVersionsAndSuitesOfTheirProfile(t *testing.T) {
	k := certstest.New(t)
	sites := map[string]*site{
		"xks ecdsa": serve(t, serverWith(t, k, certs.ServerConfig, certstest.Server())),
		"xks rsa":   serve(t, serverWith(t, k, certs.ServerConfig, withRSA(certstest.Server()))),
		"kms ecdsa": serve(t, serverWith(t, k, certs.EndpointConfig, certstest.Server())),
		"kms rsa":   serve(t, serverWith(t, k, certs.EndpointConfig, withRSA(certstest.Server()))),
	}
	for _, tc := range []struct {
		site    string
		version uint16
		suite   uint16 // of TLS 1.2 and before
		taken   bool
	}{
		{"xks ecdsa", tls.VersionTLS13, 0, true},
		{"xks rsa", tls.VersionTLS13, 0, true},
		{"xks ecdsa", tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, true},
		{"xks rsa", tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, true},
		{"xks ecdsa", tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, false},
		{"xks rsa", tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, false},
		{"xks ecdsa", tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, false},
		{"xks rsa", tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, false},
		{"xks rsa", tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, false},
		{"xks rsa", tls.VersionTLS12, tls.TLS_RSA_WITH_AES_256_GCM_SHA384, false},
		{"xks ecdsa", tls.VersionTLS11, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, false},
		{"xks rsa", tls.VersionTLS11, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, false},

		{"kms ecdsa", tls.VersionTLS13, 0, true},
		{"kms ecdsa", tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, true},
		{"kms ecdsa", tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, true},
		{"kms ecdsa", tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, true},
		{"kms rsa", tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, true},
		{"kms rsa", tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, true},
		{"kms rsa", tls.VersionTLS12, tls.TLS_RSA_WITH_AES_256_GCM_SHA384, false},
		{"kms rsa", tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, false},
		{"kms ecdsa", tls.VersionTLS11, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, false},
	} {
		t.Run(tc.site+" "+tls.VersionName(tc.version)+" "+tls.CipherSuiteName(tc.suite), func(t *testing.T) {
			state, _, err := sites[tc.site].get(t, exactly(k, tc.version, tc.suite), false)
			if (err == nil) != tc.taken {
				t.Fatalf("got %v, want taken: %t", err, tc.taken)
			}
			if tc.taken && (state.Version != tc.version || tc.suite != 0 && state.CipherSuite != tc.suite) {
				t.Errorf("agreed on %s, %s", tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite))
			}
		})
	}
}

func TestServersSpeakHTTP2AndFallBackToHTTP1(t *testing.T) {
	k := certstest.New(t)
	for name, profile := range map[string]func(certs.ServerTLS) (*tls.Config, error){"xks": certs.ServerConfig, "kms": certs.EndpointConfig} {
		s := serve(t, serverWith(t, k, profile, certstest.Server()))
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			for http2, want := range map[bool]string{true: "HTTP/2.0", false: "HTTP/1.1"} {
				client := k.ClientConfig()
				client.MaxVersion = version
				state, proto, err := s.get(t, client, http2)
				if err != nil || proto != want || state.Version != version {
					t.Errorf("%s over %s: got %s, %v; want %s", name, tls.VersionName(version), proto, err, want)
				}
			}
		}
	}
}

func TestSessionsAreResumed(t *testing.T) {
	k := certstest.New(t)
	mutual := certs.ServerTLS{
		GetCertificate: certstest.Static(k.Issue(t, certstest.Server())),
		ClientCA:       k.Authority.Pool(), ClientNames: []string{"kms"},
	}
	client := k.Issue(t, certs.Leaf{CommonName: "kms", Client: true})
	for name, profile := range map[string]func(certs.ServerTLS) (*tls.Config, error){"xks": certs.ServerConfig, "kms": certs.EndpointConfig} {
		config, err := profile(mutual)
		if err != nil {
			t.Fatal(err)
		}
		s := serve(t, config)
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			c := k.ClientConfig(client)
			c.MaxVersion = version
			for i := range 3 {
				state, _, err := s.get(t, c, true)
				if err != nil {
					t.Fatal(err)
				}
				if state.DidResume != (i > 0) {
					t.Errorf("%s over %s, connection %d: resumed %t", name, tls.VersionName(version), i, state.DidResume)
				}
			}
		}
	}
}

func TestEndpointOffersHybridAndClassicKeyExchange(t *testing.T) {
	k := certstest.New(t)
	s := serve(t, serverWith(t, k, certs.EndpointConfig, certstest.Server()))
	for _, tc := range []struct {
		offered []tls.CurveID
		want    tls.CurveID
	}{
		{nil, tls.X25519MLKEM768}, // Go's default client
		{[]tls.CurveID{tls.X25519}, tls.X25519},
		{[]tls.CurveID{tls.CurveP384}, tls.CurveP384},
	} {
		state, _, err := s.get(t, &tls.Config{RootCAs: k.Authority.Pool(), CurvePreferences: tc.offered}, false)
		if err != nil || state.CurveID != tc.want {
			t.Errorf("offered %v: got %v, %v; want %v", tc.offered, state, err, tc.want)
		}
	}
}
