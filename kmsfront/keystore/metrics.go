package keystore

import (
	"github.com/prometheus/client_golang/prometheus"

	"hyok/internal/metrics"
)

// latencyBuckets lie close together below the 250 ms that an attempt may take,
// and end above the 500 ms of two (guide 004:21444); in seconds.
var latencyBuckets = []float64{.001, .002, .005, .01, .02, .05, .1, .15, .2, .25, .3, .5, .6}

// series are the metrics of custom-key-stores §14 as Prometheus series.
type series struct {
	calls     *prometheus.CounterVec
	latency   *prometheus.HistogramVec
	managers  *prometheus.GaugeVec
	throttled *prometheus.CounterVec
	states    *prometheus.GaugeVec
}

// NewObserver makes an Observer that counts in r:
//
//	hyok_xks_proxy_errors_total             XksProxyErrors, every request to a proxy
//	hyok_xks_proxy_latency_seconds          XksProxyLatency
//	hyok_xks_external_key_managers          XksExternalKeyManagerStates
//	hyok_external_key_store_throttled_total ExternalKeyStoreThrottle
//	hyok_custom_key_store_state             1 for the connection state it is in
//
// with CloudWatch's dimensions as labels. Gauges of a store end with its
// connection (guide 004:21397).
func NewObserver(r *metrics.Registry) Observer {
	s := &series{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hyok_xks_proxy_errors_total",
			Help: "Requests to external key store proxies by outcome, successes included.",
		}, []string{"custom_key_store_id", "kms_operation", "xks_operation", "key_spec", "error_type", "exception_name"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hyok_xks_proxy_latency_seconds", Buckets: latencyBuckets,
			Help: "Time until the answer of an external key store proxy, all attempts together.",
		}, []string{"custom_key_store_id", "kms_operation", "xks_operation", "key_spec"}),
		managers: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "hyok_xks_external_key_managers",
			Help: "External key managers by the state that the proxy last reported.",
		}, []string{"custom_key_store_id", "state"}),
		throttled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hyok_external_key_store_throttled_total",
			Help: "Requests refused for the quota of an external key store.",
		}, []string{"custom_key_store_id", "kms_operation", "key_spec"}),
		states: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "hyok_custom_key_store_state",
			Help: "1 for the connection state that a custom key store is in.",
		}, []string{"custom_key_store_id", "state", "connection_error_code"}),
	}
	r.Prometheus().MustRegister(s.calls, s.latency, s.managers, s.throttled, s.states)
	return s
}

func (s *series) ProxyCall(c ProxyCall) {
	s.calls.WithLabelValues(c.StoreID, c.KMSOperation, c.XksOperation, c.KeySpec, c.ErrorType, c.ExceptionName).Inc()
	s.latency.WithLabelValues(c.StoreID, c.KMSOperation, c.XksOperation, c.KeySpec).Observe(c.Latency.Seconds())
}

func (s *series) Managers(storeID string, n Managers) {
	s.managers.WithLabelValues(storeID, "Active").Set(float64(n.Active))
	s.managers.WithLabelValues(storeID, "Degraded").Set(float64(n.Degraded))
	s.managers.WithLabelValues(storeID, "Unavailable").Set(float64(n.Unavailable))
}

func (s *series) Throttled(storeID, kmsOperation string) {
	s.throttled.WithLabelValues(storeID, kmsOperation, keySpec).Inc()
}

func (s *series) State(storeID, state, errorCode string) {
	id := prometheus.Labels{"custom_key_store_id": storeID}
	s.states.DeletePartialMatch(id)
	if state != "" {
		s.states.WithLabelValues(storeID, state, errorCode).Set(1)
	}
	if state != connected {
		s.managers.DeletePartialMatch(id)
	}
	if state == "" {
		s.calls.DeletePartialMatch(id)
		s.latency.DeletePartialMatch(id)
		s.throttled.DeletePartialMatch(id)
	}
}
