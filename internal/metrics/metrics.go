// Package metrics keeps the Prometheus metrics of one program.
//
// Each program has a registry of its own, never the library's global one, so that
// two daemons can run in one process. Names begin with hyok_; times are in
// seconds. A label's value is never a secret or a user's data, and comes from a
// small set: each one seen costs memory until the program ends.
package metrics

import (
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// namespace begins the name of every metric of the house.
const namespace = "hyok"

// A Registry holds the metrics of one program.
type Registry struct{ registry *prometheus.Registry }

// New makes a registry that tells of the Go runtime, the process, and the build:
// hyok_build_info{program, version, go_version} 1. The version is as Version
// gives it.
func New(program, version string) *Registry {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace,
		Name:      "build_info",
		Help:      "The build that runs; always 1.",
		ConstLabels: prometheus.Labels{
			"program": program, "version": version, "go_version": runtime.Version(),
		},
	})
	info.Set(1)
	r := prometheus.NewRegistry()
	r.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &Registry{registry: r}
}

// Handler serves the metrics in the formats that Prometheus reads.
func (r *Registry) Handler() http.Handler {
	return promhttp.HandlerFor(r.registry, promhttp.HandlerOpts{})
}

// Prometheus gives the registry itself, for further collectors.
func (r *Registry) Prometheus() *prometheus.Registry { return r.registry }
