// Package cloudwatch keeps the data points that KMS would publish to Amazon
// CloudWatch, in memory, and answers questions for them.
//
// A point is added to its bucket at once: one of a minute, kept for three hours,
// and one of five minutes, kept for three days. A bucket has sum, number,
// smallest and largest value, and how often values of each size came (within
// 1 %), from which percentiles follow. Time is that of the front end's clock.
//
// Limits: maxSeries combinations of metric and dimensions; nothing is written to
// disk, so a restart begins with no data; no metric math.
package cloudwatch

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"hyok/internal/clock"
)

// Namespace of all metrics here (guide 004:7587).
const Namespace = "AWS/KMS"

// maxSeries bounds the memory: a day of steady traffic over all series of a busy
// key store takes about 2 KB a series and hour.
const maxSeries = 4096

// maxDimensions that a metric can have.
const maxDimensions = 6

// Dimension is a name and a value that tell series of a metric apart.
type Dimension struct {
	Name  string
	Value string // 1-255 characters; empty: the series does not have this dimension
}

// Series names what a value is of. It can be compared.
type Series struct {
	Metric     string
	Dimensions [maxDimensions]Dimension // unused ones are zero
}

// Of makes a Series. It panics on a metric that is not in the catalogue and on
// dimensions that are not its own: mistakes of the program.
func Of(metric string, d ...Dimension) Series {
	e, ok := find(metric)
	if !ok {
		panic("cloudwatch: no metric " + metric)
	}
	s := Series{Metric: metric}
	n := 0
	for _, d := range d {
		if !slices.Contains(e.dimensions, d.Name) {
			panic(fmt.Sprintf("cloudwatch: %s has no dimension %s", metric, d.Name))
		}
		if d.Value != "" {
			s.Dimensions[n] = d
			n++
		}
	}
	return s
}

// value of a dimension; empty when the series does not have it.
func (s *Series) value(name string) string {
	for _, d := range s.Dimensions {
		if d.Name == name {
			return d.Value
		}
	}
	return ""
}

// A resolution is a length of buckets and how long they are kept.
type resolution struct{ length, kept time.Duration }

// resolutions from the finest to the coarsest.
var resolutions = [...]resolution{
	{time.Minute, 3 * time.Hour},
	{5 * time.Minute, 72 * time.Hour},
}

// Metrics are the series and their points. Its methods are safe for concurrent use.
type Metrics struct {
	clock clock.Clock

	mu      sync.Mutex
	series  map[Series]*[len(resolutions)][]bucket // buckets in the order of time
	dropped uint64                                 // points for which there was no room
}

// New makes a Metrics without points. c dates them; nil: the real clock.
func New(c clock.Clock) *Metrics {
	if c == nil {
		c = clock.System{}
	}
	return &Metrics{clock: c, series: make(map[Series]*[len(resolutions)][]bucket)}
}

// Put adds a data point of now. What finds no room is counted and dropped.
func (m *Metrics) Put(s Series, value float64) {
	now := m.clock.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	rows, ok := m.series[s]
	if !ok {
		if len(m.series) >= maxSeries {
			m.prune(now)
		}
		if len(m.series) >= maxSeries {
			m.dropped++
			return
		}
		rows = new([len(resolutions)][]bucket)
		m.series[s] = rows
	}
	for i, r := range resolutions {
		rows[i] = add(rows[i], r, now, value)
	}
}

// prune forgets series whose last point is no longer kept.
func (m *Metrics) prune(now time.Time) {
	last := len(resolutions) - 1
	limit := now.Add(-resolutions[last].kept).Unix()
	for s, rows := range m.series {
		if row := rows[last]; row[len(row)-1].start < limit {
			delete(m.series, s)
		}
	}
}

// add puts a value into its bucket, and lets go of buckets that are too old. When
// the clock went back (`hyok clock reset`), what lay ahead is forgotten.
func add(row []bucket, r resolution, now time.Time, value float64) []bucket {
	start := floor(now.Unix(), r.length)
	for len(row) > 0 && row[len(row)-1].start > start {
		row = row[:len(row)-1]
	}
	if n := len(row); n == 0 || row[n-1].start < start {
		limit := now.Add(-r.kept).Unix()
		row = slices.DeleteFunc(row, func(b bucket) bool { return b.start < limit })
		row = append(row, bucket{start: start})
	}
	row[len(row)-1].add(value)
	return row
}

// floor rounds a Unix time down to a multiple of length.
func floor(unix int64, length time.Duration) int64 {
	return unix - unix%int64(length/time.Second)
}
