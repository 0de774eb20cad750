package loadgen

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// run runs c in a bubble, where time passes only while all wait.
func run(t *testing.T, c Config, then func(t *testing.T, p *Report)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p, err := Run(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		then(t, p)
	})
}

func within(t *testing.T, what string, got Millis, want, tolerance time.Duration) {
	t.Helper()
	if d := time.Duration(got) - want; d.Abs() > tolerance {
		t.Errorf("%s is %s, want %s within %s", what, got, want, tolerance)
	}
}

func TestOpenLoopSendsWhenRequestsAreDue(t *testing.T) {
	for _, rate := range []float64{0.5, 3, 1000} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			var mu sync.Mutex
			var at []time.Duration
			p, err := Run(t.Context(), Config{Rate: rate, Duration: 4 * time.Second, Operations: []Operation{{Do: func(context.Context) error {
				mu.Lock()
				at = append(at, time.Since(start))
				mu.Unlock()
				time.Sleep(5 * time.Second) // nobody waits for the answer before sending the next
				return nil
			}}}, MaxInFlight: 4000})
			if err != nil {
				t.Fatal(err)
			}
			if want := int(4 * rate); len(at) != want || p.Sent != int64(want) || p.OK != int64(want) {
				t.Fatalf("%d sent, the report has %d and %d, want %d", len(at), p.Sent, p.OK, want)
			}
			slices.Sort(at)
			for i, got := range at {
				if want := time.Duration(float64(i) / rate * 1e9); (got - want).Abs() > time.Microsecond {
					t.Fatalf("request %d was sent after %s, want %s", i, got, want)
				}
			}
			if len(p.Limits) > 0 && !strings.Contains(p.Limits[0], "busy") {
				t.Errorf("limits: %q", p.Limits)
			}
		})
	}
}

// A server that stands still for a second delays 100 requests by 1 s to 0 s: the
// generator must show them all, though it had no free slot to send them.
func TestStallShowsInEveryRequestItHeldBack(t *testing.T) {
	for _, inFlight := range []int{1, 10, 1000} {
		t.Run(fmt.Sprint(inFlight), func(t *testing.T) {
			var start time.Time
			stall := func(context.Context) error {
				now := time.Since(start)
				if now >= 4*time.Second && now < 5*time.Second {
					time.Sleep(5*time.Second - now)
				}
				return nil
			}
			synctest.Test(t, func(t *testing.T) {
				start = time.Now()
				p, err := Run(t.Context(), Config{Rate: 100, Duration: 10 * time.Second, MaxInFlight: inFlight, Operations: []Operation{{Do: stall}}})
				if err != nil {
					t.Fatal(err)
				}
				within(t, "the longest", p.Latency.Max, time.Second, 10*time.Millisecond)
				within(t, "p99", p.Latency.P99, 900*time.Millisecond, 15*time.Millisecond)
				within(t, "p95", p.Latency.P95, 500*time.Millisecond, 15*time.Millisecond)
				within(t, "p50", p.Latency.P50, 0, 10*time.Microsecond)
				if p.OK != 1000 || p.Unsent != 0 {
					t.Errorf("%d answered, %d unsent", p.OK, p.Unsent)
				}
				if waited := p.Waited > 0; waited != (inFlight < 100) {
					t.Errorf("%d waited with %d in flight", p.Waited, inFlight)
				}
				within(t, "the sender's own lag", p.Lag.Max, 0, 10*time.Microsecond)
				within(t, "the slow row", slowest(p).Max, time.Second, 20*time.Millisecond)
			})
		})
	}
}

func slowest(p *Report) Row {
	return slices.MaxFunc(p.Timeline, func(a, b Row) int { return int(a.Max - b.Max) })
}

