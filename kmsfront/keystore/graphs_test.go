package keystore

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hyok/certs/certstest"
	"hyok/internal/clock"
	"hyok/kmsfront/cloudwatch"
	"hyok/kmsfront/material"
	"hyok/proxy/xks"
)

// A halted clock moves only when it is told to, so that a data point's period is known.
type halted struct {
	clock.System
	ahead atomic.Int64 // of start, in nanoseconds
	start time.Time
}

func (h *halted) Now() time.Time { return h.start.Add(time.Duration(h.ahead.Load())) }

// A graphRig is a connected external key store whose data points are kept.
type graphRig struct {
	*env
	proxy *fakeProxy
	key   *material.Key
	data  *cloudwatch.Metrics
	now   *halted
}

const graphPeriod = 5 * time.Minute

func newGraphRig(t *testing.T) *graphRig {
	g := &graphRig{now: &halted{start: time.Now().Truncate(graphPeriod)}}
	g.data = cloudwatch.New(g.now)
	g.env = newEnv(t, brief, func(e *env) { e.c.Observer = Observers{NewPoints(g.data, g.now), e.seen} })
	g.proxy = newFakeProxy(t, g.env)
	leaf := certstest.Server()
	leaf.CommonName, leaf.NotAfter = "xks.example.com", g.now.start.Add(30*day)
	cert := g.kit.Issue(t, leaf)
	g.proxy.change(func() { g.proxy.cert = &cert })
	g.key = g.env.key(g.connected(g.create(g.proxy.request("one"))), "external-1")
	g.until("the certificate", func() bool { return g.seen.ways[g.key.StoreID].CertificateName != "" })
	return g
}

// fail makes n Encrypt requests that the proxy refuses.
func (g *graphRig) fail(name xks.ErrorName, n int) {
	g.proxy.misbehave(xks.OpEncrypt, refuses(name))
	for range n {
		_, _ = g.encrypt(g.key, "p")
	}
	g.proxy.misbehave(xks.OpEncrypt, nil)
}

