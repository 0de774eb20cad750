package keystore

import (
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"hyok/certs/certstest"
	"hyok/internal/metrics"
	"hyok/kmsfront/api"
	"hyok/proxy/xks"
)

// watched gives an env whose observers are a registry's and the recorder.
func watched(t *testing.T, adjust ...func(*env)) (*env, *metrics.Registry) {
	t.Helper()
	reg := metrics.New("kmsfront", "v0")
	return newEnv(t, append(adjust, func(e *env) {
		e.c.Observer = Observers{NewObserver(reg, e.clock), e.seen}
	})...), reg
}

// gathered gives the values of the series under "name label-values…", the labels
// in the order of their names; of a histogram the sum.
func gathered(t *testing.T, reg *metrics.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Prometheus().Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			words := []string{f.GetName()}
			for _, l := range m.Label {
				words = append(words, l.GetValue())
			}
			all[strings.Join(words, " ")] = valueOf(m)
		}
	}
	return all
}

func valueOf(m *dto.Metric) float64 {
	switch {
	case m.Histogram != nil:
		return m.Histogram.GetSampleSum()
	case m.Counter != nil:
		return m.Counter.GetValue()
	}
	return m.GetGauge().GetValue()
}

// ofStore are the names of those that belong to a key store.
func ofStore(all map[string]float64, id string) (names []string) {
	for name := range all {
		if strings.Contains(name, id) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestPrometheusSeries(t *testing.T) {
	reg := metrics.New("kmsfront", "v0")
	o := NewObserver(reg, newEnv(t).clock)
	call := ProxyCall{"cks-1", "Encrypt", "Encrypt", "SYMMETRIC_DEFAULT", "Retryable", "ThrottlingException", 20 * time.Millisecond}
	o.State("cks-1", "FAILED", "INTERNAL_ERROR")
	o.State("cks-1", "CONNECTING", "")
	o.ProxyCall(call)
	o.Managers("cks-1", Managers{Active: 2, Degraded: 1})
	o.State("cks-1", "CONNECTED", "")
	o.Throttled("cks-1", "Decrypt")
	o.Connection("cks-1", Connection{})
	want := map[string]float64{
		"hyok_xks_proxy_errors_total cks-1 Retryable ThrottlingException SYMMETRIC_DEFAULT Encrypt Encrypt": 1,
		"hyok_xks_proxy_latency_seconds cks-1 SYMMETRIC_DEFAULT Encrypt Encrypt":                            0.02,
		"hyok_xks_external_key_managers cks-1 Active":                                                       2,
		"hyok_xks_external_key_managers cks-1 Degraded":                                                     1,
		"hyok_xks_external_key_managers cks-1 Unavailable":                                                  0,
		"hyok_external_key_store_throttled_total cks-1 SYMMETRIC_DEFAULT Decrypt":                           1,
		"hyok_custom_key_store_state  cks-1 CONNECTED":                                                      1,
	}
	got := gathered(t, reg)
	for name, v := range want {
		if n, ok := got[name]; !ok || n != v {
			t.Errorf("%s is %v, %t; want %v", name, n, ok, v)
		}
	}
	if n := len(ofStore(got, "cks-1")); n != len(want)+1 { // and the age of the credential
		t.Errorf("%d series: %q", n, ofStore(got, "cks-1"))
	}
	o.State("cks-1", "DISCONNECTED", "")
	o.Managers("cks-1", Managers{Active: 1}) // of an update that is tried
	o.Connection("cks-1", Connection{})
	for name := range gathered(t, reg) {
		if strings.Contains(name, "managers cks-1") || strings.Contains(name, "age_days cks-1") {
			t.Errorf("%s of a key store that is not connected", name)
		}
	}
	o.State("cks-1", "", "")
	o.ProxyCall(call) // late
	o.Throttled("cks-1", "Decrypt")
	if names := ofStore(gathered(t, reg), "cks-1"); names != nil {
		t.Errorf("of a key store that is gone: %q", names)
	}
}

// near tells whether a number of days is right but for the time of the test.
func near(got, want float64) bool { return got > want-0.01 && got < want+0.01 }

// The certificate is the one that the handshake showed (guide 004:7629-7641), the
// age counts from the moment that KMS was given the credential (004:7643-7654);
// both follow the clock that can be moved (SIM-01).
func TestDaysOfCertificateAndCredential(t *testing.T) {
	e, reg := watched(t)
	f := newFakeProxy(t, e)
	leaf := certstest.Server()
	leaf.CommonName, leaf.NotAfter = "xks.example.com", time.Now().Add(40*day)
	cert := e.kit.Issue(t, leaf)
	f.change(func() { f.cert = &cert })
	id := e.create(f.request("one"))
	expiry, age := "hyok_xks_proxy_certificate_days_to_expire xks.example.com "+id, "hyok_xks_proxy_credential_age_days "+id
	check := func(when string, days ...float64) {
		t.Helper()
		got := gathered(t, reg)
		for i, name := range []string{expiry, age} {
			v, ok := got[name]
			if ok != (days != nil) || ok && !near(v, days[i]) {
				t.Errorf("%s: %s is %v, %t; want %v", when, name, v, ok, days)
			}
		}
	}
	advance := func(d time.Duration) {
		t.Helper()
		if err := e.clock.Advance(d); err != nil {
			t.Fatal(err)
		}
	}
	check("before it is connected")
	e.connected(id)
	check("connected", 40, 0)
	advance(31 * day)
	check("31 days later", 9, 31)
	in := updateOf(id)
	in.XksProxyAuthenticationCredential = &api.XksProxyAuthenticationCredentialType{AccessKeyId: accessKey, RawSecretAccessKey: secretKey}
	if err := e.update(in); err != nil {
		t.Fatal(err)
	}
	check("the credential given again, the same", 9, 0)
	in.XksProxyAuthenticationCredential.RawSecretAccessKey = strings.Repeat("x", 43)
	advance(day)
	if err := e.update(in); err == nil {
		t.Fatal("the proxy takes a wrong secret")
	}
	check("an update that failed", 8, 1)
	e.disconnected(id)
	check("disconnected")
	e.connected(id)
	e.restart()
	e.roundTrip(e.key(id, "external-1"))
	check("after a restart and a request", 8, 1)
	advance(9 * day)
	check("expired", -1, 10)
}

func TestTheConnectionOfATrialIsNotTold(t *testing.T) {
	e := newEnv(t)
	f := newFakeProxy(t, e)
	id := e.create(f.request("one"))
	in := updateOf(id)
	in.XksProxyUriPath = xks.BasePath
	if err := e.update(in); err != nil {
		t.Fatal(err)
	}
	if way, ok := e.seen.ways[id]; ok {
		t.Errorf("while it is not connected: %+v", way)
	}
	e.connected(id)
	e.until("the connection", func() bool { return e.seen.ways[id].CertificateName == "localhost" })
}

// Whatever is done, the series of a key store are gone with it.
func TestADeletedStoreLeavesNoSeries(t *testing.T) {
	e, reg := watched(t)
	f := newFakeProxy(t, e)
	before := gathered(t, reg)
	id := e.connected(e.create(f.request("one")))
	e.roundTrip(e.key(id, "external-1"))
	e.Throttled(id, "Encrypt")
	e.disconnected(id)
	if n := len(ofStore(gathered(t, reg), id)); n < 6 {
		t.Fatalf("%d series before it is deleted", n)
	}
	begun, goOn := make(chan struct{}), make(chan struct{})
	f.misbehave(xks.OpGetHealthStatus, hold(begun, goOn, answers(health(xks.HealthActive))))
	updated := make(chan error)
	in := updateOf(id)
	in.XksProxyUriPath = xks.BasePath
	go func() { updated <- e.update(in) }()
	<-begun // the answer comes when the key store is gone
	if err := e.delete(id); err != nil {
		t.Fatal(err)
	}
	close(goOn)
	if err := <-updated; err == nil {
		t.Error("a key store that is gone was updated")
	}
	after := gathered(t, reg)
	for name := range after {
		if _, ok := before[name]; !ok && strings.HasPrefix(name, "hyok_") {
			t.Errorf("left: %s; of the key store: %q", name, ofStore(after, id))
		}
	}
}
