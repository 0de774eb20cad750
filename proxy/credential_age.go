package proxy

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// credentialAges tells the age of each credential when it is asked: since the day
// that the configuration gives, else since this process first accepted it.
type credentialAges struct{ server *Server }

var credentialAge = prometheus.NewDesc("hyok_xks_credential_age_days",
	"Days since the credential was made, or since this process first accepted it where the configuration does not say.",
	[]string{"store", "access_key_id"}, nil)

// Describe implements prometheus.Collector.
func (credentialAges) Describe(descs chan<- *prometheus.Desc) { descs <- credentialAge }

// Collect implements prometheus.Collector.
func (c credentialAges) Collect(all chan<- prometheus.Metric) {
	now := c.server.now()
	for prefix, st := range c.server.state.Load().stores {
		for id, since := range st.since {
			all <- prometheus.MustNewConstMetric(credentialAge, prometheus.GaugeValue,
				now.Sub(since).Hours()/24, storeLabel(prefix), id)
		}
	}
}

// credentialsSince gives the times from which the credentials of c count, with
// what old (which may be nil) knows of them.
func (s *Server) credentialsSince(c Store, old *state) map[string]time.Time {
	var before map[string]time.Time
	if old != nil && old.stores[c.PathPrefix] != nil {
		before = old.stores[c.PathPrefix].since
	}
	since := make(map[string]time.Time, len(c.Credentials))
	for _, cred := range c.Credentials {
		t, known := c.CredentialSince[cred.AccessKeyID]
		if !known {
			t, known = before[cred.AccessKeyID]
		}
		if !known {
			t = s.now()
		}
		since[cred.AccessKeyID] = t
	}
	return since
}
