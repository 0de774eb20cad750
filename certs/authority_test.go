package certs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hyok/certs"
	"hyok/certs/certstest"
)

func parse(t *testing.T, certPEM []byte) *x509.Certificate {
	t.Helper()
	block, rest := pem.Decode(certPEM)
	if block == nil || block.Type != "CERTIFICATE" || len(rest) != 0 {
		t.Fatalf("not one PEM certificate: %s", certPEM)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestAuthorityIsARootOnP256(t *testing.T) {
	now := time.Now()
	a, err := certs.NewAuthority("the CA", now)
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, a.CertPEM())
	key, ok := c.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		t.Errorf("the key is a %T", c.PublicKey)
	}
	if !c.IsCA || !c.MaxPathLenZero || c.Subject.CommonName != "the CA" || c.CheckSignatureFrom(c) != nil {
		t.Errorf("not a self-signed authority of leaves: %+v", c)
	}
	if years := c.NotAfter.Sub(now).Hours() / 24 / 365; years < 9.9 || years > 10.1 || !c.NotBefore.Before(now) {
		t.Errorf("valid from %s to %s", c.NotBefore, c.NotAfter)
	}
}

func TestIssuedLeafHoldsWhatWasAskedFor(t *testing.T) {
	k := certstest.New(t)
	from, to := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC)
	long := strings.Repeat("a", 50) + "." + strings.Repeat("b", 20)
	for _, tc := range []struct {
		name     string
		leaf     certs.Leaf
		wantName string
	}{
		{"the first DNS name as common name", certs.Leaf{DNSNames: []string{"a.example.com", "b.example.com"}}, "a.example.com"},
		{"a common name of its own", certs.Leaf{CommonName: "c", DNSNames: []string{"a.example.com"}}, "c"},
		{"a common name alone", certs.Leaf{CommonName: "c"}, "c"},
		{"addresses alone", certs.Leaf{IPs: []net.IP{net.IPv4(127, 0, 0, 1).To4()}}, ""},
		{"no common name for a long host", certs.Leaf{DNSNames: []string{long}}, ""},
		{"the next name that fits", certs.Leaf{DNSNames: []string{long, "a.example.com"}}, "a.example.com"},
		{"dates", certs.Leaf{CommonName: "c", NotBefore: from, NotAfter: to}, "c"},
		{"a client", certs.Leaf{CommonName: "c", Client: true}, "c"},
		{"an RSA key", certs.Leaf{CommonName: "c", Key: certstest.RSAKey()}, "c"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			certPEM, keyPEM, err := k.Authority.Issue(tc.leaf)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tls.X509KeyPair(certPEM, keyPEM); err != nil {
				t.Errorf("the key does not fit: %v", err)
			}
			c := parse(t, certPEM)
			want := certs.Leaf{CommonName: tc.wantName, DNSNames: tc.leaf.DNSNames, IPs: tc.leaf.IPs, Client: tc.leaf.Client}
			got := certs.Leaf{CommonName: c.Subject.CommonName, DNSNames: c.DNSNames, IPs: c.IPAddresses,
				Client: c.ExtKeyUsage[0] == x509.ExtKeyUsageClientAuth}
			if diff := cmp.Diff(want, got); diff != "" || c.IsCA {
				t.Errorf("-want +got:\n%s", diff)
			}
			if !tc.leaf.NotBefore.IsZero() && !(c.NotBefore.Equal(from) && c.NotAfter.Equal(to)) {
				t.Errorf("valid from %s to %s", c.NotBefore, c.NotAfter)
			}
			usage := []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
			if _, err := c.Verify(x509.VerifyOptions{Roots: k.Authority.Pool(), KeyUsages: usage, CurrentTime: c.NotBefore}); err != nil {
				t.Errorf("does not verify: %v", err)
			}
		})
	}
}

