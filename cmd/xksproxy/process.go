package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"hyok/certs"
	"hyok/hsm"
	"hyok/internal/fault"
	"hyok/internal/metrics"
	"hyok/internal/serve"
	"hyok/proxy"
	"hyok/proxy/cluster"
)

// drain is how long requests under way may take at the end.
const drain = 4 * time.Second

// A daemon is the proxy that a file describes, while it runs.
type daemon struct {
	file     *proxy.File
	path     string
	log      *slog.Logger
	registry *metrics.Registry

	faults *fault.Set
	server *proxy.Server
	group  *serve.Group
}

// run serves until ctx ends.
func (d *daemon) run(ctx context.Context) (err error) {
	if d.file.InjectFaults {
		d.faults = fault.New(nil)
		d.log.Warn("failures can be injected", "address", d.file.MetricsListen, "path", "/faults")
	}
	d.server, err = proxy.Open(ctx, d.file, proxy.Parts{
		Log: d.log, Metrics: d.registry, Faults: d.faults, NewCluster: d.newCluster,
	})
	if err != nil {
		return err
	}
	config, err := d.tls()
	if err != nil {
		return err
	}
	endpoints := []serve.Endpoint{{Name: "xks", Listen: d.file.Listen, TLS: config, Handler: d.server.Handler()}}
	if d.file.MetricsListen != "" {
		endpoints = append(endpoints, serve.Endpoint{Name: "metrics", Listen: d.file.MetricsListen, Handler: d.operations()})
	}
	if d.group, err = serve.Start(endpoints...); err != nil {
		return err
	}
	for _, e := range endpoints {
		d.log.Info("serving", "endpoint", e.Name, "address", d.group.Addr(e.Name))
	}
	return d.untilEnd(ctx)
}

// untilEnd reloads on SIGHUP until ctx ends or a listener fails.
func (d *daemon) untilEnd(ctx context.Context) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	ended := make(chan error, 1)
	go func() { ended <- d.group.Wait(ctx) }()
	for {
		select {
		case err := <-ended:
			return err
		case <-hangup:
			d.reload()
		}
	}
}

// reload takes over the stores of the file, or keeps what there is.
func (d *daemon) reload() {
	f, err := proxy.LoadFile(d.path)
	if err == nil {
		err = d.server.Reload(f)
	}
	if err != nil {
		d.log.Error("the configuration was not reloaded", "cause", err)
		return
	}
	d.log.Info("the key stores were reloaded", "file", d.path)
}

// close drains the listeners and closes the device.
func (d *daemon) close() error {
	var errs []error
	if d.group != nil {
		d.server.Drain()
		errs = append(errs, d.group.Close(drain))
	}
	if d.server != nil {
		errs = append(errs, d.server.Close())
	}
	return errors.Join(errs...)
}

func (d *daemon) tls() (*tls.Config, error) {
	c, err := serverTLS(d.file.TLS)
	if err != nil {
		return nil, err
	}
	c.Watch.Report = func(leaf *x509.Certificate, err error) {
		if err != nil {
			d.log.Error("the new certificate is not used", "cause", err)
			return
		}
		d.log.Info("the certificate was replaced", "not_after", leaf.NotAfter)
	}
	return certs.ServerConfig(c)
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

// checkFiles checks what the files that the configuration names hold, as far as
// that needs no device.
func checkFiles(f *proxy.File) error {
	c, err := serverTLS(f.TLS)
	if err != nil {
		return err
	}
	c.Watch.Interval = -1
	if _, err := certs.ServerConfig(c); err != nil {
		return err
	}
	for _, m := range f.Modules {
		if _, err := os.Stat(m.Path); err != nil {
			return fmt.Errorf("looking for the module %q: %w; install it or mend its path", m.Name, err)
		}
	}
	return nil
}

// operations serves metrics and checks, and faults when they are wanted.
func (d *daemon) operations() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", d.server.Operations())
	if d.faults != nil {
		mux.Handle("/faults", d.faults.Handler())
	}
	return mux
}

// newCluster makes a simulated cluster on its token.
func (d *daemon) newCluster(f proxy.FileCluster, token *hsm.Token) (http.Handler, error) {
	anchor, err := os.ReadFile(f.TrustAnchor)
	if err != nil {
		return nil, fmt.Errorf("reading the trust anchor of %s: %w", f.ID, err)
	}
	c, err := cluster.New(cluster.Config{
		ID: f.ID, Token: token, TrustAnchor: anchor, Zones: f.Zones, Credentials: proxy.SigV4(f.Credentials),
		Regions: f.Regions, Log: d.log,
	})
	if err != nil {
		return nil, err
	}
	d.log.Warn("a CloudHSM cluster is simulated", "cluster", f.ID)
	return c.Handler(), nil
}
