package metrics

import (
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// maxLabels is the number of labels that a Requests can have.
const maxLabels = 4

// buckets are the upper bounds of durations in seconds: fine from a software
// encryption (0.25 ms) to what a proxy may take, with 0.25, the time that KMS
// gives one (XKS spec 1.12), as a bound, so that late calls can be counted.
var buckets = []float64{
	0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.015, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1,
}

// Requests counts the requests of one subsystem. The hot path takes no lock and
// makes no look-up in the library: the metrics of each set of label values are
// kept in a map that is copied when a new set is first seen.
type Requests struct {
	labels   int
	inFlight *prometheus.GaugeVec
	duration *prometheus.HistogramVec
	total    *prometheus.CounterVec

	series cowMap[[maxLabels]string, *series]
}

// series are the metrics of one set of label values.
type series struct {
	values   []string
	inFlight prometheus.Gauge
	duration prometheus.Observer
	outcomes cowMap[string, prometheus.Counter]
}

// Requests makes and registers the metrics of a subsystem with up to four labels:
//
//	hyok_<subsystem>_requests_in_flight{labels}            gauge
//	hyok_<subsystem>_requests_total{labels, outcome}       counter
//	hyok_<subsystem>_request_duration_seconds{labels}      histogram
//
// It panics on more labels, on a name that Prometheus does not take, and when the
// subsystem has been made before: mistakes of the program, not of its user.
func (r *Registry) Requests(subsystem string, labels ...string) *Requests {
	if len(labels) > maxLabels {
		panic(fmt.Sprintf("metrics: %d labels for %s, at most %d are allowed", len(labels), subsystem, maxLabels))
	}
	q := &Requests{
		labels: len(labels),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "requests_in_flight",
			Help: "Requests under way.",
		}, labels),
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "requests_total",
			Help: "Requests ended, by outcome.",
		}, append(labels[:len(labels):len(labels)], "outcome")),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "request_duration_seconds",
			Help: "Time from begin to end of a request.", Buckets: buckets,
		}, labels),
	}
	r.registry.MustRegister(q.inFlight, q.total, q.duration)
	return q
}

// Begin counts a request in, with one value for each label, and gives the
// function that counts it out: to be called once, with "ok" or the name of the
// error as outcome. It panics on another number of values.
func (q *Requests) Begin(labels ...string) (end func(outcome string)) {
	if len(labels) != q.labels {
		panic(fmt.Sprintf("metrics: %d label values, want %d", len(labels), q.labels))
	}
	var key [maxLabels]string
	copy(key[:], labels)
	s, ok := q.series.get(key)
	if !ok {
		s = q.series.add(key, func() *series { return q.newSeries(key) })
	}
	s.inFlight.Inc()
	start := time.Now()
	return func(outcome string) {
		s.inFlight.Dec()
		s.duration.Observe(time.Since(start).Seconds())
		c, ok := s.outcomes.get(outcome)
		if !ok {
			c = s.outcomes.add(outcome, func() prometheus.Counter { return q.counter(s, outcome) })
		}
		c.Inc()
	}
}

func (q *Requests) newSeries(key [maxLabels]string) *series {
	values := key[:q.labels]
	return &series{
		values:   values,
		inFlight: q.inFlight.WithLabelValues(values...),
		duration: q.duration.WithLabelValues(values...),
	}
}

func (q *Requests) counter(s *series, outcome string) prometheus.Counter {
	return q.total.WithLabelValues(append(s.values[:q.labels:q.labels], outcome)...)
}

// A cowMap is a map that is read without a lock and copied on write.
type cowMap[K comparable, V any] struct {
	mu      sync.Mutex
	current atomic.Pointer[map[K]V]
}

func (m *cowMap[K, V]) get(k K) (v V, ok bool) {
	if p := m.current.Load(); p != nil {
		v, ok = (*p)[k]
	}
	return v, ok
}

// add gives what is at k, and puts what make makes there if nothing is.
func (m *cowMap[K, V]) add(k K, make func() V) V {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.get(k); ok {
		return v
	}
	next := map[K]V{k: make()}
	if p := m.current.Load(); p != nil {
		maps.Copy(next, *p)
	}
	m.current.Store(&next)
	return next[k]
}
