package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"hyok/certs"
	"hyok/hsm/doctor"
	"hyok/proxy"
)

// soonDays is when a certificate should have been renewed.
const soonDays = 30

// A tlsExam examines the certificate that the proxy shows.
type tlsExam struct {
	ctx      context.Context
	file     proxy.FileTLS
	endpoint string
	roots    *x509.CertPool // nil: the system's
	now      time.Time
	chain    []*x509.Certificate
}

// examineTLS looks at the files, at what is in them, and at a handshake.
func (c *doctorCmd) examineTLS(ctx context.Context, f proxy.FileTLS, now time.Time) []doctor.Step {
	x := &tlsExam{ctx: ctx, file: f, endpoint: endpointHost(c.Endpoint), now: now}
	rest := []struct {
		step string
		run  func(*tlsExam) doctor.Step
	}{
		{"tls chain", (*tlsExam).chainComplete}, {"tls names", (*tlsExam).names}, {"tls expiry", (*tlsExam).expiry},
		{"tls key", (*tlsExam).key}, {"tls handshake", (*tlsExam).handshakes}, {"tls clients", (*tlsExam).clients},
	}
	first := x.load(c.CABundle)
	first.Step, first.Subject = "tls files", f.Cert
	found := []doctor.Step{first}
	for _, r := range rest {
		s := doctor.Step{Status: doctor.Skipped, Detail: "needs the step tls files, which was failed"}
		if first.Status != doctor.Failed {
			s = r.run(x)
		}
		s.Step, s.Subject = r.step, f.Cert
		found = append(found, s)
	}
	return found
}

// endpointHost takes a host, HOST:PORT or https://HOST.
func endpointHost(s string) string {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "https://"), "/")
	if host, _, err := net.SplitHostPort(s); err == nil {
		return host
	}
	return s
}

func finding(status doctor.Status, do, format string, args ...any) doctor.Step {
	return doctor.Step{Status: status, Detail: fmt.Sprintf(format, args...), Do: do}
}

func (x *tlsExam) load(bundle string) doctor.Step {
	const do = "give the chain, leaf first, and the leaf's private key, in PEM"
	pair, err := tls.LoadX509KeyPair(x.file.Cert, x.file.Key)
	if err != nil {
		return finding(doctor.Failed, do, "%v", err)
	}
	for _, der := range pair.Certificate {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return finding(doctor.Failed, do, "%v", err)
		}
		x.chain = append(x.chain, cert)
	}
	if bundle != "" {
		if x.roots, err = certs.LoadPool(bundle); err != nil {
			return finding(doctor.Failed, "correct --ca-bundle", "%v", err)
		}
	}
	info, err := os.Stat(x.file.Key)
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		return finding(doctor.Warning, "chmod 600 "+x.file.Key, "others than its owner can use the private key (mode %04o)", info.Mode().Perm())
	}
	return finding(doctor.OK, "", "certificates: %d; the key belongs to the first", len(x.chain))
}

// verify builds a chain to a trusted root from what the file holds, as of a time
// when the certificate is valid: the expiry is another step's.
func (x *tlsExam) verify() error {
	at := x.now
	if leaf := x.chain[0]; at.After(leaf.NotAfter) || at.Before(leaf.NotBefore) {
		at = leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) / 2)
	}
	between := x509.NewCertPool()
	for _, c := range x.chain[1:] {
		between.AddCert(c)
	}
	_, err := x.chain[0].Verify(x509.VerifyOptions{Roots: x.roots, Intermediates: between, CurrentTime: at})
	return err
}

func (x *tlsExam) chainComplete() doctor.Step {
	for i, c := range x.chain[1:] {
		if err := x.chain[i].CheckSignatureFrom(c); err != nil {
			return finding(doctor.Failed, "write the leaf first, then each issuer", "certificate %d is not issued by the one behind it", i+1)
		}
	}
	if err := x.verify(); err != nil {
		return finding(doctor.Warning, "add the intermediate certificates; AWS KMS takes public authorities only, and for a rehearsal --ca-bundle names your own",
			"the chain does not lead to a trusted authority: %v", err)
	}
	return finding(doctor.OK, "", "leads to a trusted authority")
}

