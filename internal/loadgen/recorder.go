package loadgen

import (
	"cmp"
	"slices"
	"sync"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Bounds of what is kept.
const (
	shortest, longest = time.Microsecond, time.Hour // of a latency; others count as these
	digits            = 3                           // significant, of a latency
	errorDigits       = 2                           // the same of an error's
	maxRows           = 600                         // of the timeline
	finestStep        = 100 * time.Millisecond      // of the timeline
	maxFailures       = 64                          // rows of the error table; the rest share one more
)

// otherErrors is the row of what did not find a row of its own.
const otherErrors = "(others)"

func newHistogram(significant int) *hdr.Histogram {
	return hdr.New(int64(shortest), int64(longest), significant)
}

func record(h *hdr.Histogram, d time.Duration) {
	_ = h.RecordValue(int64(min(max(d, shortest), longest))) // within its range it cannot fail
}

// A recorder takes down what happens, for all goroutines of a run.
type recorder struct {
	config *Config
	start  time.Time

	mu       sync.Mutex
	series   []series
	lag      *hdr.Histogram
	waited   int64
	unsent   int64
	failures map[string]*failure
	errors   int64
	sentAll  int64

	recent      *hdr.Histogram // since the last progress
	recentCount int64          // answers in it, errors too
	recentStart time.Time

	step     time.Duration
	timeline []Row
	row      Row            // the one being filled
	rowTimes *hdr.Histogram // its latencies
}

type series struct {
	sent, errors int64
	times        *hdr.Histogram // of those that succeeded
}

type failure struct {
	count int64
	first string
	times *hdr.Histogram
}

func newRecorder(c *Config, start time.Time) *recorder {
	r := &recorder{
		config: c, start: start, series: make([]series, len(c.Operations)), lag: newHistogram(digits),
		failures: map[string]*failure{}, recent: newHistogram(errorDigits), recentStart: start,
		step: max(finestStep, c.Duration/maxRows), rowTimes: newHistogram(errorDigits),
	}
	for i := range r.series {
		r.series[i].times = newHistogram(digits)
	}
	r.row.End = Millis(r.step)
	return r
}

// sent notes that a request goes out, lag after it could have.
func (r *recorder) sent(op int, lag time.Duration, waited bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.series[op].sent++
	r.sentAll++
	if r.config.Rate > 0 {
		record(r.lag, lag)
	}
	if waited {
		r.waited++
	}
}

func (r *recorder) notSent(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unsent += max(n, 0)
}

// done notes an answer, or that there is none.
func (r *recorder) done(op int, now, since time.Time, err error) {
	took := now.Sub(since)
	name := ""
	if err != nil {
		name = r.config.Name(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(now)
	r.recentCount++
	s := &r.series[op]
	if err != nil {
		s.errors++
		r.errors++
		r.row.Errors++
		r.fail(name, took, err)
		return
	}
	record(s.times, took)
	record(r.recent, took)
	record(r.rowTimes, took)
}

func (r *recorder) fail(name string, took time.Duration, err error) {
	f := r.failures[name]
	if f == nil && len(r.failures) >= maxFailures {
		name = otherErrors
		f = r.failures[name]
	}
	if f == nil {
		f = &failure{first: err.Error(), times: newHistogram(errorDigits)}
		r.failures[name] = f
	}
	f.count++
	record(f.times, took)
}

// advance closes the rows of the timeline that are over.
func (r *recorder) advance(now time.Time) {
	for elapsed := now.Sub(r.start); elapsed >= time.Duration(r.row.End); {
		end := r.row.End
		r.closeRow()
		r.row = Row{End: end + Millis(r.step)}
	}
}

func (r *recorder) closeRow() {
	if r.rowTimes.TotalCount() > 0 {
		r.row.OK = r.rowTimes.TotalCount()
		r.row.P50, r.row.P99 = quantile(r.rowTimes, 50), quantile(r.rowTimes, 99)
		r.row.Max = quantile(r.rowTimes, 100)
		r.rowTimes.Reset()
	}
	r.timeline = append(r.timeline, r.row)
}

// progress tells how it goes since it was last asked.
func (r *recorder) progress() Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	p := Progress{
		Elapsed: now.Sub(r.start), Sent: r.sentAll, Errors: r.errors, InFlight: r.sentAll - r.errors,
		P50: time.Duration(quantile(r.recent, 50)), P99: time.Duration(quantile(r.recent, 99)),
	}
	for _, s := range r.series {
		p.InFlight -= s.times.TotalCount()
	}
	if since := now.Sub(r.recentStart); since > 0 {
		p.PerSecond = float64(r.recentCount) / since.Seconds()
	}
	r.recent.Reset()
	r.recentCount, r.recentStart = 0, now
	return p
}

// finish makes the report; nothing is recorded any more.
func (r *recorder) finish(took time.Duration, u Usage) *Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closeRow()
	all := newHistogram(digits)
	p := &Report{
		Rate: r.config.Rate, Took: Millis(took), Sent: r.sentAll, Unsent: r.unsent,
		Errors: r.errors, Waited: r.waited, Usage: u, Timeline: r.timeline, Step: Millis(r.step),
	}
	if p.Rate == 0 {
		p.Callers = r.config.Callers
	} else {
		p.MaxInFlight = r.config.MaxInFlight
		p.Lag = latency(r.lag)
	}
	for i, s := range r.series {
		op := r.config.Operations[i]
		all.Merge(s.times)
		p.Series = append(p.Series, Series{Name: op.Name, Target: op.Target, Sent: s.sent, Errors: s.errors,
			OK: s.times.TotalCount(), PerSecond: perSecond(s.times.TotalCount(), took),
			Latency: latency(s.times), Curve: curve(s.times)})
	}
	p.OK, p.PerSecond = all.TotalCount(), perSecond(all.TotalCount(), took)
	p.Latency, p.Bars, p.Curve = latency(all), bars(all), curve(all)
	for name, f := range r.failures {
		p.Failures = append(p.Failures, Failure{Name: name, Count: f.count, First: f.first,
			P50: quantile(f.times, 50), Max: quantile(f.times, 100)})
	}
	slices.SortFunc(p.Failures, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	p.Limits = p.limits()
	return p
}

func perSecond(n int64, took time.Duration) float64 { return float64(n) / took.Seconds() }
