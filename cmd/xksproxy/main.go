// Command xksproxy serves external keys of a PKCS#11 device to AWS KMS: the XKS
// Proxy API over HTTPS, as its configuration file says.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"hyok/internal/logging"
	"hyok/internal/metrics"
	"hyok/proxy"
)

//go:embed xksproxy.yaml
var reference string

type command struct {
	Config      string           `placeholder:"FILE" help:"The configuration file; --print-config shows a commented one."`
	CheckConfig bool             `name:"check-config" help:"Check the configuration file and exit."`
	PrintConfig bool             `name:"print-config" help:"Print the commented reference configuration and exit."`
	LogLevel    string           `name:"log-level" enum:"debug,info,warn,error" default:"info" help:"What is logged: debug, info (a line for each request), warn (failures of the proxy and the device), error."`
	Version     kong.VersionFlag `help:"Print the version and exit."`
}

const description = `An external key store proxy: lets AWS KMS use keys that stay on your PKCS#11 device.

Examples:
  1. xksproxy --print-config > xksproxy.yaml
  2. xksproxy --config xksproxy.yaml --check-config
  3. xksproxy --config xksproxy.yaml --log-level warn`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run gives the exit status: 0 done, 1 failed, 2 wrong usage.
func run(args []string, stdout, stderr io.Writer) int {
	var c command
	exit := -1
	parser := kong.Must(&c,
		kong.Name("xksproxy"),
		kong.Description(description),
		kong.Vars{"version": metrics.Version()},
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exit = code }))
	_, err := parser.Parse(args)
	switch {
	case exit >= 0:
		return exit
	case err != nil:
		fmt.Fprintf(stderr, "xksproxy: %v; see xksproxy --help\n", err)
		return 2
	case c.PrintConfig:
		fmt.Fprint(stdout, reference)
		return 0
	case c.Config == "":
		fmt.Fprintln(stderr, "xksproxy: --config FILE is missing; xksproxy --print-config shows a file to begin with")
		return 2
	}
	if err := c.execute(stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "xksproxy: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
		return 1
	}
	return 0
}

func (c *command) execute(stdout, stderr io.Writer) error {
	f, err := proxy.LoadFile(c.Config)
	if err != nil {
		return err
	}
	if c.CheckConfig {
		if err := checkFiles(f); err != nil {
			return err
		}
		_, err := fmt.Fprintf(stdout, "%s is valid\n", c.Config)
		return err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	d := &daemon{file: f, path: c.Config, log: logging.New(stderr, level), registry: metrics.New("xksproxy", metrics.Version())}
	return errors.Join(d.run(ctx), d.close())
}
