package proxy

import (
	"cmp"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"hyok/internal/metrics"
)

// meters are the metrics of a Server.
type meters struct {
	requests  *metrics.Requests
	hsm       *prometheus.HistogramVec
	up        *prometheus.GaugeVec
	unwritten prometheus.Counter
}

// hsmBuckets are in seconds: from one call of a local device to the deadline.
var hsmBuckets = []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25}

func newMeters(r *metrics.Registry) *meters {
	m := &meters{
		requests: r.Requests("xks", "store", "operation"),
		hsm: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "hyok",
			Name:      "xks_hsm_seconds",
			Help:      "Time that requests spent waiting for and in the device.",
			Buckets:   hsmBuckets,
		}, []string{"store", "operation"}),
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "hyok",
			Name:      "xks_device_up",
			Help:      "1 when the last health check of the device's token went well, else 0.",
		}, []string{"token"}),
	}
	m.unwritten = prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "hyok",
		Name:      "xks_audit_failures_total",
		Help:      "Requests that failed since the audit log could not take them.",
	})
	r.Prometheus().MustRegister(m.hsm, m.up, m.unwritten)
	return m
}

// A meter measures one operation of one store.
type meter struct {
	requests         *metrics.Requests
	store, operation string
	hsm              prometheus.Observer
}

// forStore makes a store's meters by operation.
func (m *meters) forStore(pathPrefix string) map[string]*meter {
	name := storeLabel(pathPrefix)
	all := make(map[string]*meter, len(operations))
	for _, op := range operations {
		all[op.name] = &meter{m.requests, name, op.name, m.hsm.WithLabelValues(name, op.name)}
	}
	return all
}

// storeLabel is what metrics call a store.
func storeLabel(pathPrefix string) string { return cmp.Or(pathPrefix, "/") }

// begin counts a request that starts; the function returned ends it.
func (m *meter) begin() func(outcome string, hsmTime time.Duration) {
	end := m.requests.Begin(m.store, m.operation)
	return func(outcome string, hsmTime time.Duration) {
		end(outcome)
		if hsmTime > 0 {
			m.hsm.Observe(hsmTime.Seconds())
		}
	}
}
