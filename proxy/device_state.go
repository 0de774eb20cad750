package proxy

import (
	"maps"

	"github.com/prometheus/client_golang/prometheus"

	"hyok/hsm"
)

// A stateMetric is a metric of a token's state.
type stateMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(hsm.Stats) float64
}

// stateMetrics are the metrics of a token's breaker, workers and queues.
var stateMetrics = []stateMetric{
	gauge("breaker_open", "1 while the token's breaker is open, so that calls are refused at once, else 0.",
		func(s hsm.Stats) float64 {
			if s.Open {
				return 1
			}
			return 0
		}),
	counter("breaker_openings_total", "Times that the token's breaker has opened.", func(s hsm.Stats) uint64 { return s.Opened }),
	counter("reloads_total", "Times that the token's module was reloaded.", func(s hsm.Stats) uint64 { return s.Reloads }),
	gauge("workers_wanted", "Workers that the token should have.", func(s hsm.Stats) float64 { return float64(s.Workers) }),
	gauge("workers_alive", "Workers at work or waiting for it.", func(s hsm.Stats) float64 { return float64(s.Alive) }),
	gauge("workers_lost", "Workers in calls that have not returned from the device in time.", func(s hsm.Stats) float64 { return float64(s.Lost) }),
	gauge("queue_length", "Calls that wait for a worker.", func(s hsm.Stats) float64 { return float64(s.Queue) }),
}

func gauge(name, help string, value func(hsm.Stats) float64) stateMetric {
	return stateMetric{stateDesc(name, help), prometheus.GaugeValue, value}
}

func counter(name, help string, value func(hsm.Stats) uint64) stateMetric {
	return stateMetric{stateDesc(name, help), prometheus.CounterValue, func(s hsm.Stats) float64 { return float64(value(s)) }}
}

func stateDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("hyok_hsm_"+name, help, []string{"token"}, nil)
}

// Watch has the state of the token of this name measured:
//
//	hyok_hsm_breaker_open{token}            gauge
//	hyok_hsm_breaker_openings_total{token}  counter
//	hyok_hsm_reloads_total{token}           counter
//	hyok_hsm_workers_wanted{token}          gauge
//	hyok_hsm_workers_alive{token}           gauge
//	hyok_hsm_workers_lost{token}            gauge
//	hyok_hsm_queue_length{token}            gauge
func (m *DeviceMeter) Watch(name string, t *hsm.Token) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tokens[name] = t
}

// deviceStates tells the state of a DeviceMeter's tokens when it is asked, which
// costs the devices nothing.
type deviceStates struct{ meter *DeviceMeter }

// Describe implements prometheus.Collector.
func (deviceStates) Describe(descs chan<- *prometheus.Desc) {
	for _, m := range stateMetrics {
		descs <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (d deviceStates) Collect(all chan<- prometheus.Metric) {
	d.meter.mu.Lock()
	tokens := maps.Clone(d.meter.tokens)
	d.meter.mu.Unlock()
	for name, t := range tokens {
		stats := t.Stats()
		for _, m := range stateMetrics {
			all <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(stats), name)
		}
	}
}
