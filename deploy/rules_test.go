package deploy_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

const rulesFile = "prometheus/hyok.rules.yaml"

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// alarms gives the expressions of a group's alarms by their names.
func alarms(t *testing.T, group string) map[string]string {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct{ Alert, Expr string }
		}
	}
	readYAML(t, rulesFile, &file)
	all := map[string]string{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if g.Name == group {
				all[r.Alert] = r.Expr
			}
		}
	}
	if len(all) == 0 {
		t.Fatalf("no group %s", group)
	}
	return all
}

// promtool runs Prometheus's own tool in the folder of the rules. Where it is
// missing, the test says that it was not run.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skip("NOT RUN: promtool is missing; apt-get install prometheus, or .ci/deps clients")
	}
	cmd := exec.Command("promtool", args...)
	cmd.Dir = "prometheus"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// Each alarm fires above its threshold and not at it: hyok.rules.test.yaml.
func TestAlarmsFireWhenTheyShould(t *testing.T) {
	promtool(t, "test", "rules", "hyok.rules.test.yaml")
}

func TestTheExampleOfPrometheusIsValid(t *testing.T) {
	promtool(t, "check", "config", "prometheus.yaml")
}

// No alarm is left out of promtool's tests: each is seen to fire there.
func TestEachAlarmIsSeenToFire(t *testing.T) {
	var file struct {
		Tests []struct {
			Cases []struct {
				Name  string `yaml:"alertname"`
				Fires []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	readYAML(t, "prometheus/hyok.rules.test.yaml", &file)
	fired := map[string]bool{}
	for _, test := range file.Tests {
		for _, c := range test.Cases {
			if len(c.Fires) > 0 {
				fired[c.Name] = true
			}
		}
	}
	want := slices.Collect(maps.Keys(alarms(t, "key-stores")))
	want = append(want, slices.Collect(maps.Keys(alarms(t, "xksproxy")))...)
	slices.Sort(want)
	if d := cmp.Diff(want, slices.Sorted(maps.Keys(fired))); d != "" {
		t.Error(d)
	}
}

// The documents name each alarm of key stores; operate.md has the proxy's
// expressions, and none that is no rule.
func TestAlarmsAreDocumented(t *testing.T) {
	metrics, operate := document(t, "metrics.md"), document(t, "operate.md")
	for name := range alarms(t, "key-stores") {
		if !strings.Contains(metrics, "`"+name+"`") {
			t.Errorf("docs/metrics.md does not name the alarm %s", name)
		}
	}
	_, section, _ := strings.Cut(operate, "\n### Of the proxy\n")
	section, _, _ = strings.Cut(section, "\n## ")
	if !strings.Contains(section, filepath.Base(rulesFile)) {
		t.Errorf("docs/operate.md does not name %s", rulesFile)
	}
	section = strings.ReplaceAll(section, `\|`, "¦")
	var documented []string
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[2], -1) {
			documented = append(documented, strings.ReplaceAll(m[1], "¦", "|"))
		}
	}
	slices.Sort(documented)
	if d := cmp.Diff(slices.Sorted(maps.Values(alarms(t, "xksproxy"))), documented); d != "" {
		t.Errorf("rules and docs/operate.md: %s", d)
	}
}

// Whatever rules and dashboard ask for is in a table of metrics, and those are
// checked against what the programs export.
func TestNoQueryAsksForAMetricThatThereIsNot(t *testing.T) {
	tables := document(t, "metrics.md") + document(t, "operate.md")
	files, err := filepath.Glob("grafana/dashboards/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, rulesFile) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`hyok_\w+`).FindAllString(string(b), -1) {
			base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
			if !strings.Contains(tables, "`"+base+"`") {
				t.Errorf("%s asks for %s", file, name)
			}
		}
	}
}
