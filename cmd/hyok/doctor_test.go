package main

import (
	"os"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"hyok/certs"
	"hyok/softhsm"
	"hyok/softhsm/softhsmtest"
)

// makeDevice makes SoftHSM tokens in a directory and points hyok key at the
// first: device DIR LABEL...
func makeDevice(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: device DIR LABEL...")
	}
	d, err := softhsm.New(ts.MkAbs(args[0]))
	ts.Check(err)
	for _, label := range args[1:] {
		ts.Check(d.InitToken(label, softhsmtest.PIN, softhsmtest.SOPIN))
	}
	module, err := softhsm.Module()
	ts.Check(err)
	for name, value := range map[string]string{
		"SOFTHSM2_CONF": d.Conf(), "HYOK_PKCS11_MODULE": module, "HYOK_PKCS11_TOKEN": args[1],
		"HYOK_PKCS11_PIN": softhsmtest.PIN, "HYOK_ADMIN_URL": "none",
	} {
		ts.Setenv(name, value)
	}
}

// certificateKinds are certificates of a server, by what is wrong with them.
var certificateKinds = map[string]func(l *certs.Leaf, now time.Time){
	"good": func(*certs.Leaf, time.Time) {},
	"expired": func(l *certs.Leaf, now time.Time) {
		l.NotBefore, l.NotAfter = now.Add(-48*time.Hour), now.Add(-24*time.Hour)
	},
	"soon":     func(l *certs.Leaf, now time.Time) { l.NotAfter = now.Add(72 * time.Hour) },
	"cn-only":  func(l *certs.Leaf, _ time.Time) { l.DNSNames = nil },
	"other-cn": func(l *certs.Leaf, _ time.Time) { l.CommonName = "other.example.com" },
}

// makeCertificate makes KIND.pem, KIND-key.pem and KIND-ca.pem, for
// xks.example.com: certificate KIND...
func makeCertificate(ts *testscript.TestScript, neg bool, args []string) {
	for _, kind := range args {
		change := certificateKinds[kind]
		if neg || change == nil {
			ts.Fatalf("usage: certificate KIND...; there is no kind %q", kind)
		}
		now := time.Now()
		ca, err := certs.NewAuthority("doctor test", now.Add(-72*time.Hour))
		ts.Check(err)
		leaf := certs.Leaf{CommonName: "xks.example.com", DNSNames: []string{"xks.example.com"}}
		change(&leaf, now)
		cert, key, err := ca.Issue(leaf)
		ts.Check(err)
		ts.Check(certs.WriteLeaf(ts.MkAbs(kind+".pem"), ts.MkAbs(kind+"-key.pem"), cert, key))
		ts.Check(os.WriteFile(ts.MkAbs(kind+"-ca.pem"), ca.CertPEM(), 0o644))
	}
}
