package proxy

import (
	"errors"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"hyok/hsm"
	"hyok/internal/metrics"
)

// A DeviceMeter measures the work done on devices:
//
//	hyok_hsm_wait_seconds{token}                      histogram
//	hyok_hsm_call_seconds{token, operation}           histogram
//	hyok_hsm_calls_total{token, operation, outcome}   counter
//
// An operation is one of hsm.Token's methods. The wait is that for a worker, the
// call's time that in the device. A call that no worker took has no time, and
// counts. Watch adds what the token's breaker, workers and queues are at.
type DeviceMeter struct {
	wait    *prometheus.HistogramVec
	seconds *prometheus.HistogramVec
	total   *prometheus.CounterVec

	mu     sync.Mutex
	tokens map[string]*hsm.Token // of Watch
}

// NewDeviceMeter makes and registers the metrics; once for a registry.
func NewDeviceMeter(r *metrics.Registry) *DeviceMeter {
	m := &DeviceMeter{
		tokens: make(map[string]*hsm.Token),
		wait: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "hyok", Subsystem: "hsm", Name: "wait_seconds",
			Help: "Time that calls waited for a worker.", Buckets: hsmBuckets,
		}, []string{"token"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "hyok", Subsystem: "hsm", Name: "call_seconds",
			Help: "Time in the device, without the wait for a worker.", Buckets: hsmBuckets,
		}, []string{"token", "operation"}),
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "hyok", Subsystem: "hsm", Name: "calls_total",
			Help: "Work for the device that has ended, by outcome.",
		}, []string{"token", "operation", "outcome"}),
	}
	r.Prometheus().MustRegister(m.wait, m.seconds, m.total, deviceStates{m})
	return m
}

// Observer gives what hsm.TokenConfig.Observe takes for the token of this name.
func (m *DeviceMeter) Observer(token string) hsm.Observer {
	var all sync.Map // by operation: *callSeries
	wait := m.wait.WithLabelValues(token)
	return func(c hsm.Call) {
		wait.Observe(c.Waited.Seconds())
		s, ok := all.Load(c.Op)
		if !ok {
			s, _ = all.LoadOrStore(c.Op, &callSeries{m.seconds.WithLabelValues(token, c.Op), m.total.WithLabelValues(token, c.Op, outcomeOK)})
		}
		series := s.(*callSeries)
		if c.Taken {
			series.seconds.Observe(c.Took.Seconds())
		}
		if c.Err == nil {
			series.ok.Inc()
			return
		}
		m.total.WithLabelValues(token, c.Op, deviceOutcome(c.Err)).Inc()
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
