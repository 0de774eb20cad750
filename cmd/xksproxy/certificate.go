package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"hyok/internal/metrics"
)

// meterCertificate tells when the certificate in use ends, asked at each scrape.
func meterCertificate(r *metrics.Registry, daysToExpiry func() float64) {
	r.Prometheus().MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "hyok",
		Name:      "xks_certificate_expiry_days",
		Help:      "Days until the certificate that the proxy shows expires; negative once it has.",
	}, daysToExpiry))
}
