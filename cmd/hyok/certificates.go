package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"time"

	"hyok/certs"
	"hyok/internal/durable"
	"hyok/kmsfront/keystore"
)

// Files of the local CA and of the simulated cluster's trust anchor.
const (
	caFile      = "ca.pem"
	caKeyFile   = "ca-key.pem"
	trustAnchor = "customerCA.crt"
	clusterCert = "cluster.crt"
)

// makeCertificates makes the local CA and the cluster's, once, and fresh leaf
// certificates at every start.
func (w *workbench) makeCertificates() error {
	ca, err := certs.LoadAuthority(w.path(caFile), w.path(caKeyFile))
	if errors.Is(err, fs.ErrNotExist) {
		if ca, err = certs.NewAuthority("hyok local CA", time.Now()); err == nil {
			err = ca.Save(w.path(caFile), w.path(caKeyFile))
		}
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(w.path(trustAnchor)); errors.Is(err, fs.ErrNotExist) {
		anchor, err := certs.NewAuthority(w.state.ClusterID, time.Now())
		if err != nil {
			return err
		}
		// The cluster's own certificate, by which its relatives are known.
		cert, _, err := anchor.Issue(certs.Leaf{CommonName: w.state.ClusterID})
		if err != nil {
			return err
		}
		if err := durable.WriteFile(w.path(clusterCert), cert, 0o644); err != nil {
			return err
		}
		if err := durable.WriteFile(w.path(trustAnchor), anchor.CertPEM(), 0o644); err != nil {
			return err
		}
	}
	w.ca = ca
	for name, listen := range map[string]string{"proxy": w.options.ProxyListen, "kms": w.options.KMSListen} {
		if err := w.issue(name, listen); err != nil {
			return fmt.Errorf("issuing the certificate of %s: %w", name, err)
		}
	}
	return nil
}

// leafLifetime outlives what hyok clock is advanced for rotation and waiting periods.
const leafLifetime = 9 * 365 * 24 * time.Hour

// issue makes a certificate for localhost, the address listened on and more names.
func (w *workbench) issue(name, listen string, more ...string) error {
	leaf := certs.Leaf{
		CommonName: "localhost", DNSNames: append([]string{"localhost"}, more...),
		NotAfter: time.Now().Add(leafLifetime),
		IPs:      []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if host, _, err := net.SplitHostPort(listen); err != nil {
		return usagef("%q is not HOST:PORT", listen)
	} else if ip := net.ParseIP(host); ip != nil {
		leaf.IPs = append(leaf.IPs, ip)
	} else if host != "" && host != "localhost" {
		leaf.DNSNames = append(leaf.DNSNames, host)
	}
	cert, key, err := w.ca.Issue(leaf)
	if err != nil {
		return err
	}
	return certs.WriteLeaf(w.path(name+".pem"), w.path(name+"-key.pem"), cert, key)
}

// serverTLS are the files of a certificate, as a TLS profile takes them.
func (w *workbench) serverTLS(name string) certs.ServerTLS {
	return certs.ServerTLS{CertFile: w.path(name + ".pem"), KeyFile: w.path(name + "-key.pem")}
}

// openLeaf opens the proxy's certificate, which then follows its files.
func (w *workbench) openLeaf() (err error) {
	files := w.serverTLS("proxy")
	w.leaf, err = certs.NewReloader(files.CertFile, files.KeyFile, certs.Watch{Interval: time.Second})
	if err == nil {
		w.onClose(func() error { w.leaf.Close(); return nil })
	}
	return err
}

// nameServices gives the proxy a certificate for the private DNS names of all
// VPC endpoint services too, unless it has one.
func (w *workbench) nameServices(stores *keystore.Manager) error {
	var names []string
	have := true
	for _, s := range stores.Services() {
		if s.PrivateDNS != "" && !slices.Contains(names, s.PrivateDNS) {
			names = append(names, s.PrivateDNS)
			have = have && w.leaf.Leaf().VerifyHostname(s.PrivateDNS) == nil
		}
	}
	if have {
		return nil
	}
	if err := w.issue("proxy", w.options.ProxyListen, names...); err != nil {
		return fmt.Errorf("issuing the certificate of the proxy: %w", err)
	}
	return w.leaf.Reload()
}
