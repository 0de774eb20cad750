package keystore

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"sync"
	"sync/atomic"
	"time"
)

// showCertificateEvery is the longest that handshakes resume a session: a
// resumed one does not show the certificate, and a renewed one would stay unseen
// for as long as the proxy's tickets are good.
const showCertificateEvery = time.Minute

// certificates watches the certificates that a proxy shows to one client.
type certificates struct {
	tls.ClientSessionCache
	now func() time.Time
	// seen is called after each handshake that showed another certificate.
	seen func()

	last atomic.Pointer[x509.Certificate]
	mu   sync.Mutex
	full time.Time // the last handshake that showed the certificate
}

// watchCertificates makes c tell a certificates, and resume sessions through it.
func watchCertificates(c *tls.Config, seen func()) *certificates {
	w := &certificates{ClientSessionCache: c.ClientSessionCache, now: time.Now, seen: seen}
	c.ClientSessionCache = w
	c.VerifyConnection = func(s tls.ConnectionState) error {
		w.shown(s)
		return nil
	}
	return w
}

// Get gives the session to resume, and none once it is time to see the certificate.
func (w *certificates) Get(key string) (*tls.ClientSessionState, bool) {
	w.mu.Lock()
	due := w.now().Sub(w.full) >= showCertificateEvery
	w.mu.Unlock()
	if due {
		return nil, false
	}
	return w.ClientSessionCache.Get(key)
}

func (w *certificates) shown(s tls.ConnectionState) {
	if s.DidResume {
		return
	}
	w.mu.Lock()
	w.full = w.now()
	w.mu.Unlock()
	leaf := s.PeerCertificates[0]
	if old := w.last.Swap(leaf); old == nil || !old.Equal(leaf) {
		w.seen()
	}
}

// certificateName is the dimension CertificateName, the subject's common name
// (guide 004:7641); for a certificate without one its first DNS name.
func certificateName(c *x509.Certificate) string {
	if len(c.DNSNames) > 0 {
		return cmp.Or(c.Subject.CommonName, c.DNSNames[0])
	}
	return c.Subject.CommonName
}
