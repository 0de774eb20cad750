// Command kmsfront serves the AWS KMS API by itself, with the key stores that
// its configuration file lets it reach. `hyok up` is the shorter way to run it
// together with a proxy.
package main

import (
	"context"
	_ "embed"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"time"

	"hyok/certs"
	"hyok/internal/daemon"
	"hyok/internal/metrics"
	"hyok/internal/serve"
	"hyok/internal/systemd"
	"hyok/kmsfront"
)

//go:embed kmsfront.yaml
var reference string

// drain is how long requests under way may take at the end.
const drain = 4 * time.Second

const description = `A front end that speaks the AWS KMS API, with custom key stores.

Examples:
  1. kmsfront --print-config > kmsfront.yaml
  2. kmsfront --config kmsfront.yaml --check-config
  3. kmsfront --config kmsfront.yaml`

func main() {
	os.Exit(daemon.Main(daemon.Program{
		Name: "kmsfront", Description: description, Reference: reference, Check: check, Serve: run,
	}, os.Args[1:], os.Stdout, os.Stderr))
}

func check(file string) error {
	_, err := kmsfront.LoadFile(file)
	return err
}

// operations serves Prometheus metrics, and at /getmetricdata the data points of
// CloudWatch's.
func operations(r *metrics.Registry, front *kmsfront.Front) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", r.Handler())
	mux.Handle("/getmetricdata", front.MetricData())
	return mux
}

func run(ctx context.Context, file string, log *slog.Logger) (err error) {
	f, err := kmsfront.LoadFile(file)
	if err != nil {
		return err
	}
	registry := metrics.New("kmsfront", metrics.Version())
	front, err := kmsfront.Open(ctx, f, kmsfront.Parts{Log: log, Metrics: registry})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, front.Close()) }()

	endpoints := []serve.Endpoint{{Name: "kms", Listen: f.Listen, Handler: front.Handler(), Share: 30}}
	if f.TLS != nil {
		config, err := certs.EndpointConfig(certs.ServerTLS{CertFile: f.TLS.Cert, KeyFile: f.TLS.Key})
		if err != nil {
			return err
		}
		endpoints = append(endpoints, serve.Endpoint{Name: "kms-tls", Listen: f.TLS.Listen, TLS: config, Handler: front.Handler(), Share: 30})
	}
	if f.OperationsListen != "" {
		endpoints = append(endpoints, serve.Endpoint{Name: "operations", Listen: f.OperationsListen, Handler: operations(registry, front), Share: 5})
	}
	group, err := serve.Start(endpoints...)
	if err != nil {
		return err
	}
	for _, e := range endpoints {
		log.Info("serving", "endpoint", e.Name, "address", group.Addr(e.Name))
	}
	if err := systemd.Ready(); err != nil {
		log.Warn("systemd was not told", "cause", err)
	}
	return errors.Join(group.Wait(ctx), systemd.Stopping(), group.Close(drain))
}