// The closed loop sees one slow request in the same case, and says how it counts.
func TestClosedLoopHidesAStall(t *testing.T) {
	first := true
	run(t, Config{Callers: 1, Duration: 9995 * time.Millisecond, Operations: []Operation{{Do: func(context.Context) error {
		d := 10 * time.Millisecond
		if first {
			d, first = time.Second, false
		}
		time.Sleep(d)
		return nil
	}}}}, func(t *testing.T, p *Report) {
		within(t, "the longest", p.Latency.Max, time.Second, 2*time.Millisecond)
		within(t, "p99", p.Latency.P99, 10*time.Millisecond, 20*time.Microsecond)
		if p.OK != 901 || math.Abs(p.PerSecond-90.1) > 0.01 {
			t.Errorf("%d answers, %f a second", p.OK, p.PerSecond)
		}
		if !strings.Contains(p.summary(), "closed loop, 1 callers") {
			t.Error(p.summary())
		}
	})
}

func TestWhatCannotBeSentIsCounted(t *testing.T) {
	hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	run(t, Config{Rate: 10, Duration: 1500 * time.Millisecond, Timeout: time.Second, MaxInFlight: 2, Operations: []Operation{{Do: hang}}},
		func(t *testing.T, p *Report) {
			// Two in each second, and no more after 2.5 s.
			if p.Sent != 6 || p.Unsent != 9 || p.Errors != 6 || p.OK != 0 {
				t.Errorf("%d sent, %d unsent, %d errors", p.Sent, p.Unsent, p.Errors)
			}
			if len(p.Limits) < 2 || !strings.HasPrefix(p.Limits[0], "9 requests") || !strings.HasPrefix(p.Limits[1], "4 of 6 requests") {
				t.Errorf("limits: %q", p.Limits)
			}
		})
}

func TestLateSenderIsTheLimit(t *testing.T) {
	p := &Report{Rate: 1, Lag: Latency{P99: Millis(11 * time.Millisecond)}, Usage: Usage{Cores: 1.8, Of: 2, Machine: 0.99}}
	got := strings.Join(p.limits(), "; ")
	for _, want := range []string{"p99 11.0 ms", "kept 1.8 of 2 processors busy", "99 % busy"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
	p = &Report{Rate: 1, Lag: Latency{P99: Millis(9 * time.Millisecond)}, Usage: Usage{Cores: 1.6, Of: 2, Machine: 0.94}}
	if l := p.limits(); len(l) != 0 {
		t.Errorf("within bounds: %q", l)
	}
}

func TestEndOfContextEndsTheRun(t *testing.T) {
	for name, c := range map[string]Config{"open": {Rate: 10}, "closed": {Callers: 1}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 2050*time.Millisecond)
				defer cancel()
				c.Duration = time.Hour
				c.Operations = []Operation{{Do: func(ctx context.Context) error { time.Sleep(100 * time.Millisecond); return ctx.Err() }}}
				p, err := Run(ctx, c)
				if err != nil {
					t.Fatal(err)
				}
				if p.OK != 21 || p.Errors != 0 || p.Unsent != 0 { // the one under way is waited for, and no other was due
					t.Errorf("%d answered, %d errors, %d unsent", p.OK, p.Errors, p.Unsent)
				}
			})
		})
	}
}

