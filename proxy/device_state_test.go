package proxy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hyok/proxy"
	"hyok/proxy/xks"
)

// TestTheStateOfADeviceIsMeasured has the token's directory taken away and
// brought back, and its breaker seen in the metrics.
func TestTheStateOfADeviceIsMeasured(t *testing.T) {
	r := newRig(t, func(c *proxy.Config) { c.Stores[0].Deadline = 0 })
	meter := proxy.NewDeviceMeter(r.registry)
	meter.Watch("main", r.token)
	wantLines(t, scrape(r.registry),
		`hyok_hsm_breaker_open{token="main"} 0`, `hyok_hsm_breaker_openings_total{token="main"} 0`,
		`hyok_hsm_workers_wanted{token="main"} 3`, `hyok_hsm_workers_alive{token="main"} 3`,
		`hyok_hsm_workers_lost{token="main"} 0`, `hyok_hsm_queue_length{token="main"} 0`)
	path, err := r.dir.TokenPath(r.label)
	if err != nil {
		t.Fatal(err)
	}
	away := filepath.Join(t.TempDir(), "away") // out of SoftHSM's sight
	if err := os.Rename(path, away); err != nil {
		t.Fatal(err)
	}
	r.do(t, request{path: "/keys/good/encrypt", body: encryptBody()}).want(t, "with the token away", xks.InternalException)
	r.awaitLine(t, `hyok_hsm_breaker_open{token="main"} 1`)
	wantLines(t, scrape(r.registry), `hyok_hsm_breaker_openings_total{token="main"} 1`)
	if err := os.Rename(away, path); err != nil {
		t.Fatal(err)
	}
	r.awaitLine(t, `hyok_hsm_breaker_open{token="main"} 0`)
	text := scrape(r.registry)
	wantLines(t, text, `hyok_hsm_breaker_openings_total{token="main"} 1`)
	if strings.Contains(text, "\nhyok_hsm_reloads_total{token=\"main\"} 0\n") {
		t.Error("the token came back without a reload of its module")
	}
}

// awaitLine waits until the metrics have the line, which takes a second at most.
func (r *rig) awaitLine(t *testing.T, line string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); !strings.Contains(scrape(r.registry), "\n"+line+"\n"); <-tick.C {
		if time.Since(began) > 3*time.Second {
			t.Fatalf("the metrics have not come to %s", line)
		}
	}
}