// graph asks GetMetricData for three hours by five minutes, as the guide's graphs
// do (004:21336, 21344), and gives each result's values by its label, and the
// labels in their order.
func (g *graphRig) graph(metric, stat, groupBy string, dimensions ...string) (order []string, values map[string][]float64) {
	g.t.Helper()
	list := []map[string]string{{"Name": "CustomKeyStoreId", "Value": g.key.StoreID}}
	for i := 0; i < len(dimensions); i += 2 {
		list = append(list, map[string]string{"Name": dimensions[i], "Value": dimensions[i+1]})
	}
	query := map[string]any{"Id": "q", "MetricStat": map[string]any{
		"Metric": map[string]any{"Namespace": "AWS/KMS", "MetricName": metric, "Dimensions": list}, "Period": 300, "Stat": stat}}
	if groupBy != "" {
		query["GroupBy"] = strings.Fields(groupBy)
	}
	end := g.now.Now().Add(time.Second)
	body, err := json.Marshal(map[string]any{
		"StartTime": end.Add(-3 * time.Hour), "EndTime": end, "ScanBy": "TimestampAscending", "MetricDataQueries": []any{query},
	})
	if err != nil {
		g.t.Fatal(err)
	}
	w := httptest.NewRecorder()
	g.data.Handler().ServeHTTP(w, httptest.NewRequest("POST", "/getmetricdata", strings.NewReader(string(body))))
	var out struct {
		MetricDataResults []struct {
			Label  string
			Values []float64
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != 200 {
		g.t.Fatalf("%d %s, %v", w.Code, w.Body, err)
	}
	values = map[string][]float64{}
	for _, r := range out.MetricDataResults {
		order = append(order, r.Label)
		values[r.Label] = r.Values
	}
	return order, values
}

// The five graphs of custom-key-stores §15, of known traffic in two periods.
func TestTheFiveGraphs(t *testing.T) {
	g := newGraphRig(t)
	for range 4 {
		g.roundTrip(g.key)
	}
	g.fail(xks.ThrottlingException, 4)
	g.fail(xks.AuthenticationFailedException, 3) // lets the proxy be reliable: 004:21430-21433
	g.now.ahead.Store(int64(graphPeriod))
	g.fail(xks.KeyNotFoundException, 5)
	g.fail(xks.InternalException, 2)
	g.fail(xks.ValidationException, 1) // the sixth kind
	g.proxy.misbehave(xks.OpDecrypt, sleeps)
	blob, err := g.encrypt(g.key, "p")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, _ = g.decrypt(g.key, blob)
	}

	t.Run("total requests", func(t *testing.T) { // successes too: contradiction 13
		_, total := g.graph("XksProxyErrors", "Sum", "")
		want := []float64{1 + 8 + 7, 8 + 1 + 2} // the first: GetHealthStatus to connect
		if d := cmp.Diff(want, total["XksProxyErrors"]); d != "" {
			t.Error(d)
		}
	})
	t.Run("reliability", func(t *testing.T) {
		_, total := g.graph("XksProxyErrors", "Sum", "")
		_, again := g.graph("XksProxyErrors", "Sum", "", "ErrorType", "Retryable")
		var got []float64
		for i, n := range total["XksProxyErrors"] {
			got = append(got, 100*(n-again["XksProxyErrors"][i])/n)
		}
		if d := cmp.Diff([]float64{100 * 12.0 / 16, 100 * 7.0 / 11}, got); d != "" {
			t.Error(d)
		}
	})
	t.Run("latency by operation", func(t *testing.T) {
		order, values := g.graph("XksProxyLatency", "Average", "KmsOperation XksOperation")
		slowest, limit := values["Decrypt Decrypt"], float64(g.c.ProxyTimeout.Milliseconds())
		if len(order) != 3 || order[0] != "Decrypt Decrypt" || len(slowest) != 2 || slowest[1] != limit { // contradiction 11
			t.Errorf("%q, %v: the time-outs of Decrypt come first, %v ms each", order, values, limit)
		}
		for _, v := range append(values["Encrypt Encrypt"], values["ConnectCustomKeyStore GetHealthStatus"]...) {
			if v <= 0 || v >= limit {
				t.Errorf("an answer took %v ms", v)
			}
		}
	})
	t.Run("top five exceptions", func(t *testing.T) {
		order, values := g.graph("XksProxyErrors", "Sum", "ExceptionName")
		order = slices.DeleteFunc(order, func(s string) bool { return s == "None" })
		want := []string{"KeyNotFoundException", "ThrottlingException", "AuthenticationFailedException", "InternalException", "XksProxyUnreachableException"}
		if d := cmp.Diff(want, order[:5]); d != "" {
			t.Errorf("%s\n%v", d, values)
		}
	})
	t.Run("days to expire", func(t *testing.T) {
		order, values := g.graph("XksProxyCertificateDaysToExpire", "Minimum", "CertificateName")
		if fmt.Sprint(order) != "[xks.example.com]" || !near(values["xks.example.com"][0], 30) {
			t.Errorf("%v", values)
		}
	})
}

// The other metrics of custom-key-stores §14; a query looks at the last three hours.
func TestDataPointsBesideTheGraphs(t *testing.T) {
	g := newGraphRig(t)
	id := g.key.StoreID
	check := func(metric, groupBy string, want map[string][]float64) {
		t.Helper()
		if _, got := g.graph(metric, "Maximum", groupBy); !cmp.Equal(want, got) {
			t.Errorf("%s: %v, want %v", metric, got, want)
		}
	}
	g.Throttled(id, "Decrypt")
	check("ExternalKeyStoreThrottle", "KmsOperation KeySpec", map[string][]float64{"Decrypt SYMMETRIC_DEFAULT": {1}})
	check("XksExternalKeyManagerStates", "XksExternalKeyManagerState",
		map[string][]float64{"Active": {1}, "Degraded": {0}, "Unavailable": {0}})
	g.now.ahead.Store(int64(3 * day))
	in := updateOf(id)
	in.NewCustomKeyStoreName = "another"
	if err := g.update(in); err != nil {
		t.Fatal(err)
	}
	_, ages := g.graph("XksProxyCredentialAge", "Maximum", "")
	if age := ages["XksProxyCredentialAge"]; len(age) != 1 || !near(age[0], 3) {
		t.Errorf("%v, want three days", ages)
	}
}

// No data while the key store is disconnected (ME-03, guide 004:21397).
func TestNoDataWhileDisconnected(t *testing.T) {
	g := newGraphRig(t)
	g.disconnected(g.key.StoreID)
	g.now.ahead.Store(int64(graphPeriod))
	_, _ = g.encrypt(g.key, "p")
	for metric := range cloudwatch.Catalogue() {
		_, values := g.graph(metric, "Sum", "")
		if n := len(values[metric]); n > 1 {
			t.Errorf("%s has data in %d periods, the second of them without a connection", metric, n)
		}
	}
	if _, values := g.graph("XksProxyErrors", "Sum", ""); len(values["XksProxyErrors"]) != 1 {
		t.Errorf("%v while it was connected", values)
	}
}
