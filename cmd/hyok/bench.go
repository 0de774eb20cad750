package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"hyok/internal/loadgen"
	"hyok/internal/logging"
)

type benchCmd struct {
	Echo    benchEchoCmd `cmd:"" hidden:"" help:"The bare echo servers that the figures are measured against."`
	Measure benchRunCmd  `cmd:"" name:"run" default:"withargs" help:"Measure."`
}

type benchRunCmd struct {
	Rounds   int           `default:"5" help:"Rounds; the median counts."`
	Duration time.Duration `default:"2s" help:"How long each measurement of a round takes."`
	Callers  int           `default:"16" help:"Connections."`
	Rate     int           `default:"1800" help:"Requests a second of the constant load; 0: none."`
	Steady   time.Duration `default:"60s" help:"How long each constant load lasts."`
	JSON     bool          `name:"json" help:"Print JSON."`
}

// A figure is one measured thing, in operations a second, a value a round.
type figure struct {
	Name   string
	PerSec []float64
	Median float64
	// Floor is the figure that it is compared with; Ratio their medians', Wanted the least it should be.
	Floor         string  `json:",omitempty"`
	Ratio, Wanted float64 `json:",omitempty"`

	measure func(ctx context.Context) (float64, error)
}

// Run measures all figures, a round after the other, and then the constant load.
func (c *benchRunCmd) Run(ctx context.Context, s streams) (err error) {
	dir, err := os.MkdirTemp("", "hyok-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b, err := startBench(ctx, filepath.Join(dir, "up"), c, logging.New(s.Err, slog.LevelError))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	figures := b.figures()
	for round := range c.Rounds {
		if err := b.sign(ctx); err != nil {
			return err
		}
		for _, f := range figures {
			fmt.Fprintf(s.Err, "round %d of %d: %s\n", round+1, c.Rounds, f.Name)
			v, err := f.measure(ctx)
			if err != nil {
				return fmt.Errorf("measuring %s: %w", f.Name, err)
			}
			f.PerSec = append(f.PerSec, v)
		}
	}
	compare(figures)
	steady, err := c.constant(ctx, s, b)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(map[string]any{"figures": figures, "steady": steady})
	}
	return c.print(s, figures, steady)
}

// constant has each of steadyTargets under the constant load, one after the other.
func (c *benchRunCmd) constant(ctx context.Context, s streams, b *benchStack) (all []paced, err error) {
	if c.Rate == 0 {
		return nil, nil
	}
	for _, st := range steadyTargets {
		fmt.Fprintf(s.Err, "constant load: %d a second for %s: %s\n", c.Rate, c.Steady, st.name)
		if err := b.sign(ctx); err != nil {
			return nil, err
		}
		r, err := loadgen.Run(ctx, loadgen.Config{Rate: float64(c.Rate), Duration: c.Steady, Precise: true, Operations: []loadgen.Operation{
			{Name: st.name, Do: func(ctx context.Context) error { return b.targets[st.name].shoot(ctx, b.client) }}}})
		if err != nil {
			return nil, err
		}
		all = append(all, paced{st.name, st.p99, r})
	}
	return all, nil
}

// closedLoop gives the requests a second of n callers; an error ends the measurement.
func closedLoop(ctx context.Context, n int, d time.Duration, call func(ctx context.Context) error) (float64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r, err := loadgen.Run(ctx, loadgen.Config{Callers: n, Duration: d, Operations: []loadgen.Operation{{Do: func(ctx context.Context) error {
		err := call(ctx)
		if err != nil {
			cancel(err)
		}
		return err
	}}}})
	if err != nil {
		return 0, err
	}
	return r.PerSecond, context.Cause(ctx)
}

// paced is the result of requests at a constant rate.
type paced struct {
	Name   string
	Wanted time.Duration // of p99
	*loadgen.Report
}

// steadyTargets are what the constant load goes to, and the p99 that is wanted.
var steadyTargets = []struct {
	name string
	p99  time.Duration
}{
	{proxyCall, 20 * time.Millisecond},
	{roadCall, 40 * time.Millisecond},
}

func compare(figures []*figure) {
	medians := make(map[string]float64)
	for _, f := range figures {
		f.Median = median(f.PerSec)
		medians[f.Name] = f.Median
	}
	for _, f := range figures {
		if f.Floor != "" {
			f.Ratio = f.Median / medians[f.Floor]
		}
	}
}

func (c *benchRunCmd) print(s streams, figures []*figure, steady []paced) error {
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "FIGURE, median of %d\tPER SECOND\tAGAINST\tRATIO\tWANTED\t\n", c.Rounds)
	for _, f := range figures {
		if f.Floor == "" {
			fmt.Fprintf(w, "%s\t%.0f\t\t\t\t\n", f.Name, f.Median)
			continue
		}
		verdict := "reached"
		if f.Ratio < f.Wanted {
			verdict = "missed"
		}
		fmt.Fprintf(w, "%s\t%.0f\t%s\t%.2f\t%.2f\t%s\n", f.Name, f.Median, f.Floor, f.Ratio, f.Wanted, verdict)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, p := range steady {
		fmt.Fprintf(s.Out, "\n%s at a constant %d a second for %s (wanted: p99 <= %s, no error):\n", p.Name, c.Rate, c.Steady, p.Wanted)
		if err := p.WriteText(s.Out); err != nil {
			return err
		}
	}
	return nil
}
