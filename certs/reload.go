package certs

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"hyok/internal/clock"
)

// defaultInterval is how often files are looked at when nothing is said.
const defaultInterval = 10 * time.Second

// A Watch says how a Reloader looks after its files.
type Watch struct {
	// Interval is the time between two looks at the files' size, time and inode.
	// Zero: 10 s; negative: never, only Reload reads them.
	Interval time.Duration
	// Clock times the looks and judges validity. Nil: clock.System.
	Clock clock.Clock
	// Report, unless nil, is told once for each change of the files: the new leaf,
	// or why it is not used and the old one stays. Calls come one at a time.
	Report func(leaf *x509.Certificate, err error)
}

// A Reloader keeps a certificate from files and reads it anew when they change. A
// file that cannot be used is reported, and the certificate before it stays.
type Reloader struct {
	certFile, keyFile string
	watch             Watch
	current           atomic.Pointer[tls.Certificate]

	mu   sync.Mutex
	seen stamp       // of the files at the last attempt to read them
	stop func() bool // of the next look; nil: none
	done bool
}

// NewReloader reads a certificate chain, leaf first, and its key, both PEM. An
// expired certificate is taken at the start, since renewal can follow: look at
// DaysToExpiry. Close ends the watch.
func NewReloader(certFile, keyFile string, w Watch) (*Reloader, error) {
	if w.Interval == 0 {
		w.Interval = defaultInterval
	}
	if w.Clock == nil {
		w.Clock = clock.System{}
	}
	r := &Reloader{certFile: certFile, keyFile: keyFile, watch: w}
	if err := r.Reload(); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.arm()
	return r, nil
}

// Reload reads the files now, changed or not. On an error the certificate stays
// what it was. Report is not told.
func (r *Reloader) Reload() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reload(stampOf(r.certFile, r.keyFile))
}

// reload reads files that had the stamp s just before: a change in between shows
// at the next look.
func (r *Reloader) reload(s stamp) error {
	r.seen = s
	pair, err := loadPair(r.certFile, r.keyFile)
	if err != nil {
		return err
	}
	now := r.watch.Clock.Now()
	if old := r.current.Load(); old != nil && validAt(old.Leaf, now) && !validAt(pair.Leaf, now) {
		return fmt.Errorf("certificate %s is valid from %s to %s only; give one that is valid now", r.certFile,
			pair.Leaf.NotBefore.UTC().Format(time.RFC3339), pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	r.current.Store(pair)
	return nil
}

func validAt(c *x509.Certificate, now time.Time) bool {
	return !now.Before(c.NotBefore) && !now.After(c.NotAfter)
}

// arm sets the time of the next look.
func (r *Reloader) arm() {
	if r.watch.Interval > 0 && !r.done {
		r.stop = r.watch.Clock.AfterFunc(r.watch.Interval, r.look)
	}
}

// look reads the files if they changed, tells of it and arms the next look. That
// comes last, so that reports never overlap.
func (r *Reloader) look() {
	r.mu.Lock()
	s := stampOf(r.certFile, r.keyFile)
	changed := !r.done && !s.same(r.seen)
	var err error
	if changed {
		err = r.reload(s)
	}
	r.mu.Unlock()
	if changed && r.watch.Report != nil {
		if err != nil {
			r.watch.Report(nil, err)
		} else {
			r.watch.Report(r.Leaf(), nil)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.arm()
}

// Close ends the watch. The certificate can be used on.
func (r *Reloader) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done = true
	if r.stop != nil {
		r.stop()
	}
}

// GetCertificate is for tls.Config of a server; it never fails.
func (r *Reloader) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return r.current.Load(), nil
}

// GetClientCertificate is for tls.Config of a client; it never fails.
func (r *Reloader) GetClientCertificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return r.current.Load(), nil
}

// Leaf gives the leaf certificate in use, which must not be changed.
func (r *Reloader) Leaf() *x509.Certificate { return r.current.Load().Leaf }

// DaysToExpiry gives the days until the certificate in use ends, by the watch's
// clock, as the function of that name does.
func (r *Reloader) DaysToExpiry() float64 { return DaysToExpiry(r.Leaf(), r.watch.Clock.Now()) }

// A stamp tells one state of the two files from another. A file that cannot be
// looked at is nil.
type stamp struct{ cert, key os.FileInfo }

func stampOf(certFile, keyFile string) (s stamp) {
	s.cert, _ = os.Stat(certFile)
	s.key, _ = os.Stat(keyFile)
	return s
}

func (s stamp) same(o stamp) bool { return sameFile(s.cert, o.cert) && sameFile(s.key, o.key) }

func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && os.SameFile(a, b)
}
