package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"hyok/internal/loadgen"
	"hyok/internal/logging"
)

type loadCmd struct {
	Op       []string      `placeholder:"OPERATION[=WEIGHT]" default:"Encrypt" help:"What to send, with commas between and the weight of each in the mix (1): Encrypt, Decrypt, ReEncrypt, GenerateDataKey, GenerateDataKeyWithoutPlaintext, DescribeKey, GenerateRandom, ListKeys."`
	Key      []string      `placeholder:"KEY" help:"Keys to use in equal parts: ID, ARN or alias. Without it, and without --store, a running hyok makes one with the alias alias/hyok-load."`
	Store    []string      `placeholder:"ID" help:"Custom key stores of which to use an enabled key each."`
	Rate     *float64      `placeholder:"N" help:"Requests a second at a constant rate (open loop); 100 without --callers."`
	Callers  int           `placeholder:"N" help:"Callers that send one request after the other instead (closed loop)."`
	Duration time.Duration `default:"10s" help:"How long to send."`
	Size     int           `default:"32" help:"Bytes of plaintext, up to 4096."`
	Timeout  time.Duration `default:"10s" help:"How long to wait for an answer."`
	InFlight int           `name:"max-in-flight" default:"512" help:"Most requests of a constant rate that wait for their answer."`
	Seed     uint64        `default:"1" help:"Of the mix: the same seed sends the same sequence."`
	Plot     string        `placeholder:"FILE.svg" help:"Draw latency over time and by percentile."`
	Dir      string        `placeholder:"DIR" help:"The directory that hyok up runs in; without it the AWS variables and profiles, if they name an endpoint or no hyok runs in .hyok."`
	JSON     bool          `name:"json" help:"Print JSON."`
}

// Help shows up behind `hyok load --help`.
func (c *loadCmd) Help() string {
	return `Sends requests to KMS: to a running hyok, or to what AWS_ENDPOINT_URL_KMS or the AWS
profile say, where each is paid for as any other. Nothing is sent twice. See docs/load.md.

Examples:
  1. hyok load
  2. hyok load --rate 1800 --duration 60s --store cks-1234567890abcdef0 --plot load.svg
  3. hyok load --callers 16 --op Encrypt=3,Decrypt=6,GenerateDataKey --key alias/a --key alias/b`
}

// check finds wrong usage that kong cannot see.
func (c *loadCmd) check() error {
	for _, row := range []struct {
		wrong bool
		say   string
	}{
		{c.Rate != nil && c.Callers != 0, "--rate and --callers contradict each other: a constant rate does not depend on callers"},
		{c.Rate != nil && !(*c.Rate > 0 && *c.Rate <= 1e6), "--rate: must be above 0 and at most a million"},
		{c.Callers < 0 || c.Callers > 10_000, "--callers: must be from 1 to 10000"},
		{c.Duration <= 0, "--duration: must be above 0"},
		{c.Timeout <= 0, "--timeout: must be above 0"},
		{c.Size < 1 || c.Size > 4096, "--size: must be from 1 to 4096"},
		{c.InFlight < 1 || c.InFlight > 10_000, "--max-in-flight: must be from 1 to 10000"},
	} {
		if row.wrong {
			return usagef("%s", row.say)
		}
	}
	return nil
}

// Run sends, and prints what was measured.
func (c *loadCmd) Run(ctx context.Context, s streams) error {
	if err := c.check(); err != nil {
		return err
	}
	mix, err := parseMix(c.Op)
	if err != nil {
		return err
	}
	e, err := openLoadEndpoint(ctx, c.Dir, max(c.InFlight, c.Callers))
	if err != nil {
		return err
	}
	ops, err := e.operations(ctx, c, mix)
	if err != nil {
		return err
	}
	g := loadgen.Config{
		Operations: ops, Callers: c.Callers, MaxInFlight: c.InFlight, Duration: c.Duration,
		Timeout: c.Timeout, Precise: true, Seed: c.Seed, Name: errorName,
	}
	if c.Rate != nil {
		g.Rate = *c.Rate
	} else if c.Callers == 0 {
		g.Rate = 100
	}
	fmt.Fprintf(s.Err, "sending to %s for %s\n", e.url, c.Duration)
	end := showProgress(s, &g)
	report, err := loadgen.Run(ctx, g)
	end()
	if err != nil {
		return err
	}
	return c.print(s, report, e.url)
}

func (c *loadCmd) print(s streams, report *loadgen.Report, url string) error {
	if c.Plot != "" {
		title := fmt.Sprintf("%s at %s, %s", strings.Join(c.Op, ", "), url, time.Now().UTC().Format(time.DateTime+" MST"))
		if err := os.WriteFile(c.Plot, report.SVG(title), 0o644); err != nil {
			return fmt.Errorf("writing the plot: %w; name another file with --plot", err)
		}
	}
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(report)
	}
	return report.WriteText(s.Out)
}

// showProgress has g tell how it goes: a terminal has one line that is written
// anew each second, else there is a line every five. end leaves that line.
func showProgress(s streams, g *loadgen.Config) (end func()) {
	g.Every = 5 * time.Second
	before, after := "", "\n"
	if logging.IsTerminal(s.Err) {
		g.Every = time.Second
		before, after = "\r\x1b[K", ""
	}
	g.Progress = func(p loadgen.Progress) {
		fmt.Fprintf(s.Err, "%s%s: %d sent, %d in flight, %d errors, %.0f answers a second, p50 %s, p99 %s%s", before,
			p.Elapsed.Round(time.Second), p.Sent, p.InFlight, p.Errors, p.PerSecond, loadgen.Millis(p.P50), loadgen.Millis(p.P99), after)
	}
	return func() { fmt.Fprint(s.Err, before) }
}

// A share is an operation with its weight in the mix.
type share struct {
	op     *loadOperation
	weight float64
}

func parseMix(words []string) ([]share, error) {
	var all []share
	for _, word := range words {
		name, number, weighted := strings.Cut(word, "=")
		s := share{loadOperationNamed(name), 1}
		if s.op == nil {
			return nil, usagef("--op: %s is none of %s", name, strings.Join(loadOperationNames(), ", "))
		}
		if weighted {
			w, err := strconv.ParseFloat(number, 64)
			if err != nil || !(w > 0 && w <= 1e6) {
				return nil, usagef("--op: the weight of %s must be a number above 0 and at most a million", name)
			}
			s.weight = w
		}
		all = append(all, s)
	}
	return all, nil
}
