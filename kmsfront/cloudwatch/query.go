package cloudwatch

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Limits of a request.
const (
	maxRequest = 1 << 20 // bytes
	maxQueries = 100
)

// A Request asks for data, in the form of CloudWatch's GetMetricData.
type Request struct {
	StartTime         Time // of the first period, rounded down to a multiple of it
	EndTime           Time // the first moment that is not asked for
	MetricDataQueries []Query
	// ScanBy is TimestampDescending, also when it is empty, or TimestampAscending.
	ScanBy string
}

// A Query asks for a statistic of a metric.
type Query struct {
	ID         string `json:"Id"`
	Label      string // empty: the metric's name
	MetricStat *MetricStat
	// GroupBy are dimensions by whose values the series are told apart: a result
	// for each, labelled with the values. Empty: all are taken together.
	GroupBy []string
}

// MetricStat says of what and how.
type MetricStat struct {
	Metric Metric
	Period int    // seconds, a multiple of 60
	Stat   string // Sum, Average, Minimum, Maximum, SampleCount or pNN
}

// Metric picks series: all those of the name that have the dimensions.
type Metric struct {
	Namespace  string
	MetricName string
	Dimensions []Dimension
}

// Response is the answer: at least one result for each query, in their order.
type Response struct {
	MetricDataResults []Result
	Messages          []Message
}

// Result has a value for each period in which there was a data point.
type Result struct {
	ID         string `json:"Id"`
	Label      string
	Timestamps []Time
	Values     []float64
	StatusCode string // Complete
}

// Message tells what is wrong with the data as a whole.
type Message struct{ Code, Value string }

// Time reads seconds since 1970 or RFC 3339 and is written as the latter.
type Time struct{ time.Time }

// UnmarshalJSON reads a number or a string.
func (t *Time) UnmarshalJSON(b []byte) error {
	var seconds float64
	if string(b) == "null" {
		return nil
	}
	if json.Unmarshal(b, &seconds) == nil && math.Abs(seconds) < 1<<40 {
		t.Time = time.UnixMicro(int64(seconds * 1e6))
		return nil
	}
	if err := t.Time.UnmarshalJSON(b); err != nil {
		return fmt.Errorf("%s is neither seconds since 1970 nor a time such as 2026-01-31T12:00:00Z", b)
	}
	return nil
}

// Decode reads a request and checks it; an error says which member is wrong and
// what it may be.
func Decode(r io.Reader) (*Request, error) {
	d := json.NewDecoder(io.LimitReader(r, maxRequest))
	d.DisallowUnknownFields()
	var in Request
	if err := d.Decode(&in); err != nil {
		return nil, fmt.Errorf("reading the request: %w", err)
	}
	if d.More() {
		return nil, fmt.Errorf("reading the request: there is something after it")
	}
	return &in, in.check()
}

func (in *Request) check() error {
	switch n := len(in.MetricDataQueries); {
	case in.StartTime.IsZero() || in.EndTime.IsZero():
		return fmt.Errorf("StartTime and EndTime are needed")
	case !in.StartTime.Before(in.EndTime.Time):
		return fmt.Errorf("StartTime must be before EndTime")
	case in.ScanBy != "" && in.ScanBy != scanDown && in.ScanBy != scanUp:
		return fmt.Errorf("ScanBy is %q, it must be %s or %s", in.ScanBy, scanDown, scanUp)
	case n == 0 || n > maxQueries:
		return fmt.Errorf("MetricDataQueries has %d queries, there must be 1 to %d", n, maxQueries)
	}
	ids := map[string]bool{}
	for i := range in.MetricDataQueries {
		q := &in.MetricDataQueries[i]
		if err := q.check(); err != nil {
			return fmt.Errorf("MetricDataQueries[%d].%w", i, err)
		}
		if ids[q.ID] {
			return fmt.Errorf("MetricDataQueries[%d].Id: %s is there twice", i, q.ID)
		}
		ids[q.ID] = true
	}
	return nil
}

const (
	scanDown = "TimestampDescending"
	scanUp   = "TimestampAscending"
)

var queryID = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]{0,254}$`)

func (q *Query) check() error {
	s := q.MetricStat
	if !queryID.MatchString(q.ID) {
		return fmt.Errorf("%s: %q must begin with a small letter and go on with letters, digits and _", "Id", q.ID)
	}
	if s == nil {
		return fmt.Errorf("MetricStat is needed")
	}
	if s.Metric.Namespace != Namespace {
		return fmt.Errorf("MetricStat.Metric.Namespace: %q must be %s", s.Metric.Namespace, Namespace)
	}
	e, ok := find(s.Metric.MetricName)
	if !ok {
		return fmt.Errorf("MetricStat.Metric.MetricName: there is no %q; the metrics are %s", s.Metric.MetricName, strings.Join(names(), ", "))
	}
	if _, ok := statisticOf(s.Stat); !ok {
		return fmt.Errorf("MetricStat.Stat: %q must be Sum, Average, Minimum, Maximum, SampleCount or a percentile such as p99", s.Stat)
	}
	if s.Period < 60 || s.Period%60 != 0 {
		return fmt.Errorf("MetricStat.Period: %d must be a multiple of 60 seconds", s.Period)
	}
	used := slices.Clone(q.GroupBy)
	for _, d := range s.Metric.Dimensions {
		used = append(used, d.Name)
		if d.Value == "" {
			return fmt.Errorf("MetricStat.Metric.Dimensions: %s has no value", d.Name)
		}
	}
	for i, name := range used {
		if !slices.Contains(e.dimensions, name) {
			return fmt.Errorf("MetricStat.Metric.MetricName: %s has no dimension %q; it has %s", e.name, name, strings.Join(e.dimensions, ", "))
		}
		if slices.Contains(used[:i], name) {
			return fmt.Errorf("MetricStat.Metric.Dimensions: %s is there twice, counting GroupBy", name)
		}
	}
	return nil
}

func names() []string {
	all := make([]string, len(catalogue))
	for i, e := range catalogue {
		all[i] = e.name
	}
	return all
}