// By the real clock too no request leaves before it is due, and none is lost.
func TestPreciseSenderIsNeverEarly(t *testing.T) {
	var mu sync.Mutex
	var at []time.Time
	start := time.Now()
	p, err := Run(t.Context(), Config{Rate: 400, Duration: 250 * time.Millisecond, Precise: true, Operations: []Operation{{Do: func(context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		at = append(at, time.Now())
		return nil
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(at, time.Time.Compare)
	for i, got := range at {
		if due := time.Duration(i) * 2500 * time.Microsecond; got.Sub(start) < due {
			t.Errorf("request %d left after %s, due after %s", i, got.Sub(start), due)
		}
	}
	if p.OK != 100 || len(at) != 100 {
		t.Errorf("%d of 100 answered", p.OK)
	}
}

func TestMixFollowsTheWeightsAndTheSeed(t *testing.T) {
	var seen []string
	note := func(name string) func(context.Context) error {
		return func(context.Context) error { seen = append(seen, name); return nil }
	}
	c := Config{Rate: 1000, Duration: 10 * time.Second, Seed: 7, Operations: []Operation{
		{Name: "a", Weight: 3, Do: note("a")}, {Name: "b", Do: note("b")}, {Name: "c", Weight: 0.5, Do: note("c")}}}
	sequence := func() []string {
		seen = nil
		run(t, c, func(t *testing.T, p *Report) {
			for i, want := range []float64{3, 1, 0.5} {
				if got := float64(p.Series[i].OK) / float64(p.OK) * 4.5; math.Abs(got-want) > 0.1 {
					t.Errorf("%s has weight %.2f, want %.2f", p.Series[i].Name, got, want)
				}
			}
		})
		return seen
	}
	first, again := sequence(), sequence()
	if !slices.Equal(first, again) {
		t.Error("the same seed gave another sequence")
	}
	c.Seed = 8
	if slices.Equal(first, sequence()) {
		t.Error("another seed gave the same sequence")
	}
}

func TestErrorsAreCountedByName(t *testing.T) {
	n := 0
	do := func(context.Context) error {
		n++
		time.Sleep(time.Duration(n%4) * time.Millisecond)
		switch n % 4 {
		case 0:
			return fmt.Errorf("slow: number %d", n)
		case 1, 2:
			return fmt.Errorf("busy: number %d", n)
		}
		return nil
	}
	name := func(err error) string { name, _, _ := strings.Cut(err.Error(), ":"); return name }
	run(t, Config{Rate: 10, Duration: 10 * time.Second, Name: name, Operations: []Operation{{Name: "x", Do: do}}}, func(t *testing.T, p *Report) {
		if p.Errors != 75 || p.OK != 25 || p.Series[0].Errors != 75 || p.Sent != 100 {
			t.Errorf("%d errors, %d answered", p.Errors, p.OK)
		}
		if f := p.Failures[0]; f.Name != "busy" || f.Count != 50 || f.First != "busy: number 1" {
			t.Errorf("first row %+v", f)
		}
		if f := p.Failures[1]; f.Name != "slow" || f.Count != 25 || f.First != "slow: number 4" {
			t.Errorf("second row %+v", f)
		}
		within(t, "errors do not count as latencies: the shortest", p.Latency.P50, 3*time.Millisecond, 5*time.Microsecond)
	})
}

func TestErrorTableIsBounded(t *testing.T) {
	n := 0
	run(t, Config{Rate: 100, Duration: 2 * time.Second, Name: func(err error) string { return err.Error() },
		Operations: []Operation{{Do: func(context.Context) error { n++; return fmt.Errorf("number %d", n) }}}},
		func(t *testing.T, p *Report) {
			if len(p.Failures) != maxFailures+1 || p.Failures[0].Name != otherErrors || p.Failures[0].Count != 200-maxFailures {
				t.Errorf("%d rows, the first %+v", len(p.Failures), p.Failures[0])
			}
		})
}

func TestProgress(t *testing.T) {
	var all []Progress
	run(t, Config{Rate: 100, Duration: 3500 * time.Millisecond, Progress: func(p Progress) { all = append(all, p) },
		Operations: []Operation{{Do: func(context.Context) error { time.Sleep(15 * time.Millisecond); return nil }}}},
		func(t *testing.T, _ *Report) {
			if len(all) != 3 {
				t.Fatalf("%d times", len(all))
			}
			for i, p := range all {
				if p.Elapsed != time.Duration(i+1)*time.Second || math.Abs(p.PerSecond-100) > 2 || p.InFlight < 1 || p.InFlight > 2 {
					t.Errorf("%+v", p)
				}
				within(t, "p99", Millis(p.P99), 15*time.Millisecond, 200*time.Microsecond)
			}
		})
}

func TestConfigsThatSendNothing(t *testing.T) {
	op := []Operation{{Do: func(context.Context) error { return errors.New("called") }}}
	for name, c := range map[string]Config{
		"operation": {Duration: 1}, "duration": {Operations: op}, "negative": {Operations: op, Duration: 1, Rate: -1},
	} {
		if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
