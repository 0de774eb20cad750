// Command kmsfront serves the AWS KMS API by itself, with the key stores that
// its configuration file lets it reach. `hyok up` is the shorter way to run it
// together with a proxy.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"hyok/certs"
	"hyok/internal/logging"
	"hyok/internal/metrics"
	"hyok/internal/serve"
	"hyok/kmsfront"
)

//go:embed kmsfront.yaml
var reference string

// drain is how long requests under way may take at the end.
const drain = 4 * time.Second

type command struct {
	Config      string           `placeholder:"FILE" help:"The configuration file; --print-config shows a commented one."`
	CheckConfig bool             `name:"check-config" help:"Check the configuration file and exit."`
	PrintConfig bool             `name:"print-config" help:"Print the commented reference configuration and exit."`
	LogLevel    string           `name:"log-level" enum:"debug,info,warn,error" default:"info" help:"What is logged: debug, info, warn, error."`
	Version     kong.VersionFlag `help:"Print the version and exit."`
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run gives the exit status: 0 done, 1 failed, 2 wrong usage.
func run(args []string, stdout, stderr io.Writer) int {
	var c command
	exit := -1
	parser := kong.Must(&c,
		kong.Name("kmsfront"),
		kong.Description("A front end that speaks the AWS KMS API, with custom key stores.\n\n"+
			"Examples:\n  1. kmsfront --print-config > kmsfront.yaml\n  2. kmsfront --config kmsfront.yaml --check-config\n  3. kmsfront --config kmsfront.yaml"),
		kong.Vars{"version": metrics.Version()},
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exit = code }))
	_, err := parser.Parse(args)
	switch {
	case exit >= 0:
		return exit
	case err != nil:
		fmt.Fprintf(stderr, "kmsfront: %v; see kmsfront --help\n", err)
		return 2
	case c.PrintConfig:
		fmt.Fprint(stdout, reference)
		return 0
	case c.Config == "":
		fmt.Fprintln(stderr, "kmsfront: --config FILE is missing; kmsfront --print-config shows a file to begin with")
		return 2
	}
	if err := c.serve(stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "kmsfront: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
		return 1
	}
	return 0
}

func (c *command) serve(stdout, stderr io.Writer) (err error) {
	f, err := kmsfront.LoadFile(c.Config)
	if err != nil {
		return err
	}
	if c.CheckConfig {
		_, err := fmt.Fprintf(stdout, "%s is valid\n", c.Config)
		return err
	}
	serve.Collect()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	level, err := logging.Level(c.LogLevel)
	if err != nil {
		return err
	}
	log := logging.New(stderr, level)
	registry := metrics.New("kmsfront", metrics.Version())
	front, err := kmsfront.Open(ctx, f, kmsfront.Parts{Log: log, Metrics: registry})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, front.Close()) }()

	endpoints := []serve.Endpoint{{Name: "kms", Listen: f.Listen, Handler: front.Handler()}}
	if f.TLS != nil {
		config, err := certs.EndpointConfig(certs.ServerTLS{CertFile: f.TLS.Cert, KeyFile: f.TLS.Key})
		if err != nil {
			return err
		}
		endpoints = append(endpoints, serve.Endpoint{Name: "kms-tls", Listen: f.TLS.Listen, TLS: config, Handler: front.Handler()})
	}
	if f.OperationsListen != "" {
		endpoints = append(endpoints, serve.Endpoint{Name: "operations", Listen: f.OperationsListen, Handler: registry.Handler()})
	}
	group, err := serve.Start(endpoints...)
	if err != nil {
		return err
	}
	for _, e := range endpoints {
		log.Info("serving", "endpoint", e.Name, "address", group.Addr(e.Name))
	}
	return errors.Join(group.Wait(ctx), group.Close(drain))
}
