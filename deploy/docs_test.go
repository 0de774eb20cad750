package deploy_test

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"hyok/internal/config"
	"hyok/internal/daemon"
	"hyok/internal/metrics"
	"hyok/proxy"
	"hyok/proxy/xks"
	"hyok/softhsm"
	"hyok/softhsm/softhsmtest"
)

var documents = []string{"deploy.md", "devices.md", "operate.md"}

func document(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// exported gives the names of hyok_ metrics that a proxy registers.
func exported(t *testing.T) map[string]bool {
	t.Helper()
	label := softhsmtest.Label(t)
	softhsmtest.TestDir(t, label)
	module, err := softhsm.Module()
	if err != nil {
		t.Fatal(err)
	}
	registry := metrics.New("xksproxy", "v1")
	s, err := proxy.Open(t.Context(), &proxy.File{
		Modules: []proxy.FileModule{{Name: "m", Path: module}},
		Tokens:  []proxy.FileToken{{Name: "t", Label: label, PIN: config.SecretSource{Secret: softhsmtest.PIN}}},
		Stores: []proxy.FileStore{{AllKeys: true, Credentials: []proxy.FileCredential{{
			AccessKeyID: strings.Repeat("A", 20), Secret: config.SecretSource{Secret: config.Secret(strings.Repeat("s", 43))},
		}}}},
	}, proxy.Parts{Metrics: registry})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	described := make(chan *prometheus.Desc)
	go func() { registry.Prometheus().Describe(described); close(described) }()
	names := map[string]bool{}
	for d := range described {
		if m := regexp.MustCompile(`fqName: "(hyok_\w+)"`).FindStringSubmatch(d.String()); m != nil {
			names[m[1]] = true
		}
	}
	commandsOwn(t, names)
	return names
}

// commandsOwn adds the metrics that the command registers beside the server's:
// nothing can import it, so its source is read.
func commandsOwn(t *testing.T, names map[string]bool) {
	t.Helper()
	files, err := filepath.Glob("../cmd/xksproxy/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`Name:\s+"(xks_\w+)"`).FindAllStringSubmatch(string(b), -1) {
			names["hyok_"+m[1]] = true
		}
	}
}

func TestOperateTellsOfEachMetricAndOfNoOther(t *testing.T) {
	names, text := exported(t), document(t, "operate.md")
	if !names["hyok_xks_requests_total"] || !names["hyok_build_info"] {
		t.Fatalf("the proxy exports %v", slices.Sorted(maps.Keys(names)))
	}
	for name := range names {
		if !strings.Contains(text, "\n| `"+name+"` |") {
			t.Errorf("docs/operate.md has no row for %s", name)
		}
	}
	for _, name := range regexp.MustCompile(`hyok_\w+`).FindAllString(text, -1) {
		if !names[strings.TrimSuffix(name, "_bucket")] {
			t.Errorf("docs/operate.md tells of %s, which is not exported", name)
		}
	}
}

func TestOperateTellsOfEachErrorWithItsStatus(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| `(\\w+Exception)`( \\(retryable\\))? \\| (\\d+) \\|")
	told := map[xks.ErrorName]bool{}
	for _, m := range row.FindAllStringSubmatch(document(t, "operate.md"), -1) {
		name := xks.ErrorName(m[1])
		told[name] = true
		if !name.Valid() || m[3] != strconv.Itoa(name.Status()) || (m[2] != "") != name.Retryable() {
			t.Errorf("%s: the protocol says otherwise", m[0])
		}
	}
	if len(told) != 12 {
		t.Errorf("%d of 12 errors", len(told))
	}
}

func TestOperateTellsOfNoLogLineThatIsNotWritten(t *testing.T) {
	var code bytes.Buffer
	for _, pattern := range []string{"../proxy/*.go", "../proxy/cluster/*.go", "../hsm/*.go", "../cmd/xksproxy/*.go"} {
		files, _ := filepath.Glob(pattern)
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			code.Write(b)
		}
	}
	_, section, _ := strings.Cut(document(t, "operate.md"), "\n## Log\n")
	section, _, _ = strings.Cut(section, "\n## ")
	lines := regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(section, -1)
	if len(lines) < 10 {
		t.Fatalf("%d lines of the log", len(lines))
	}
	for _, l := range lines {
		if !strings.Contains(code.String(), `"`+l[1]+`"`) {
			t.Errorf("nothing logs %q", l[1])
		}
	}
}

func TestWhatTheDocumentsNameExists(t *testing.T) {
	var help bytes.Buffer
	daemon.Main(daemon.Program{
		Name:  "xksproxy",
		Check: func(string) error { return nil },
		Serve: func(context.Context, string, *slog.Logger) error { return nil },
	}, []string{"--help"}, &help, &help)
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)\)`)
	path := regexp.MustCompile(`\bdeploy/[\w./-]*[\w]`)
	command := regexp.MustCompile("(?m)(?:^ *|`)" + `xksproxy((?: --?[a-z-]+(?: /[\w/.-]+)?)+)`)
	flag := regexp.MustCompile(`--[a-z-]+`)
	target := regexp.MustCompile("(?m)(?:^|`)make ([a-z]+)")
	for _, name := range documents {
		text := document(t, name)
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			exists(t, name, filepath.Join("..", "docs", m[1]))
		}
		for _, p := range path.FindAllString(text, -1) {
			exists(t, name, filepath.Join("..", p))
		}
		for _, m := range command.FindAllStringSubmatch(text, -1) {
			for _, f := range flag.FindAllString(m[1], -1) {
				if !strings.Contains(help.String(), f) {
					t.Errorf("docs/%s: xksproxy has no %s", name, f)
				}
			}
		}
		for _, m := range target.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(string(makefile), "\n"+m[1]+":") {
				t.Errorf("docs/%s: there is no make %s", name, m[1])
			}
		}
	}
}

func exists(t *testing.T, document, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("docs/%s: %v", document, err)
	}
}
