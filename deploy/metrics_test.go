package deploy_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"hyok/internal/clock"
	"hyok/internal/metrics"
	"hyok/kmsfront/cloudwatch"
	"hyok/kmsfront/keystore"
)

// frontSeries gives the names of the series of key stores, and their labels in order.
func frontSeries(t *testing.T) map[string][]string {
	t.Helper()
	registry := metrics.New("kmsfront", "v1")
	keystore.NewObserver(registry, clock.System{})
	described := make(chan *prometheus.Desc)
	go func() { registry.Prometheus().Describe(described); close(described) }()
	all := map[string][]string{}
	for d := range described {
		m := regexp.MustCompile(`fqName: "(hyok_\w*key_store\w*|hyok_xks\w+)".*variableLabels: \{([\w,]*)\}`).FindStringSubmatch(d.String())
		if m != nil {
			all[m[1]] = strings.Split(m[2], ",")
		}
	}
	return all
}

// docs/metrics.md has each metric and each series with its dimensions and labels,
// beside each other, and no other.
func TestTheTableOfMetricsIsWhole(t *testing.T) {
	watched, series := cloudwatch.Catalogue(), frontSeries(t)
	if len(watched) != 6 || len(series) != 7 {
		t.Fatalf("%d metrics, %d series: %q", len(watched), len(series), slices.Sorted(maps.Keys(series)))
	}
	word := regexp.MustCompile("`([^`]+)`")
	words := func(cell, first string) []string {
		all := []string{first}
		for _, m := range word.FindAllStringSubmatch(cell, -1) {
			all = append(all, strings.Fields(m[1])...)
		}
		return all
	}
	for line := range strings.Lines(document(t, "metrics.md")) {
		cells := strings.Split(line, " |")
		if len(cells) != 6 || !strings.Contains(cells[2], "`hyok_") {
			continue
		}
		name := word.FindStringSubmatch(cells[2])[1]
		if d := cmp.Diff(series[name], words(cells[3], "custom_key_store_id")); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		delete(series, name)
		if m := word.FindStringSubmatch(cells[0]); m != nil {
			if d := cmp.Diff(watched[m[1]], words(cells[1], "CustomKeyStoreId")); d != "" {
				t.Errorf("%s: %s", m[1], d)
			}
			delete(watched, m[1])
		}
	}
	if len(watched)+len(series) > 0 {
		t.Errorf("docs/metrics.md has no row for %v %v", watched, series)
	}
}
