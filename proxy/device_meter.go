package proxy

import (
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"hyok/hsm"
	"hyok/internal/metrics"
)

// A DeviceMeter measures the work done on devices:
//
//	hyok_hsm_call_seconds{token, operation}           histogram
//	hyok_hsm_calls_total{token, operation, outcome}   counter
//
// An operation is one of hsm.Token's methods. The time is that in the device. What
// requests also wait for a worker is in hyok_xks_hsm_seconds.
type DeviceMeter struct {
	seconds *prometheus.HistogramVec
	total   *prometheus.CounterVec
}

// NewDeviceMeter makes and registers the metrics; once for a registry.
func NewDeviceMeter(r *metrics.Registry) *DeviceMeter {
	m := &DeviceMeter{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "hyok", Subsystem: "hsm", Name: "call_seconds",
			Help: "Time in the device, without the wait for a worker.", Buckets: hsmBuckets,
		}, []string{"token", "operation"}),
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "hyok", Subsystem: "hsm", Name: "calls_total",
			Help: "Work ended in the device, by outcome.",
		}, []string{"token", "operation", "outcome"}),
	}
	r.Prometheus().MustRegister(m.seconds, m.total)
	return m
}

// Observer gives what hsm.TokenConfig.Observe takes for the token of this name.
func (m *DeviceMeter) Observer(token string) hsm.Observer {
	var all sync.Map // by operation: *callSeries
	return func(op string, d time.Duration, err error) {
		s, ok := all.Load(op)
		if !ok {
			s, _ = all.LoadOrStore(op, &callSeries{m.seconds.WithLabelValues(token, op), m.total.WithLabelValues(token, op, outcomeOK)})
		}
		series := s.(*callSeries)
		series.seconds.Observe(d.Seconds())
		if err == nil {
			series.ok.Inc()
			return
		}
		m.total.WithLabelValues(token, op, deviceOutcome(err)).Inc()
	}
}

// callSeries are the metrics of one operation that are needed each time.
type callSeries struct {
	seconds prometheus.Observer
	ok      prometheus.Counter
}

// deviceOutcomes are the words for errors of hsm; the first row that fits counts.
var deviceOutcomes = []struct {
	err  error
	word string
}{
	{hsm.ErrTimeout, "timeout"},
	{hsm.ErrKeyNotFound, "key_not_found"},
	{hsm.ErrKeyDisabled, "key_disabled"},
	{hsm.ErrKeyUsage, "key_usage"},
	{hsm.ErrInvalidCiphertext, "invalid_ciphertext"},
	{hsm.ErrBadInput, "bad_input"},
	{hsm.ErrAmbiguous, "ambiguous"},
	{hsm.ErrPIN, "pin"},
	{hsm.ErrNotLoggedIn, "not_logged_in"},
	{hsm.ErrUnavailable, "unavailable"},
}

func deviceOutcome(err error) string {
	for _, row := range deviceOutcomes {
		if errors.Is(err, row.err) {
			return row.word
		}
	}
	return "failed"
}
