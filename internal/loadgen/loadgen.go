// Package loadgen sends requests at a constant rate, or from a fixed number of
// callers, and measures the answers.
//
// At a constant rate (open loop) requests are sent when they are due, whether or
// not earlier ones were answered, and a latency counts from the moment the
// request was due. So a stall shows in every request that it held back, and not
// in one alone (coordinated omission). A fixed number of callers (closed loop)
// finds the highest throughput; its latencies count from the sending, and a stall
// there hides behind the callers that wait.
//
// Latencies are kept in HDR histograms of three significant digits, so that
// memory does not grow with the run. The report says when the generator was
// itself the limit: what it measured is then not the service.
package loadgen

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sort"
	"time"
)

// An Operation is one kind of request.
type Operation struct {
	Name   string  // shown in the report
	Target string  // what it acts on, shown beside the name; may be empty
	Weight float64 // its share among all operations' weights; 0: 1
	// Do sends one request and reads the answer. It is called by many goroutines.
	Do func(ctx context.Context) error
}

// Config is what Run needs.
type Config struct {
	Operations []Operation // at least one
	// Rate is the requests a second of an open loop. 0: a closed loop.
	Rate float64
	// Callers of a closed loop; 0: 16.
	Callers int
	// MaxInFlight bounds the requests of an open loop that wait for their answer,
	// and so connections and memory; 0: 512. One that is due when all are taken
	// is sent late, and its latency says so.
	MaxInFlight int
	Duration    time.Duration // of the sending; above 0
	Timeout     time.Duration // of one request, from its sending; 0: ten seconds
	// Precise sends an open loop's requests within about 0.1 ms of when they are due
	// instead of 1 ms, where the system can. It waits by the real clock.
	Precise bool
	Seed    uint64 // of the mix; the same seed sends the same sequence
	// Name gives the row of the error table that an error belongs to; nil: one row.
	Name func(error) string
	// Progress is told every Every (0: a second) how it goes; nil: nobody is.
	Progress func(Progress)
	Every    time.Duration
}

// Progress is the state of a run under way.
type Progress struct {
	Elapsed      time.Duration
	Sent, Errors int64
	InFlight     int64
	// PerSecond are the answers a second since the last Progress, P50 and P99
	// the latencies of those that succeeded.
	PerSecond float64
	P50, P99  time.Duration
}

func (c *Config) setDefaults() error {
	switch {
	case len(c.Operations) == 0:
		return errors.New("there is no operation to send")
	case c.Duration <= 0:
		return errors.New("the duration must be above 0")
	case c.Rate < 0 || c.Callers < 0 || c.MaxInFlight < 0 || c.Timeout < 0:
		return errors.New("rate, callers, requests in flight and time-out must not be negative")
	}
	set(&c.Callers, 16)
	set(&c.MaxInFlight, 512)
	set(&c.Timeout, 10*time.Second)
	set(&c.Every, time.Second)
	if c.Name == nil {
		c.Name = func(error) string { return "error" }
	}
	return nil
}

func set[T comparable](field *T, to T) {
	var zero T
	if *field == zero {
		*field = to
	}
}

// Run sends until the duration is over or ctx ends, waits for the answers that
// are still to come, and reports. An error means that nothing was sent.
func Run(ctx context.Context, c Config) (*Report, error) {
	if err := c.setDefaults(); err != nil {
		return nil, err
	}
	g := &generator{Config: c, shares: shares(c.Operations)}
	before := readUsage()
	g.start = time.Now()
	g.recorder = newRecorder(&g.Config, g.start)
	stop := g.report(ctx)
	if c.Rate > 0 {
		g.open(ctx)
	} else {
		g.closed(ctx)
	}
	took := time.Since(g.start)
	stop()
	return g.recorder.finish(took, readUsage().since(before, took, runtime.GOMAXPROCS(0))), nil
}

type generator struct {
	Config
	shares   []float64 // cumulative weights
	start    time.Time
	recorder *recorder
}

// report calls Progress until the returned function is called.
func (g *generator) report(ctx context.Context) (stop func()) {
	if g.Progress == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(g.Every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				g.Progress(g.recorder.progress())
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}

func shares(ops []Operation) []float64 {
	sums, sum := make([]float64, len(ops)), 0.0
	for i, op := range ops {
		w := op.Weight
		set(&w, 1)
		sum += w
		sums[i] = sum
	}
	return sums
}

// pick gives the index of the operation to send next.
func (g *generator) pick(dice *rand.Rand) int {
	all := g.shares[len(g.shares)-1]
	at := dice.Float64() * all
	return min(sort.Search(len(g.shares), func(i int) bool { return g.shares[i] > at }), len(g.shares)-1)
}
