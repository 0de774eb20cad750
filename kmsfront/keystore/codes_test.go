package keystore

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"

	"hyok/certs"
	"hyok/certs/certstest"
	"hyok/internal/fault"
)

const (
	internalErr  = "INTERNAL_ERROR"
	networkErr   = "NETWORK_ERRORS"
	credentials  = "INVALID_CREDENTIALS"
	denied       = "XKS_PROXY_ACCESS_DENIED"
	badConfig    = "XKS_PROXY_INVALID_CONFIGURATION"
	badResponse  = "XKS_PROXY_INVALID_RESPONSE"
	badTLS       = "XKS_PROXY_INVALID_TLS_CONFIGURATION"
	notReachable = "XKS_PROXY_NOT_REACHABLE"
	timedOut     = "XKS_PROXY_TIMED_OUT"
)

// causes are what connecting an external key store can end with, by what really
// causes it: custom-key-stores §4. Those of VPC endpoint services are in serviceFaults.
var causes = []struct {
	code, cause string
	provoke     func(e *env, f *fakeProxy)
}{
	{internalErr, "the settings that are stored cannot be used", storeNonsense},
	{networkErr, "the connection is reset as soon as it is there", provoked[evNetwork]},
	{networkErr, "the connection is cut instead of an answer", func(_ *env, f *fakeProxy) {
		f.misbehave("*", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	}},
	{networkErr, "a network fault on purpose (`hyok fault add --at network --reset`)", func(e *env, _ *fakeProxy) { e.fault(fault.Rule{At: fault.Network, Op: "*", Reset: true}) }},
	{credentials, "the proxy knows another secret for the access key ID", provoked[evAuthentication]},
	{credentials, "the proxy does not know the access key ID any more", func(_ *env, f *fakeProxy) { f.change(func() { clear(f.creds) }) }},
	{denied, "the proxy's own authorization refuses the health check", provoked[evAccessDenied]},
	{badConfig, "the proxy serves another path", provoked[evURIPath]},
	{badResponse, "the proxy answers HTML", provoked[evUnreadable]},
	{badResponse, "required members are missing in the answer", func(_ *env, f *fakeProxy) { f.misbehave("*", answers(map[string]int{"xksProxyFleetSize": 1})) }},
	{badResponse, "an error answer without an error name", func(_ *env, f *fakeProxy) { f.misbehave("*", status(http.StatusInternalServerError)) }},
	{badResponse, "an answer of more than 64 KiB", func(_ *env, f *fakeProxy) { f.misbehave("*", answers(make([]byte, 64<<10))) }},
	{badResponse, "a redirect", func(_ *env, f *fakeProxy) { f.misbehave("*", status(http.StatusFound)) }},
	{badResponse, "InternalException", provoked[evInternal]},
	{badResponse, "ValidationException", provoked[evValidation]},
	{badTLS, "the certificate has expired", provoked[evTLS]},
	{badTLS, "the certificate is not valid yet", func(e *env, f *fakeProxy) {
		l := certstest.Server()
		l.NotBefore = time.Now().Add(time.Hour)
		withCertificate(e, f, l)
	}},
	{badTLS, "the certificate is for another host", func(e *env, f *fakeProxy) { withCertificate(e, f, certsLeaf("other.example.com")) }},
	{badTLS, "the host is in the common name alone", func(e *env, f *fakeProxy) { // contradiction 33
		withCertificate(e, f, certs.Leaf{CommonName: "localhost", DNSNames: []string{"other.example.com"}})
	}},
	{badTLS, "an authority that is not trusted", func(e *env, f *fakeProxy) { f.present(certstest.New(e.t).Issue(e.t, certstest.Server())) }},
	{badTLS, "an intermediate certificate is missing in the chain", func(e *env, f *fakeProxy) { f.present(chained(e)) }},
	{badTLS, "TLS 1.1 only", func(_ *env, f *fakeProxy) { f.change(func() { f.newest = tls.VersionTLS11 }) }},
	{badTLS, "TLS 1.2 without a suite of the specification", func(_ *env, f *fakeProxy) { // contradiction 34
		f.change(func() {
			f.newest, f.suites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
		})
	}},
	{badTLS, "no TLS", func(e *env, f *fakeProxy) {
		e.instead(f, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") })
	}},
	{notReachable, "nobody listens", provoked[evUnreachable]},
	{notReachable, "the host name does not resolve", func(e *env, f *fakeProxy) { e.c.Resolve[f.host()] = "nowhere.invalid:443" }},
	{notReachable, "packets are swallowed (`hyok fault add --at network --blackhole`)", func(e *env, _ *fakeProxy) { e.fault(fault.Rule{At: fault.Network, Op: "*", Blackhole: true}) }},
	{notReachable, "all external key managers are UNAVAILABLE", provoked[evUnhealthy]}, // contradiction 20
	{timedOut, "the proxy does not answer in 250 ms", provoked[evTimedOut]},
	{timedOut, "the TLS handshake does not end in 250 ms, twice", func(e *env, f *fakeProxy) { e.instead(f, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }) }},
	{timedOut, "DependencyTimeoutException", provoked[evDependency]},
	{timedOut, "ThrottlingException", provoked[evThrottling]},
}

func TestEachConnectionErrorCodeByItsCause(t *testing.T) {
	for _, c := range causes {
		t.Run(c.code+"/"+c.cause, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, func(e *env) {
				e.c.Faults, e.c.Resolve = fault.New(nil), map[string]string{}
				if c.code == timedOut || c.code == notReachable {
					brief(e)
				}
			})
			connects(e, c.provoke, c.code)
		})
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/")
		w.WriteHeader(code)
	}
}

