package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"hyok/certs"
	"hyok/hsm"
	"hyok/internal/fault"
	"hyok/internal/metrics"
	"hyok/internal/serve"
	"hyok/internal/systemd"
	"hyok/proxy"
	"hyok/proxy/cluster"
)

// drain is how long requests under way may take at the end.
const drain = 4 * time.Second

// A process is the proxy that a file describes, while it runs.
type process struct {
	file     *proxy.File // at the start
	reloader *reloader
	hangup   <-chan os.Signal // SIGHUP
	log      *slog.Logger
	registry *metrics.Registry

	faults *fault.Set
	tracer trace.Tracer // nil: no traces
	traces *sdktrace.TracerProvider
	server *proxy.Server
	tls    listenerTLS
	group  *serve.Group
}

// run serves until ctx ends.
func (p *process) run(ctx context.Context) (err error) {
	if p.file.InjectFaults {
		p.faults = fault.New(nil)
		p.log.Warn("failures can be injected", "address", p.file.MetricsListen, "path", "/faults")
	}
	if err := p.startTracing(ctx); err != nil {
		return err
	}
	p.server, err = proxy.Open(ctx, p.file, proxy.Parts{
		Log: p.log, Metrics: p.registry, Faults: p.faults, NewCluster: p.newCluster, Tracer: p.tracer,
	})
	if err != nil {
		return err
	}
	p.tls.report = p.reportCertificate
	endTLS, err := p.tls.prepare(p.file.TLS)
	if err != nil {
		return err
	}
	endTLS(true)
	meterCertificate(p.registry, p.tls.daysToExpiry)
	endpoints := []serve.Endpoint{{Name: "xks", Listen: p.file.Listen, TLS: p.tls.config(), Handler: p.server.Handler(), Share: 70}}
	if p.file.MetricsListen != "" {
		endpoints = append(endpoints, serve.Endpoint{Name: "metrics", Listen: p.file.MetricsListen, Handler: p.operations(), Share: 5})
	}
	if p.group, err = serve.Start(endpoints...); err != nil {
		return err
	}
	for _, e := range endpoints {
		p.log.Info("serving", "endpoint", e.Name, "address", p.group.Addr(e.Name))
	}
	p.tell(systemd.Ready)
	go p.feedWatchdog(ctx)
	return p.untilEnd(ctx)
}

// close drains the listeners and closes the device. Another SIGTERM or SIGINT ends
// the delay before that.
func (p *process) close() error {
	var errs []error
	if p.group != nil {
		again := make(chan os.Signal, 1)
		signal.Notify(again, syscall.SIGTERM, syscall.SIGINT)
		defer signal.Stop(again)
		p.tell(systemd.Stopping)
		p.server.Drain()
		select {
		case <-time.After(p.file.DrainDelay): // for balancers to ask /readyz
		case <-again:
		}
		errs = append(errs, p.group.Close(drain))
	}
	if p.server != nil {
		errs = append(errs, p.server.Close())
	}
	p.endTracing()
	return errors.Join(errs...)
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
	if err := f.CheckPolicies(); err != nil {
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
func (p *process) operations() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", p.server.Operations())
	if p.file.Pprof {
		addProfiles(mux)
	}
	if p.faults != nil {
		mux.Handle("/faults", p.faults.Handler())
	}
	return mux
}

// newCluster makes a simulated cluster on its token.
func (p *process) newCluster(f proxy.FileCluster, token *hsm.Token) (http.Handler, error) {
	anchor, err := os.ReadFile(f.TrustAnchor)
	if err != nil {
		return nil, fmt.Errorf("reading the trust anchor of %s: %w", f.ID, err)
	}
	c, err := cluster.New(cluster.Config{
		ID: f.ID, Token: token, TrustAnchor: anchor, Zones: f.Zones, Credentials: proxy.SigV4(f.Credentials),
		Regions: f.Regions, Log: p.log,
	})
	if err != nil {
		return nil, err
	}
	p.log.Warn("a CloudHSM cluster is simulated", "cluster", f.ID)
	return c.Handler(), nil
}
