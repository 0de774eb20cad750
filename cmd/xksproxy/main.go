// Command xksproxy serves external keys of a PKCS#11 device to AWS KMS: the XKS
// Proxy API over HTTPS, as its configuration file says.
package main

import (
	"context"
	_ "embed"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"hyok/internal/daemon"
	"hyok/internal/metrics"
	"hyok/proxy"
)

//go:embed xksproxy.yaml
var reference string

const description = `An external key store proxy: lets AWS KMS use keys that stay on your PKCS#11 device.

Examples:
  1. xksproxy --print-config > xksproxy.yaml
  2. xksproxy --config xksproxy.yaml --check-config
  3. xksproxy --config xksproxy.yaml --log-level warn`

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	return daemon.Main(daemon.Program{
		Name: "xksproxy", Description: description, Reference: reference, Check: check, Serve: serveProxy,
		Commands: []daemon.Command{{Name: "verify-log", Help: "check the chain of an audit log.", Run: verifyLog}},
	}, args, os.Stdout, os.Stderr)
}

func check(file string) error {
	f, err := proxy.LoadFile(file)
	if err != nil {
		return err
	}
	return checkFiles(f)
}

func serveProxy(ctx context.Context, file string, log *slog.Logger) error {
	// First of all: a SIGHUP while it starts is for later, and must not end it.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	f, sources, err := proxy.LoadChanged(file, nil)
	if err != nil {
		return err
	}
	p := &process{
		file: f, reloader: newReloader(file, f, sources), hangup: hangup, log: log,
		registry: metrics.New("xksproxy", metrics.Version()),
	}
	return errors.Join(p.run(ctx), p.close())
}
