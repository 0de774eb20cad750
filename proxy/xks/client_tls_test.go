package xks

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http/httptest"
	"testing"
	"time"
)

// What the guide calls a TLS failure: XKS_PROXY_INVALID_TLS_CONFIGURATION
// (004:22453-22489).
func TestTLSFailures(t *testing.T) {
	plain, _ := stalled(t, 0, func(conn net.Conn) { _, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) })
	for _, row := range []struct {
		name   string
		server func(*httptest.Server)
		client func(*ClientConfig)
	}{
		{"unknown authority", nil, func(c *ClientConfig) { c.TLS.RootCAs = x509.NewCertPool() }},
		{"no configuration trusts public authorities only", nil, func(c *ClientConfig) { c.TLS = nil }},
		{"certificate of another name (XKS fact 13)", nil, func(c *ClientConfig) {
			c.Endpoint = "https://other.example.org"
			c.Resolve["other.example.org"] = c.Resolve["example.com"]
		}},
		{"expired certificate (XKS fact 14)", nil, func(c *ClientConfig) {
			c.TLS.Time = func() time.Time { return time.Now().AddDate(200, 0, 0) }
		}},
		{"old versions alone (XKS fact 9)", func(s *httptest.Server) { s.TLS.MaxVersion = tls.VersionTLS11 }, func(c *ClientConfig) {
			c.TLS.MinVersion = tls.VersionTLS12
		}},
		{"no TLS", nil, at(plain)},
		{"client certificate wanted, TLS 1.3 (XKS fact 40)", func(s *httptest.Server) {
			s.TLS.ClientAuth = tls.RequireAnyClientCert
		}, func(*ClientConfig) {}},
		{"client certificate wanted, TLS 1.2", func(s *httptest.Server) {
			s.TLS.ClientAuth, s.TLS.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12
		}, func(*ClientConfig) {}},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := startProxy(t, echoEncrypt, func(s *httptest.Server) {
				s.TLS = &tls.Config{}
				if row.server != nil {
					row.server(s)
				}
			})
			_, err := encryptOnce(p.client(t, func(c *ClientConfig) {
				row.client(c)
				c.Timeout = 10 * time.Second
			}), "x")
			wantTransport(t, err, TLS, 1)
		})
	}
}

// A proxy that speaks HTTP/2 falls back (XKS fact 8).
func TestHTTP1IsSpokenToAProxyWithHTTP2(t *testing.T) {
	p := startProxy(t, echoEncrypt, func(s *httptest.Server) { s.EnableHTTP2 = true })
	if _, err := encryptOnce(p.client(t, nil), "x"); err != nil {
		t.Error(err)
	}
}

func TestResolve(t *testing.T) {
	p := startProxy(t, echoEncrypt, nil)
	addr := p.Listener.Addr().String()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, endpoint string
		resolve        map[string]string
	}{
		{"host", "https://example.com", map[string]string{"example.com": addr}},
		{"host and default port", "https://example.com", map[string]string{"example.com:443": addr}},
		{"host and port before host", "https://example.com:9", map[string]string{"example.com:9": addr, "example.com": "127.0.0.1:1"}},
		{"address as it is", "https://127.0.0.1:" + port, nil},
	} {
		c := p.client(t, func(c *ClientConfig) { c.Endpoint, c.Resolve = row.endpoint, row.resolve })
		if _, err := encryptOnce(c, "x"); err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}
