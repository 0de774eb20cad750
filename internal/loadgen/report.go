package loadgen

import (
	"math"
	"slices"
	"strconv"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Millis is a duration that JSON shows as a number of milliseconds.
type Millis time.Duration

// MarshalJSON gives milliseconds, exact to the microsecond.
func (m Millis) MarshalJSON() ([]byte, error) {
	ms := math.Round(float64(m)/float64(time.Microsecond)) / 1000
	return strconv.AppendFloat(nil, ms, 'f', -1, 64), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (m *Millis) UnmarshalJSON(data []byte) error {
	ms, err := strconv.ParseFloat(string(data), 64)
	*m = Millis(math.Round(ms * float64(time.Millisecond)))
	return err
}

// String is short enough for a table: three significant digits.
func (m Millis) String() string {
	d := time.Duration(m)
	for _, unit := range []struct {
		d    time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if d >= unit.d || unit.d == time.Microsecond {
			v := float64(d) / float64(unit.d)
			return strconv.FormatFloat(v, 'f', max(0, 2-int(math.Log10(max(v, 1)))), 64) + " " + unit.name
		}
	}
	return "0"
}

// A Report is what a run measured. Latencies are of requests that succeeded;
// those of errors are in the error table.
type Report struct {
	Rate        float64 `json:"rate,omitempty"`          // wanted requests a second; 0: closed loop
	Callers     int     `json:"callers,omitempty"`       // of a closed loop
	MaxInFlight int     `json:"max_in_flight,omitempty"` // of an open loop
	Took        Millis  `json:"took_ms"`                 // until the last answer

	Sent   int64 `json:"sent"`
	OK     int64 `json:"ok"`
	Errors int64 `json:"errors"`
	Unsent int64 `json:"unsent"` // due and never sent
	Waited int64 `json:"waited"` // sent late, since MaxInFlight were under way

	PerSecond float64   `json:"ok_per_second"`
	Latency   Latency   `json:"latency"`
	Series    []Series  `json:"operations"`
	Failures  []Failure `json:"failures"` // the most frequent first
	Lag       Latency   `json:"send_lag"` // of sending behind the moment it was possible, in an open loop
	Usage     Usage     `json:"usage"`
	// Limits says, a sentence each, how the generator was itself the limit. Empty: it was not.
	Limits []string `json:"generator_limits"`

	Bars     []Bar   `json:"histogram"`
	Curve    []Point `json:"percentiles"`
	Step     Millis  `json:"timeline_step_ms"`
	Timeline []Row   `json:"timeline"`
}

// Latency are the percentiles that a table shows.
type Latency struct {
	P50  Millis `json:"p50_ms"`
	P90  Millis `json:"p90_ms"`
	P95  Millis `json:"p95_ms"`
	P99  Millis `json:"p99_ms"`
	P999 Millis `json:"p99.9_ms"`
	Max  Millis `json:"max_ms"`
	Mean Millis `json:"mean_ms"`
}

// Series is the part of one operation.
type Series struct {
	Name      string  `json:"operation"`
	Target    string  `json:"key,omitempty"`
	Sent      int64   `json:"sent"`
	OK        int64   `json:"ok"`
	Errors    int64   `json:"errors"`
	PerSecond float64 `json:"ok_per_second"`
	Latency   Latency `json:"latency"`
	Curve     []Point `json:"-"`
}

// Failure is a row of the error table.
type Failure struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
	First string `json:"first"` // message of the first one
	P50   Millis `json:"p50_ms"`
	Max   Millis `json:"max_ms"`
}

// A Bar counts the latencies above From and up to To.
type Bar struct {
	From  Millis `json:"above_ms"`
	To    Millis `json:"to_ms"`
	Count int64  `json:"count"`
}

// A Point says that Percent of all latencies are at most Latency.
type Point struct {
	Percent float64 `json:"percent"`
	Latency Millis  `json:"latency_ms"`
}

// A Row is the answers of one step of the run, by the moment they came.
type Row struct {
	End    Millis `json:"end_ms"` // since the start
	OK     int64  `json:"ok"`
	Errors int64  `json:"errors"`
	P50    Millis `json:"p50_ms"`
	P99    Millis `json:"p99_ms"`
	Max    Millis `json:"max_ms"`
}

// quantile gives the least latency that percent of all do not exceed.
func quantile(h *hdr.Histogram, percent float64) Millis {
	n := float64(h.TotalCount())
	if n == 0 {
		return 0
	}
	rank := math.Ceil(percent/100*n - 1e-9) // the histogram itself would round it
	return Millis(h.ValueAtQuantile(100 * max(rank, 1) / n))
}

func latency(h *hdr.Histogram) Latency {
	if h.TotalCount() == 0 {
		return Latency{}
	}
	return Latency{
		P50: quantile(h, 50), P90: quantile(h, 90), P95: quantile(h, 95), P99: quantile(h, 99),
		P999: quantile(h, 99.9), Max: quantile(h, 100), Mean: Millis(h.Mean()),
	}
}

// curve gives the percentiles up to the last that a single latency decides:
// 0, 50, 75, 87.5 … with four steps to each halving of what is left.
func curve(h *hdr.Histogram) []Point {
	n := h.TotalCount()
	if n == 0 {
		return nil
	}
	var all []Point
	for i := 0; ; i++ {
		left := math.Pow(2, -float64(i)/4) // the share above
		if left*float64(n) < 1 {
			break
		}
		percent := 100 * (1 - left)
		all = append(all, Point{percent, quantile(h, percent)})
	}
	return append(all, Point{100, quantile(h, 100)})
}

// edges are 1, 2, 5, 10 … of a decade.
var edges = func() (all []time.Duration) {
	for decade := shortest; decade < 10*longest; decade *= 10 {
		all = append(all, decade, 2*decade, 5*decade)
	}
	return all
}()

// bars counts the latencies between the edges, from the first that has any to
// the last.
func bars(h *hdr.Histogram) []Bar {
	counts := make([]int64, len(edges))
	first, last := len(edges), 0
	for _, b := range h.Distribution() {
		if b.Count == 0 {
			continue
		}
		i, _ := slices.BinarySearch(edges, time.Duration(b.From))
		counts[i] += b.Count
		first, last = min(first, i), max(last, i)
	}
	var all []Bar
	for i := first; i <= last; i++ {
		bar := Bar{To: Millis(edges[i]), Count: counts[i]}
		if i > 0 {
			bar.From = Millis(edges[i-1])
		}
		all = append(all, bar)
	}
	return all
}
