package keystore

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"hyok/internal/clock"
	"hyok/internal/metrics"
)

// latencyBuckets lie close together below the 250 ms that an attempt may take,
// and end above the 500 ms of two (guide 004:21444); in seconds.
var latencyBuckets = []float64{.001, .002, .005, .01, .02, .05, .1, .15, .2, .25, .3, .5, .6}

// Labels of the series, CloudWatch's dimensions in Prometheus's manner.
const (
	labelStore = "custom_key_store_id"
	labelKMS   = "kms_operation"
	labelXKS   = "xks_operation"
	labelSpec  = "key_spec"
)

// series are the metrics of custom-key-stores §14 as Prometheus series.
type series struct {
	clock       clock.Clock
	calls       *prometheus.CounterVec
	latency     *prometheus.HistogramVec
	managers    *prometheus.GaugeVec
	throttled   *prometheus.CounterVec
	states      *prometheus.GaugeVec
	age, expiry *prometheus.Desc

	mu    sync.RWMutex
	state map[string]string     // of each key store that was not deleted
	ways  map[string]Connection // of each that is connected
}

// NewObserver makes an Observer that counts in r:
//
//	hyok_xks_proxy_errors_total               XksProxyErrors, every request to a proxy
//	hyok_xks_proxy_latency_seconds            XksProxyLatency
//	hyok_xks_external_key_managers            XksExternalKeyManagerStates
//	hyok_xks_proxy_certificate_days_to_expire XksProxyCertificateDaysToExpire
//	hyok_xks_proxy_credential_age_days        XksProxyCredentialAge
//	hyok_external_key_store_throttled_total   ExternalKeyStoreThrottle
//	hyok_custom_key_store_state               1 for the connection state it is in
//
// with CloudWatch's dimensions as labels. Days are those of c. Gauges of a store
// end with its connection (guide 004:21397), its counters when it is deleted.
func NewObserver(r *metrics.Registry, c clock.Clock) Observer {
	s := newSeries()
	s.clock, s.state, s.ways = c, map[string]string{}, map[string]Connection{}
	r.Prometheus().MustRegister(s.calls, s.latency, s.managers, s.throttled, s.states, s)
	return s
}

func newSeries() *series {
	return &series{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hyok_xks_proxy_errors_total",
			Help: "Requests to external key store proxies by outcome, successes included.",
		}, []string{labelStore, labelKMS, labelXKS, labelSpec, "error_type", "exception_name"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hyok_xks_proxy_latency_seconds", Buckets: latencyBuckets,
			Help: "Time until the answer of an external key store proxy, all attempts together.",
		}, []string{labelStore, labelKMS, labelXKS, labelSpec}),
		managers: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "hyok_xks_external_key_managers",
			Help: "External key managers by the state that the proxy last reported.",
		}, []string{labelStore, "state"}),
		throttled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hyok_external_key_store_throttled_total",
			Help: "Requests refused for the quota of an external key store.",
		}, []string{labelStore, labelKMS, labelSpec}),
		states: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "hyok_custom_key_store_state",
			Help: "1 for the connection state that a custom key store is in.",
		}, []string{labelStore, "state", "connection_error_code"}),
		age: prometheus.NewDesc("hyok_xks_proxy_credential_age_days",
			"Days since KMS was given the proxy authentication credential.", []string{labelStore}, nil),
		expiry: prometheus.NewDesc("hyok_xks_proxy_certificate_days_to_expire",
			"Days until the certificate expires that the proxy showed last.", []string{labelStore, "certificate_name"}, nil),
	}
}

// known does what is to be done for a key store that was not deleted; the state
// it is in does not change meanwhile. A request that a proxy answers late must
// not bring back the series of a key store that is gone.
func (s *series) known(storeID string, do func(state string)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if state, ok := s.state[storeID]; ok {
		do(state)
	}
}

func (s *series) ProxyCall(c ProxyCall) {
	s.known(c.StoreID, func(string) {
		s.calls.WithLabelValues(c.StoreID, c.KMSOperation, c.XksOperation, c.KeySpec, c.ErrorType, c.ExceptionName).Inc()
		s.latency.WithLabelValues(c.StoreID, c.KMSOperation, c.XksOperation, c.KeySpec).Observe(c.Latency.Seconds())
	})
}

// Managers counts for a key store that is or will be connected: one that is only
// tried with new settings has none to show.
func (s *series) Managers(storeID string, n Managers) {
	s.known(storeID, func(state string) {
		if state != connected && state != connecting {
			return
		}
		for name, count := range n.byState() {
			s.managers.WithLabelValues(storeID, name).Set(float64(count))
		}
	})
}

func (s *series) Throttled(storeID, kmsOperation string) {
	s.known(storeID, func(string) { s.throttled.WithLabelValues(storeID, kmsOperation, keySpec).Inc() })
}

func (s *series) Connection(storeID string, c Connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state[storeID] == connected {
		s.ways[storeID] = c
	}
}

func (s *series) State(storeID, state, errorCode string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := prometheus.Labels{labelStore: storeID}
	s.state[storeID] = state
	s.states.DeletePartialMatch(id)
	if state != connected {
		delete(s.ways, storeID)
		s.managers.DeletePartialMatch(id)
	}
	if state != "" {
		s.states.WithLabelValues(storeID, state, errorCode).Set(1)
		return
	}
	delete(s.state, storeID)
	s.calls.DeletePartialMatch(id)
	s.latency.DeletePartialMatch(id)
	s.throttled.DeletePartialMatch(id)
}

// Describe is the Collector's, for the gauges that depend on the time.
func (s *series) Describe(to chan<- *prometheus.Desc) {
	to <- s.age
	to <- s.expiry
}

// Collect is the Collector's.
func (s *series) Collect(to chan<- prometheus.Metric) {
	now := s.clock.Now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	for id, c := range s.ways {
		to <- prometheus.MustNewConstMetric(s.age, prometheus.GaugeValue, c.credentialAge(now), id)
		if !c.CertificateExpires.IsZero() {
			to <- prometheus.MustNewConstMetric(s.expiry, prometheus.GaugeValue, c.daysToExpire(now), id, c.CertificateName)
		}
	}
}