func (e *env) fault(r fault.Rule) {
	e.t.Helper()
	if _, err := e.c.Faults.Add(r); err != nil {
		e.t.Fatal(err)
	}
}

// storeNonsense is an internal fault of KMS: what it stored cannot be used.
func storeNonsense(e *env, _ *fakeProxy) {
	e.t.Helper()
	for id := range e.stores.All() {
		if err := e.Manager.change(e.t.Context(), id, func(r *Record) error { r.Proxy.Endpoint = "nonsense"; return nil }); err != nil {
			e.t.Fatal(err)
		}
	}
}

func (f *fakeProxy) host() string { return f.endpoint()[len("https://"):] }

func (f *fakeProxy) present(cert tls.Certificate) {
	f.change(func() { f.cert = &cert })
	f.CloseClientConnections()
}

// instead leads to a listener in place of the proxy, whose connections go to serve.
func (e *env) instead(f *fakeProxy, serve func(net.Conn)) {
	e.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { serve(c); c.Close() }()
		}
	}()
	e.c.Resolve[f.host()] = l.Addr().String()
}

// chained makes a certificate under an intermediate one that it does not come
// with, and trusts their root.
func chained(e *env) tls.Certificate {
	e.t.Helper()
	make := func(serial int64, name string, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			e.t.Fatal(err)
		}
		c := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			IsCA: name != "localhost", BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		}
		if parent == nil {
			parent, signer = c, key
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
		if err != nil {
			e.t.Fatal(err)
		}
		if c, err = x509.ParseCertificate(der); err != nil {
			e.t.Fatal(err)
		}
		return c, key
	}
	root, rootKey := make(1, "root", nil, nil)
	middle, middleKey := make(2, "intermediate", root, rootKey)
	leaf, key := make(3, "localhost", middle, middleKey)
	e.c.Roots.AddCert(root)
	whole := tls.Certificate{Certificate: [][]byte{leaf.Raw, middle.Raw}, PrivateKey: key}
	f := newFakeProxy(e.t, e) // with the whole chain, the same certificate is taken
	f.present(whole)
	if _, err := e.Create(ctxOf("CreateCustomKeyStore"), alice, f.request("whole chain")); err != nil {
		e.t.Errorf("with the whole chain: %v", err)
	}
	return tls.Certificate{Certificate: whole.Certificate[:1], PrivateKey: key}
}

// The eleven codes that the guide has for external key stores are all reached.
func TestAllConnectionErrorCodesAreReached(t *testing.T) { // guide 004:22556-22614
	all := map[string]bool{}
	for _, c := range causes {
		all[c.code] = true
	}
	for _, f := range serviceFaults {
		if f.connect != "-" {
			all[f.connect] = true
		}
	}
	if len(all) != 11 {
		t.Errorf("%d codes are reached: %v", len(all), all)
	}
}
