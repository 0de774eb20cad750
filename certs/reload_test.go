package certs_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hyok/certs"
	"hyok/certs/certstest"
)

// report is one call of Watch.Report.
type report struct {
	leaf *x509.Certificate
	err  error
}

// watched makes a reloader of a kit's server files that looks every second; next
// lets the next look happen and gives what was reported.
func watched(t *testing.T, k *certstest.Kit) (r *certs.Reloader, next func() []report) {
	t.Helper()
	var reports []report
	r, err := certs.NewReloader(k.CertFile, k.KeyFile, certs.Watch{
		Interval: time.Second,
		Report:   func(leaf *x509.Certificate, err error) { reports = append(reports, report{leaf, err}) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return r, func() []report {
		<-time.After(time.Second)
		synctest.Wait()
		got := reports
		reports = nil
		return got
	}
}

func writeFile(t *testing.T, path, data string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReloaderTakesUpNewFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := certstest.New(t)
		r, next := watched(t, k)
		defer r.Close()
		first := r.Leaf()
		if got := next(); len(got) != 0 {
			t.Errorf("unchanged files were reported: %v", got)
		}
		for range 2 {
			k.WriteServer(t, certstest.Server())
			got := next()
			if len(got) != 1 || got[0].err != nil || !got[0].leaf.Equal(r.Leaf()) {
				t.Fatalf("reported %v, want the new leaf", got)
			}
			if r.Leaf().Equal(first) {
				t.Error("the old certificate stayed")
			}
			first = r.Leaf()
		}
		cert, err := r.GetCertificate(nil)
		clientCert, err2 := r.GetClientCertificate(nil)
		if err != nil || err2 != nil || !cert.Leaf.Equal(first) || clientCert != cert {
			t.Errorf("servers get %v, %v, clients %v, %v", cert, err, clientCert, err2)
		}
	})
}

func TestReloaderKeepsTheOldWhenTheNewIsBad(t *testing.T) {
	now := func(d time.Duration) time.Time { return time.Now().Add(d) }
	for _, tc := range []struct {
		name  string
		spoil func(t *testing.T, k *certstest.Kit)
		want  string
	}{
		{"garbage in the certificate", func(t *testing.T, k *certstest.Kit) { writeFile(t, k.CertFile, "hunter2") }, "failed to find any PEM data"},
		{"garbage in the key", func(t *testing.T, k *certstest.Kit) { writeFile(t, k.KeyFile, "hunter2") }, "failed to find any PEM data"},
		{"a key of another", func(t *testing.T, k *certstest.Kit) {
			key, err := os.ReadFile(certstest.New(t).KeyFile)
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, k.KeyFile, string(key))
		}, "does not match"},
		{"no certificate", func(t *testing.T, k *certstest.Kit) {
			if err := os.Remove(k.CertFile); err != nil {
				t.Fatal(err)
			}
		}, "no such file"},
		{"an expired certificate", func(t *testing.T, k *certstest.Kit) {
			l := certstest.Server()
			l.NotBefore, l.NotAfter = now(-48*time.Hour), now(-24*time.Hour)
			k.WriteServer(t, l)
		}, "give one that is valid now"},
		{"a certificate of tomorrow", func(t *testing.T, k *certstest.Kit) {
			l := certstest.Server()
			l.NotBefore, l.NotAfter = now(24*time.Hour), now(48*time.Hour)
			k.WriteServer(t, l)
		}, "give one that is valid now"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := certstest.New(t)
				r, next := watched(t, k)
				defer r.Close()
				old := r.Leaf()
				tc.spoil(t, k)
				got := next()
				if len(got) != 1 || got[0].leaf != nil || got[0].err == nil || !strings.Contains(got[0].err.Error(), tc.want) {
					t.Fatalf("reported %v, want an error with %q", got, tc.want)
				}
				if strings.Contains(got[0].err.Error(), "hunter2") {
					t.Errorf("shows what the file holds: %v", got[0].err)
				}
				if got := next(); len(got) != 0 {
					t.Errorf("reported the same fault again: %v", got)
				}
				if err := r.Reload(); err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("Reload gave %v, want an error with %q", err, tc.want)
				}
				if !r.Leaf().Equal(old) {
					t.Error("the old certificate is gone")
				}
				k.WriteServer(t, certstest.Server())
				if got := next(); len(got) != 1 || got[0].err != nil || r.Leaf().Equal(old) {
					t.Errorf("mended files were not taken up: %v", got)
				}
			})
		})
	}
}

func TestReloaderReadsOnDemandOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := certstest.New(t)
		r, err := certs.NewReloader(k.CertFile, k.KeyFile, certs.Watch{Interval: -1})
		if err != nil {
			t.Fatal(err)
		}
		old := r.Leaf()
		k.WriteServer(t, certstest.Server())
		<-time.After(time.Hour)
		if !r.Leaf().Equal(old) {
			t.Error("files were read without being asked for")
		}
		if err := r.Reload(); err != nil || r.Leaf().Equal(old) {
			t.Errorf("Reload gave %v and kept the old certificate: %t", err, r.Leaf().Equal(old))
		}
	})
}

func TestClosedReloaderLooksNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := certstest.New(t)
		r, next := watched(t, k)
		old := r.Leaf()
		r.Close()
		k.WriteServer(t, certstest.Server())
		if got := next(); len(got) != 0 || !r.Leaf().Equal(old) {
			t.Errorf("reported %v after Close", got)
		}
	})
}

func TestReloaderStartsWithAnExpiredCertificateButNotWithoutOne(t *testing.T) {
	k := certstest.New(t)
	l := certstest.Server()
	l.NotBefore, l.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-36*time.Hour)
	k.WriteServer(t, l)
	r, err := certs.NewReloader(k.CertFile, k.KeyFile, certs.Watch{Interval: -1})
	if err != nil {
		t.Fatal(err)
	}
	if d := r.DaysToExpiry(); d > -1.49 || d < -1.51 {
		t.Errorf("%v days to expiry, want -1.5", d)
	}
	if _, err := certs.NewReloader(k.CertFile+".none", k.KeyFile, certs.Watch{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a file: %v, want fs.ErrNotExist", err)
	}
}

func TestRunningServerShowsTheNewCertificate(t *testing.T) {
	k := certstest.New(t)
	reported := make(chan error, 1)
	config, err := certs.ServerConfig(certs.ServerTLS{CertFile: k.CertFile, KeyFile: k.KeyFile, Watch: certs.Watch{
		Interval: 10 * time.Millisecond,
		Report: func(_ *x509.Certificate, err error) {
			if err == nil { // between the two files' writes they may not match
				reported <- nil
			}
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, config)
	shown := func() *x509.Certificate {
		state, _, err := s.get(t, &tls.Config{RootCAs: k.Authority.Pool()}, true)
		if err != nil {
			t.Fatal(err)
		}
		return state.PeerCertificates[0]
	}
	old := shown()
	k.WriteServer(t, certstest.Server())
	<-reported
	want, err := certs.LoadCertificate(k.CertFile)
	if err != nil {
		t.Fatal(err)
	}
	if got := shown(); !got.Equal(want) || got.Equal(old) {
		t.Error("the server shows another certificate than the files hold")
	}
}
