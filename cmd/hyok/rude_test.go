package main

import (
	"math"
	"slices"
	"testing"

	"hyok/internal/fault"
	"hyok/kmsfront"
)

// rudeCalls gives what n calls, one after the other, suffer with a seed.
func rudeCalls(t *testing.T, seed uint64, n int) []fault.Effect {
	t.Helper()
	w := &workbench{faults: fault.New(nil), options: upOptions{rudeOptions: rudeOptions{Rude: true, RudeSeed: seed}}}
	w.faults.ServeFront(kmsfront.CheckFault)
	must(t, w.beRude())
	all := make([]fault.Effect, n)
	for i := range all {
		all[i], _ = w.faults.Match(fault.Front, "Encrypt")
	}
	return all
}

func TestRudeFailsOneCallInTwenty(t *testing.T) {
	const n = 200_000
	share := map[fault.Effect]float64{}
	for _, e := range rudeCalls(t, 5, n) {
		share[e] += 1.0 / n
	}
	if well := share[fault.Effect{}]; math.Abs(well-0.95) > 0.003 {
		t.Errorf("%.4f of the calls are well", well)
	}
	for _, r := range rudeness {
		if got := share[r.Effect()]; math.Abs(got-r.Probability) > 0.15*r.Probability+0.0003 {
			t.Errorf("%+v has a share of %.4f, want %.4f", r.Effect(), got, r.Probability)
		}
	}
}

func TestRudeSeedRepeatsARun(t *testing.T) {
	first := rudeCalls(t, 5, 1000)
	if !slices.Equal(first, rudeCalls(t, 5, 1000)) {
		t.Error("the same seed fails other calls")
	}
	if slices.Equal(first, rudeCalls(t, 6, 1000)) {
		t.Error("another seed fails the same calls")
	}
	if slices.Equal(rudeCalls(t, 0, 1000), rudeCalls(t, 0, 1000)) {
		t.Error("two seeds that were chosen fail the same calls")
	}
}
