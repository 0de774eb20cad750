package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"hyok/internal/fault"
)

// rudeOptions let the front end fail a small share of all calls.
type rudeOptions struct {
	Rude     bool   `help:"Let KMS fail one call in twenty: throttled, internal errors, time-outs, late answers, cut connections. For those who test their clients."`
	RudeSeed uint64 `name:"rude-seed" placeholder:"N" help:"Fail the same calls as the run with this seed; without it one is chosen, and printed."`
}

// rudeness is what --rude does, of 1000 calls 50. An exception comes only from
// operations that have it.
var rudeness = []fault.Rule{
	{Error: "ThrottlingException", Probability: 0.020},
	{Error: "KMSInternalException", Probability: 0.010},
	{Error: "DependencyTimeoutException", Probability: 0.005},
	{Latency: 2 * time.Second, Probability: 0.009},
	{Reset: true, Probability: 0.005},
	{Blackhole: true, Probability: 0.001}, // the caller's own time-out ends it
}

func (o *rudeOptions) check() error {
	if o.RudeSeed != 0 && !o.Rude {
		return usagef("--rude-seed is for --rude, which is missing")
	}
	return nil
}

// beRude adds the rules of --rude.
func (w *workbench) beRude() error {
	if !w.options.Rude {
		return nil
	}
	for w.options.RudeSeed == 0 {
		w.options.RudeSeed = rand.Uint64N(1 << 32)
	}
	for i, r := range rudeness {
		r.At, r.Seed = fault.Front, w.options.RudeSeed+uint64(i)
		if _, err := w.faults.Add(r); err != nil {
			return fmt.Errorf("being rude: %w", err)
		}
	}
	return nil
}

// announce says at the start that failures are made.
func (w *workbench) announce(s streams) {
	if n := len(w.faults.List()); n > 0 {
		fmt.Fprintf(s.Err, "failures are made on purpose: %d faults are in force (--rude-seed %d); hyok fault list shows them, hyok fault clear ends them\n",
			n, w.options.RudeSeed)
	}
}