func (x *tlsExam) names() doctor.Step {
	leaf := x.chain[0]
	cn := leaf.Subject.CommonName
	all := strings.Join(leaf.DNSNames, ", ")
	switch {
	case len(leaf.DNSNames) == 0 && len(leaf.IPAddresses) == 0:
		return finding(doctor.Failed, "issue one with the host name as subject alternative name and as common name", "it has a common name (%q) only, which clients ignore", cn)
	case x.endpoint != "" && leaf.VerifyHostname(x.endpoint) != nil:
		return finding(doctor.Failed, "issue one with that name, as subject alternative name and as common name", "it is not for %s but for %s", x.endpoint, all)
	case cn == "" || !contains(leaf.DNSNames, cn):
		return finding(doctor.Warning, "put the host name into both: the KMS guide asks for it as common name", "the common name %q is not among the alternative names %s", cn, all)
	case x.endpoint != "" && !matchesCN(cn, x.endpoint):
		return finding(doctor.Warning, "put the host name into both: the KMS guide asks for it as common name", "it is for %s, but its common name is %s", x.endpoint, cn)
	}
	return finding(doctor.OK, "", "common name and alternative names agree: %s", all)
}

func contains(all []string, name string) bool {
	for _, one := range all {
		if strings.EqualFold(one, name) {
			return true
		}
	}
	return false
}

// matchesCN tells whether a common name, perhaps with a wildcard, is the host's.
func matchesCN(cn, host string) bool {
	_, parent, ok := strings.Cut(host, ".")
	return strings.EqualFold(cn, host) || ok && strings.EqualFold(cn, "*."+parent)
}

func (x *tlsExam) expiry() doctor.Step {
	soonest := x.chain[0]
	for _, c := range x.chain {
		if c.NotAfter.Before(soonest.NotAfter) {
			soonest = c
		}
	}
	days := certs.DaysToExpiry(soonest, x.now)
	switch {
	case x.now.Before(x.chain[0].NotBefore):
		return finding(doctor.Failed, "check the clock of this machine", "it is not valid before %s", x.chain[0].NotBefore.Format(time.DateOnly))
	case days <= 0:
		return finding(doctor.Failed, "renew it; the proxy takes the new files up by itself", "%q expired on %s", soonest.Subject, soonest.NotAfter.Format(time.DateOnly))
	case days < soonDays:
		return finding(doctor.Warning, "renew it; the proxy takes the new files up by itself", "%.0f days to expiry (%s)", days, soonest.NotAfter.Format(time.DateOnly))
	}
	return finding(doctor.OK, "", "%.0f days to expiry (%s)", days, soonest.NotAfter.Format(time.DateOnly))
}

func (x *tlsExam) key() doctor.Step {
	switch k := x.chain[0].PublicKey.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			return finding(doctor.Failed, "use RSA with 2048 bits or more, or ECDSA", "RSA with %d bits", k.N.BitLen())
		}
		return finding(doctor.OK, "", "RSA with %d bits", k.N.BitLen())
	case *ecdsa.PublicKey:
		return finding(doctor.OK, "", "ECDSA %s", k.Curve.Params().Name)
	}
	return finding(doctor.Failed, "use RSA or ECDSA, which the two TLS 1.2 suites of the specification need", "%s", x.chain[0].PublicKeyAlgorithm)
}

func (x *tlsExam) clients() doctor.Step {
	if x.file.ClientCA == "" {
		return finding(doctor.OK, "", "no client certificate is asked for; requests are signed")
	}
	if _, err := certs.LoadPool(x.file.ClientCA); err != nil {
		return finding(doctor.Failed, "give the authorities of client certificates in PEM", "%v", err)
	}
	for _, name := range x.file.ClientNames {
		if strings.HasPrefix(name, "cks.kms.") && strings.HasSuffix(name, ".amazonaws.com") {
			return finding(doctor.OK, "", "clients must be one of %s", strings.Join(x.file.ClientNames, ", "))
		}
	}
	return finding(doctor.Warning, "add cks.kms.REGION.amazonaws.com for each Region", "no client name is that of AWS KMS")
}
