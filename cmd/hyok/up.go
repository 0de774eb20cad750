package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hyok/internal/logging"
	"hyok/internal/serve"
)

const (
	defaultDir = ".hyok"
	// drain is how long requests under way may take at the end; with what else
	// is closed, hyok up stops within five seconds.
	drain = 3 * time.Second
)

// upOptions are what `hyok up` and `hyok demo` set differently.
type upOptions struct {
	KMSListen   string   `name:"kms-listen" placeholder:"HOST:PORT" default:"127.0.0.1:4599" help:"Where the KMS API answers; port 0 picks a free one."`
	ProxyListen string   `name:"proxy-listen" placeholder:"HOST:PORT" default:"127.0.0.1:4600" help:"Where the external key store proxy answers."`
	Regions     []string `placeholder:"LIST" help:"Regions served, with commas between; every commercial Region and both of China without it."`
	Identities  string   `placeholder:"FILE" help:"Accounts, users and access keys; one account with the user admin without it."`
	Quotas      string   `placeholder:"guide|off|FILE" default:"guide" help:"Quotas: the guide's, none (the proxy's limits are lifted too), or a file's."`
	TrustCA     []string `name:"trust-ca" placeholder:"FILE" help:"CAs (PEM) that the front end accepts for external key store proxies, besides the local one."`
	deviceOptions
	rudeOptions
	ClusterDelay time.Duration `name:"cluster-delay" placeholder:"DURATION" default:"0s" help:"How long simulated CloudHSM clusters, HSMs and backups stay in a state such as CREATE_IN_PROGRESS."`
	// ConnectDelay has no flag: connecting takes as long as it needs.
	ConnectDelay time.Duration `kong:"-"`
}

type upCmd struct {
	Dir string `placeholder:"DIR" default:".hyok" help:"Where everything is kept; made if missing."`
	upOptions
	LogLevel string `name:"log-level" enum:"debug,info,warn,error" default:"warn" help:"What is logged: debug, info (a line a request), warn, error."`

	// What comes later is refused by name rather than ignored.
	Seed             string        `placeholder:"FILE" help:"Not built yet."`
	ConsistencyDelay time.Duration `name:"consistency-delay" placeholder:"DURATION" help:"Not built yet."`
}

// Help shows up behind `hyok up --help`.
func (c *upCmd) Help() string {
	return `Makes what is missing in DIR: two SoftHSM tokens, a local CA and certificates,
credentials, one external key, one simulated CloudHSM cluster, the front end's
root key and store. When everything answers it writes DIR/env and prints a line
that begins with "ready". SIGINT or SIGTERM stops it.

Examples:
  1. hyok up
  2. hyok up --dir /srv/hyok --kms-listen 127.0.0.1:0 --proxy-listen 127.0.0.1:0
  3. hyok up --quotas off --regions us-east-1,eu-central-1
  4. hyok up --rude --rude-seed 7`
}

func (c *upCmd) notBuilt() error {
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"--seed", c.Seed != ""}, {"--consistency-delay", c.ConsistencyDelay != 0},
	} {
		if f.set {
			return usagef("%s is not built yet in this version of hyok; leave it out", f.name)
		}
	}
	return nil
}

// Run brings everything up and serves until ctx ends.
func (c *upCmd) Run(ctx context.Context, s streams) error {
	if err := errors.Join(c.notBuilt(), c.deviceOptions.check(), c.rudeOptions.check()); err != nil {
		return err
	}
	level, err := logging.Level(c.LogLevel)
	if err != nil {
		return usagef("%v", err)
	}
	serve.Collect()
	err = c.serve(ctx, s, logging.New(s.Err, level))
	if ctx.Err() != nil { // asked to stop, be it while starting
		return nil
	}
	return err
}

func (c *upCmd) serve(ctx context.Context, s streams, log *slog.Logger) error {
	w, err := openWorkbench(ctx, c.Dir, c.upOptions, log)
	if err != nil {
		return err
	}
	if err = w.start(ctx); err == nil {
		w.announce(s)
		fmt.Fprintf(s.Out, "ready: KMS at %s, proxy at %s, variables in %s\n",
			w.env["AWS_ENDPOINT_URL_KMS"], w.env["HYOK_XKS_URI_ENDPOINT"], filepath.Join(c.Dir, "env"))
		err = w.group.Wait(ctx)
	}
	err = errors.Join(err, w.close())
	if ctx.Err() != nil && err != nil {
		log.Warn("not everything was closed in order", slog.Any("error", err))
	}
	return err
}

type envCmd struct {
	Dir string `placeholder:"DIR" default:".hyok" help:"The directory that hyok up runs in."`
}

// Run prints DIR/env.
func (c *envCmd) Run(s streams) error {
	b, err := os.ReadFile(filepath.Join(c.Dir, "env"))
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s has no env file: run hyok up --dir %s first, and wait until it prints ready", c.Dir, c.Dir)
	}
	if err != nil {
		return err
	}
	_, err = s.Out.Write(b)
	return err
}

// shellQuote makes any text one word of a POSIX shell.
func shellQuote(v string) string { return "'" + strings.ReplaceAll(v, "'", `'\''`) + "'" }
