package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hyok/kmsfront/cloudwatch"
)

// metricData asks the admin API for the statistic of a metric of the external key
// store in the last hour of the front end's clock, and adds up the periods.
func (r *running) metricData(ctx context.Context, metric, stat string, dimensions ...cloudwatch.Dimension) float64 {
	r.t.Helper()
	admin := &remote{Dir: r.dir}
	var now clockReading
	must(r.t, admin.call(ctx, "GET", "/clock", nil, &now))
	var out cloudwatch.Response
	must(r.t, admin.call(ctx, "POST", "/getmetricdata", map[string]any{
		"StartTime": now.Now.Add(-time.Hour), "EndTime": now.Now.Add(time.Second),
		"MetricDataQueries": []any{map[string]any{"Id": "q", "MetricStat": map[string]any{
			"Metric": cloudwatch.Metric{Namespace: "AWS/KMS", MetricName: metric, Dimensions: append(dimensions,
				cloudwatch.Dimension{Name: "CustomKeyStoreId", Value: r.stores[external]})},
			"Period": 3600, "Stat": stat}}},
	}, &out))
	sum := 0.0
	for _, v := range out.MetricDataResults[0].Values {
		sum += v
	}
	return sum
}

func TestDataPointsOfARunningHyok(t *testing.T) {
	ctx := t.Context()
	quotas := filepath.Join(t.TempDir(), "quotas.yaml")
	must(t, os.WriteFile(quotas, []byte("requests: {DescribeKey: 1}\n"), 0o600))
	r := up(t, t.TempDir(), "--quotas", quotas)
	must(t, r.createExternal(ctx))
	must(t, r.createKey(ctx, external))
	for range 3 {
		r.opens(ctx, r.encrypt(ctx, external))
	}
	name := cloudwatch.Dimension{Name: "XksOperation", Value: "Encrypt"}
	if n := r.metricData(ctx, "XksProxyErrors", "Sum", name); n != 3 {
		t.Errorf("%v Encrypt requests to the proxy, want 3", n)
	}
	if age := r.metricData(ctx, "XksProxyCredentialAge", "Maximum"); age < 0 || age > 0.1 {
		t.Errorf("the credential is %v days old", age)
	}
	days := r.metricData(ctx, "XksProxyCertificateDaysToExpire", "Minimum")
	if days < 300 {
		t.Errorf("the certificate expires in %v days", days)
	}

	for range 20 { // one a second is let through
		r.describes(ctx, r.keys[external])
	}
	operation := cloudwatch.Dimension{Name: "KmsOperation", Value: "DescribeKey"}
	if n := r.metricData(ctx, "ExternalKeyStoreThrottle", "Sum", operation); n == 0 {
		t.Error("DescribeKey was not throttled")
	}

	r.do("clock", "advance", "240h") // the health check that is due makes new points
	r.soon(settled, "the days to expire, ten days later", fmt.Sprintf("%.1f", days-10), func() string {
		return fmt.Sprintf("%.1f", r.metricData(ctx, "XksProxyCertificateDaysToExpire", "Minimum"))
	})
	metrics := get(t, r.env["HYOK_METRICS_URL"])
	for _, series := range []string{
		`hyok_xks_proxy_credential_age_days{custom_key_store_id="` + r.stores[external] + `"} 10.`,
		`hyok_xks_proxy_certificate_days_to_expire{certificate_name="`,
	} {
		if !strings.Contains(metrics, series) {
			t.Errorf("no series %s", series)
		}
	}
	r.refusesQuestions(ctx)
	r.stop()
}

// The question of docs/metrics.md, as a reader would paste it, names each operation
// of the key store.
func TestTheQuestionOfTheDocumentIsAnswered(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("NOT RUN: curl is missing")
	}
	ctx := t.Context()
	text, err := os.ReadFile("../../docs/metrics.md")
	must(t, err)
	r := up(t, t.TempDir())
	must(t, r.createExternal(ctx))
	must(t, r.createKey(ctx, external))
	r.encrypt(ctx, external)
	block := strings.ReplaceAll(blockForm.FindStringSubmatch(string(text))[1], "cks-1234567890abcdef0", r.stores[external])
	newShell(t, r).walk(scenarioStep{command: block, prints: []string{
		`"Label":"Encrypt Encrypt","Timestamps":["`, `"Label":"CreateKey GetKeyMetadata"`, `"StatusCode":"Complete"`}})
}

// refusesQuestions asks wrongly.
func (r *running) refusesQuestions(ctx context.Context) {
	r.t.Helper()
	admin := &remote{Dir: r.dir}
	for _, tc := range []struct{ method, body, want string }{
		{"POST", "everything", "cannot unmarshal string"},
		{"GET", "", "the request for data is a POST with a JSON body"},
	} {
		err := admin.call(ctx, tc.method, "/getmetricdata", tc.body, nil)
		if _, ok := errors.AsType[*refusal](err); !ok || !strings.Contains(err.Error(), tc.want) {
			r.t.Errorf("%s %s: %v", tc.method, tc.body, err)
		}
	}
}
