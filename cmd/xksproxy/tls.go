package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"sync/atomic"

	"hyok/certs"
	"hyok/proxy"
)

// A listenerTLS is the TLS of the listener. What the file says of it can be
// replaced; connections that are open stay as they are.
type listenerTLS struct {
	report  func(leaf *x509.Certificate, err error)
	current atomic.Pointer[tls.Config]
	watch   atomic.Pointer[certs.Reloader] // of the certificate in use
}

// prepare reads all that f names. Then end must be called, which puts it to use
// or drops it.
func (l *listenerTLS) prepare(f proxy.FileTLS) (end func(use bool), err error) {
	c, err := serverTLS(f)
	if err != nil {
		return nil, err
	}
	watch, err := certs.NewReloader(c.CertFile, c.KeyFile, certs.Watch{Interval: 2 * pollInterval, Report: l.report})
	if err != nil {
		return nil, err
	}
	c.GetCertificate = watch.GetCertificate
	next, err := certs.ServerConfig(c)
	if err != nil {
		watch.Close()
		return nil, err
	}
	return func(use bool) {
		if !use {
			watch.Close()
			return
		}
		if old := l.watch.Swap(watch); old != nil {
			old.Close()
		}
		l.current.Store(next)
	}, nil
}

// daysToExpiry is of the certificate in use.
func (l *listenerTLS) daysToExpiry() float64 { return l.watch.Load().DaysToExpiry() }

// config is for the server, once something is in use. Sessions are resumed
// across a change, if the client's certificate still satisfies.
func (l *listenerTLS) config() *tls.Config {
	outer := l.current.Load().Clone()
	outer.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		return l.current.Load().GetConfigForClient(hello)
	}
	return outer
}

// serverTLS reads the authorities of client certificates.
func serverTLS(f proxy.FileTLS) (certs.ServerTLS, error) {
	c := certs.ServerTLS{CertFile: f.Cert, KeyFile: f.Key, ClientNames: f.ClientNames}
	if f.ClientCA == "" {
		return c, nil
	}
	pool, err := certs.LoadPool(f.ClientCA)
	if err != nil {
		return c, fmt.Errorf("reading client_ca: %w", err)
	}
	c.ClientCA = pool
	return c, nil
}

// reportCertificate logs what became of a renewed certificate.
func (p *process) reportCertificate(leaf *x509.Certificate, err error) {
	if err != nil {
		p.log.Error("the new certificate is not used", "cause", err)
		return
	}
	p.log.Info("the certificate was replaced", "not_after", leaf.NotAfter)
}
