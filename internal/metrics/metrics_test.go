package metrics

import (
	"io"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// scrape gives the lines of the metrics that begin with prefix.
func scrape(t *testing.T, r *Registry, prefix string) []string {
	t.Helper()
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != 200 {
		t.Fatalf("status %d, %v", w.Code, err)
	}
	var lines []string
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, prefix) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestRegistryTellsOfBuildAndProcess(t *testing.T) {
	r := New("kmsfront", "v1.2.3")
	wantLines(t, scrape(t, r, "hyok_"),
		`hyok_build_info{go_version="`+runtime.Version()+`",program="kmsfront",version="v1.2.3"} 1`)
	for _, name := range []string{"go_goroutines ", "process_open_fds "} {
		if len(scrape(t, r, name)) != 1 {
			t.Errorf("no %s", name)
		}
	}
}

func TestRequestsAreCountedInAndOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New("p", "v")
		q := r.Requests("kms", "operation", "origin")
		ok, failed, open := q.Begin("Encrypt", "AWS_KMS"), q.Begin("Encrypt", "AWS_KMS"), q.Begin("Decrypt", "AWS_KMS")
		<-time.After(250 * time.Millisecond) // on the clock of the bubble: exact
		ok("ok")
		<-time.After(time.Millisecond)
		failed("DisabledException")
		q.Begin("Encrypt", "AWS_KMS")("ok")

		wantLines(t, scrape(t, r, "hyok_kms_requests_"),
			`hyok_kms_requests_in_flight{operation="Decrypt",origin="AWS_KMS"} 1`,
			`hyok_kms_requests_in_flight{operation="Encrypt",origin="AWS_KMS"} 0`,
			`hyok_kms_requests_total{operation="Encrypt",origin="AWS_KMS",outcome="DisabledException"} 1`,
			`hyok_kms_requests_total{operation="Encrypt",origin="AWS_KMS",outcome="ok"} 2`)
		const d = `hyok_kms_request_duration_seconds_`
		const e = `operation="Encrypt",origin="AWS_KMS"`
		wantLines(t, scrape(t, r, d+`bucket{`+e+`,le="0.2`),
			d+`bucket{`+e+`,le="0.2"} 1`,
			d+`bucket{`+e+`,le="0.25"} 2`)
		wantLines(t, scrape(t, r, d+`sum{`+e), d+`sum{`+e+`} 0.501`)
		wantLines(t, scrape(t, r, d+`count{`+e), d+`count{`+e+`} 3`)
		open("ok")
		wantLines(t, scrape(t, r, `hyok_kms_requests_in_flight{operation="Decrypt"`),
			`hyok_kms_requests_in_flight{operation="Decrypt",origin="AWS_KMS"} 0`)
	})
}

func TestRequestsCountRightWhenManyBeginAtOnce(t *testing.T) {
	r := New("p", "v")
	q := r.Requests("kms", "operation")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, op := range []string{"a", "b", "c", "d"} {
				for _, outcome := range []string{"ok", "bad"} {
					q.Begin(op)(outcome)
				}
			}
		})
	}
	wg.Wait()
	lines := scrape(t, r, "hyok_kms_requests_total")
	if len(lines) != 8 {
		t.Errorf("%d counters, want 8", len(lines))
	}
	for _, line := range lines {
		if !strings.HasSuffix(line, "} 8") {
			t.Errorf("%s, want 8", line)
		}
	}
}

func TestRequestsWithoutLabels(t *testing.T) {
	r := New("p", "v")
	r.Requests("hsm").Begin()("ok")
	wantLines(t, scrape(t, r, "hyok_hsm_requests_"),
		"hyok_hsm_requests_in_flight 0", `hyok_hsm_requests_total{outcome="ok"} 1`)
}

func TestMistakesOfTheProgramPanic(t *testing.T) {
	r := New("p", "v")
	q := r.Requests("kms", "operation")
	for name, f := range map[string]func(){
		"too few values":           func() { q.Begin() },
		"too many values":          func() { q.Begin("a", "b") },
		"too many labels":          func() { r.Requests("x", "a", "b", "c", "d", "e") },
		"the same subsystem twice": func() { r.Requests("kms", "operation") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func TestARequestAllocatesOnceAtMost(t *testing.T) {
	q := New("p", "v").Requests("kms", "operation", "origin")
	if n := testing.AllocsPerRun(1000, func() { q.Begin("Encrypt", "AWS_KMS")("ok") }); n > 1 {
		t.Errorf("%v allocations, want at most 1", n)
	}
}

func BenchmarkRequest(b *testing.B) {
	q := New("p", "v").Requests("kms", "operation", "origin")
	b.ReportAllocs()
	for b.Loop() {
		q.Begin("Encrypt", "AWS_KMS")("ok")
	}
}

func TestVersion(t *testing.T) {
	setting := func(kv ...string) (s []debug.BuildSetting) {
		for i := 0; i < len(kv); i += 2 {
			s = append(s, debug.BuildSetting{Key: kv[i], Value: kv[i+1]})
		}
		return s
	}
	for _, tc := range []struct {
		name, module string
		settings     []debug.BuildSetting
		want         string
	}{
		{"of a module", "v1.2.3", setting("vcs.revision", "0123456789abcdef"), "v1.2.3"},
		{"of a commit", "(devel)", setting("vcs.revision", "0123456789abcdef", "vcs.modified", "false"), "devel-0123456789ab"},
		{"of a changed commit", "", setting("vcs.modified", "true", "vcs.revision", "0123456789abcdef"), "devel-0123456789ab-dirty"},
		{"of nothing known", "(devel)", nil, "devel"},
	} {
		if got := versionOf(&debug.BuildInfo{Main: debug.Module{Version: tc.module}, Settings: tc.settings}); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
	if Version() == "" {
		t.Error("this build has no version")
	}
	version = "v9"
	defer func() { version = "" }()
	if Version() != "v9" {
		t.Errorf("the version set at build time does not count: %s", Version())
	}
}