func TestLeafLifetimeHasDefaults(t *testing.T) {
	now := time.Now()
	k := certstest.New(t)
	old, err := certs.NewAuthority("old", now.Add(-9*365*24*time.Hour-190*24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		by   *certs.Authority
		days float64
	}{{"a year", k.Authority, 365}, {"not beyond the authority", old, 175}} {
		cert, _, err := tc.by.Issue(certs.Leaf{CommonName: "c"})
		if err != nil {
			t.Fatal(err)
		}
		c := parse(t, cert)
		if d := certs.DaysToExpiry(c, now); d < tc.days-0.1 || d > tc.days+0.1 || now.Sub(c.NotBefore) < time.Hour-time.Minute {
			t.Errorf("%s: %v days to expiry, valid from %s", tc.name, d, c.NotBefore)
		}
	}
}

func TestIssueRefuses(t *testing.T) {
	k := certstest.New(t)
	now := time.Now()
	for name, l := range map[string]certs.Leaf{
		"a leaf without name":         {},
		"a long common name":          {CommonName: strings.Repeat("é", 65)},
		"an end before the start":     {CommonName: "c", NotBefore: now, NotAfter: now.Add(-time.Second)},
		"a start beyond the CA's end": {CommonName: "c", NotBefore: now.Add(20 * 365 * 24 * time.Hour)},
	} {
		if _, _, err := k.Authority.Issue(l); err == nil {
			t.Errorf("%s was issued", name)
		}
	}
	if _, _, err := k.Authority.Issue(certs.Leaf{CommonName: strings.Repeat("é", 64)}); err != nil {
		t.Errorf("a common name of 64 characters: %v", err)
	}
}

func TestAuthorityIsTheSameOnceLoaded(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem")
	if _, err := certs.LoadAuthority(cert, key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without files: %v, want fs.ErrNotExist", err)
	}
	a, err := certs.NewAuthority("the CA", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Save(cert, key); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]os.FileMode{cert: 0o644, key: 0o600} {
		if info, err := os.Stat(file); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want mode %v", file, info.Mode(), err, want)
		}
	}
	b, err := certs.LoadAuthority(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	if !a.Certificate().Equal(b.Certificate()) {
		t.Error("another certificate came back")
	}
	leaf, _, err := b.Issue(certs.Leaf{CommonName: "c"})
	if err != nil {
		t.Fatal(err)
	}
	if err := parse(t, leaf).CheckSignatureFrom(a.Certificate()); err != nil {
		t.Errorf("the loaded authority signs otherwise: %v", err)
	}
}

func TestLoadingRefuses(t *testing.T) {
	k, other := certstest.New(t), certstest.New(t)
	garbage := filepath.Join(t.TempDir(), "garbage.pem")
	if err := os.WriteFile(garbage, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"a leaf as authority":      {errOf(certs.LoadAuthority(k.CertFile, k.KeyFile)), "is not a certificate authority's; give"},
		"a key of another":         {errOf(certs.LoadAuthority(k.CAFile, other.KeyFile)), "does not match"},
		"garbage as key":           {errOf(certs.LoadAuthority(k.CAFile, garbage)), "failed to find any PEM data"},
		"a missing key":            {errOf(certs.LoadAuthority(k.CAFile, garbage+".none")), "reading the key"},
		"garbage as certificate":   {errOf(certs.LoadCertificate(garbage)), "holds no certificate; give a PEM file"},
		"a key as certificate":     {errOf(certs.LoadCertificate(k.KeyFile)), "holds no certificate; give a PEM file"},
		"no certificate":           {errOf(certs.LoadCertificate(garbage + ".none")), "reading the certificate"},
		"garbage in a pool":        {errOf(certs.LoadPool(k.CAFile, garbage)), "holds no certificate; give a PEM file"},
		"a missing file in a pool": {errOf(certs.LoadPool(garbage + ".none")), "reading the authorities"},
	} {
		if tc.err == nil || !strings.Contains(tc.err.Error(), tc.want) || strings.Contains(tc.err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want an error with %q", name, tc.err, tc.want)
		}
	}
}

func errOf[T any](_ T, err error) error { return err }

func TestPoolHoldsAllFiles(t *testing.T) {
	a, b, c := certstest.New(t), certstest.New(t), certstest.New(t)
	pool, err := certs.LoadPool(a.CAFile, b.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range map[*certstest.Kit]bool{a: true, b: true, c: false} {
		leaf, err := certs.LoadCertificate(k.CertFile)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: "localhost"}); (err == nil) != want {
			t.Errorf("verifying gave %v, want verified: %t", err, want)
		}
	}
}

func TestDaysToExpiry(t *testing.T) {
	end := time.Date(2030, 1, 10, 0, 0, 0, 0, time.UTC)
	for now, want := range map[time.Time]float64{
		end.Add(-36 * time.Hour): 1.5,
		end:                      0,
		end.Add(24 * time.Hour):  -1,
	} {
		if got := certs.DaysToExpiry(&x509.Certificate{NotAfter: end}, now); got != want {
			t.Errorf("at %s: %v, want %v", now, got, want)
		}
	}
}
