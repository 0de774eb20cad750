package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A dashboard is what is read of Grafana's JSON.
type dashboard struct {
	Time   struct{ From, To string }
	Panels []struct {
		Title       string
		FieldConfig struct{ Defaults struct{ NoValue string } }
		Targets     []struct {
			Expr    string
			Instant bool
		}
	}
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	b, err := os.ReadFile("../../deploy/grafana/dashboards/key-stores.json")
	must(t, err)
	var d dashboard
	must(t, json.Unmarshal(b, &d))
	return d
}

// The five graphs of the KMS console, with its time range and its words for no data
// (guide 004:21336, 21397-21507).
func TestTheDashboardHasTheFiveGraphs(t *testing.T) {
	d := readDashboard(t)
	var titles []string
	for _, p := range d.Panels {
		titles = append(titles, p.Title)
		if p.FieldConfig.Defaults.NoValue != "No data available" || len(p.Targets) != 1 {
			t.Errorf("%s: %+v", p.Title, p)
		}
	}
	want := []string{"Total requests", "Reliability", "Latency", "Top 5 exceptions", "Certificate days to expire"}
	if diff := cmp.Diff(want, titles); diff != "" {
		t.Error(diff)
	}
	if d.Time.From != "now-3h" || d.Time.To != "now" {
		t.Errorf("the time range is %v", d.Time)
	}
}

// A prometheus scrapes a running hyok and evaluates the alarms five times a second.
type prometheus struct {
	t   *testing.T
	url string
}

// newPrometheus starts the real one. Where there is none, the test says that it was
// not run.
func newPrometheus(t *testing.T, metricsURL string) *prometheus {
	t.Helper()
	if _, err := exec.LookPath("prometheus"); err != nil {
		t.Skip("NOT RUN: prometheus is missing; apt-get install prometheus, or .ci/deps clients")
	}
	u, err := url.Parse(metricsURL)
	must(t, err)
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yaml")
	rules, err := filepath.Abs("../../deploy/prometheus/hyok.rules.yaml")
	must(t, err)
	must(t, os.WriteFile(file, fmt.Appendf(nil, "global: {scrape_interval: 200ms, evaluation_interval: 200ms}\nrule_files: [%q]\nscrape_configs:\n"+
		"  - {job_name: kmsfront, metrics_path: %s, static_configs: [{targets: [%q]}]}\n", rules, u.Path, u.Host), 0o600))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	addr := l.Addr().String()
	must(t, l.Close())
	cmd := exec.Command("prometheus", "--config.file", file, "--storage.tsdb.path", filepath.Join(dir, "data"),
		"--web.listen-address", addr, "--log.level", "error")
	cmd.Dir = dir
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed is what it reports
	})
	return &prometheus{t: t, url: "http://" + addr}
}

// ask gives the last value of each series of the answer by its labels; nil when
// Prometheus does not answer.
func (p *prometheus) ask(expr string, instant bool) map[string]float64 {
	p.t.Helper()
	now := time.Now()
	form := url.Values{"query": {expr}, "time": {fmt.Sprint(now.Unix())}}
	path := "/api/v1/query"
	if !instant {
		path = "/api/v1/query_range"
		form = url.Values{"query": {expr}, "start": {fmt.Sprint(now.Add(-time.Minute).Unix())}, "end": {fmt.Sprint(now.Unix())}, "step": {"1"}}
	}
	resp, err := http.PostForm(p.url+path, form)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	var out struct {
		Status, Error string
		Data          struct {
			Result []struct {
				Metric map[string]string
				Value  []any
				Values [][]any
			}
		}
	}
	if json.NewDecoder(resp.Body).Decode(&out) != nil {
		return nil // it is starting
	}
	if out.Status != "success" {
		p.t.Fatalf("%s\n%s: %s", expr, out.Status, out.Error)
	}
	all := map[string]float64{}
	for _, r := range out.Data.Result {
		if len(r.Values) > 0 {
			r.Value = r.Values[len(r.Values)-1]
		}
		delete(r.Metric, "custom_key_store_id")
		v, err := strconv.ParseFloat(r.Value[1].(string), 64)
		must(p.t, err)
		all[strings.TrimSuffix(strings.TrimPrefix(fmt.Sprint(r.Metric), "map["), "]")] = v
	}
	return all
}

// Each query of the dashboard gives what the traffic was, in the real Prometheus;
// six errors in a minute fire the alarm for their type, five do not.
func TestTheDashboardShowsKnownTraffic(t *testing.T) {
	ctx := t.Context()
	r := up(t, t.TempDir())
	p := newPrometheus(t, r.env["HYOK_METRICS_URL"])
	must(t, r.createExternal(ctx))
	must(t, r.createKey(ctx, external))
	for range 4 {
		r.encrypt(ctx, external)
	}
	r.spoil(ctx, "InternalException", 6)
	r.spoil(ctx, "KeyNotFoundException", 5)
	const health, metadata, good, retryable, refused = 1, 1, 4, 6, 5
	const total = health + metadata + good + retryable + refused
	want := map[string]map[string]float64{
		"Total requests":   {"": total},
		"Reliability":      {"": 100 * (1 - retryable/float64(total))},
		"Top 5 exceptions": {"exception_name:InternalException": retryable, "exception_name:KeyNotFoundException": refused},
	}
	for _, panel := range readDashboard(t).Panels {
		expr := strings.NewReplacer("$key_store", ".+", "$__range", "3h").Replace(panel.Targets[0].Expr)
		see := func() string { return fmt.Sprintf("%.6v", p.ask(expr, panel.Targets[0].Instant)) }
		if w, ok := want[panel.Title]; ok {
			r.soon(4*settled, panel.Title, fmt.Sprintf("%.6v", w), see)
			continue
		}
		r.soon(4*settled, panel.Title+": a value in range for each", "yes", func() string {
			return inRange(panel.Title, p.ask(expr, panel.Targets[0].Instant))
		})
	}
	r.soon(settled, "the alarms that fire", "map[alertname:XksProxyRetryableErrors:1]", func() string {
		return fmt.Sprint(p.ask(`sum by (alertname) (ALERTS{alertstate="firing", alertname!="XksProxySlow"})`, true)) // a busy machine may be slow
	})
}

// spoil makes so many Encrypt requests of the proxy fail.
func (r *running) spoil(ctx context.Context, name string, count int) {
	r.t.Helper()
	r.do("fault", "add", "--at", "proxy", "--op", "Encrypt", "--error", name, "--count", strconv.Itoa(count))
	for range count {
		if r.encrypts(ctx, external) == ok {
			r.t.Fatalf("an Encrypt succeeded that should meet %s", name)
		}
	}
}

// inRange says yes when a graph has the series that it must have, with values that can be.
func inRange(title string, values map[string]float64) string {
	names, least, most := []string{"certificate_name:localhost"}, 300.0, 4000.0 // days
	if title == "Latency" {
		names = []string{
			"kms_operation:ConnectCustomKeyStore xks_operation:GetHealthStatus",
			"kms_operation:CreateKey xks_operation:GetKeyMetadata", "kms_operation:Encrypt xks_operation:Encrypt",
		}
		least, most = 0.1, 250
	}
	for _, name := range names {
		if v := values[name]; v < least || v > most || len(values) != len(names) {
			return fmt.Sprint(values)
		}
	}
	return "yes"
}
