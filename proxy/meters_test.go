package proxy_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hyok/hsm"
	"hyok/internal/metrics"
	"hyok/internal/sigv4"
	"hyok/proxy"
)

// scrape gives what the registry shows.
func scrape(r *metrics.Registry) string {
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
}

func TestTheAgeOfCredentials(t *testing.T) {
	start := time.Date(2026, 7, 14, 12, 0, 0, 0, time.UTC)
	now := start
	r := newRig(t, func(c *proxy.Config) {
		c.Now = func() time.Time { return now }
		c.Stores[0].CredentialSince = map[string]time.Time{short.AccessKeyID: start.AddDate(0, 0, -30)}
	})
	line := func(c sigv4.Credential, days int) string {
		return fmt.Sprintf(`hyok_xks_credential_age_days{access_key_id="%s",store="/tenant-1"} %d`, c.AccessKeyID, days)
	}
	wantLines(t, scrape(r.registry), line(short, 30), line(long, 0))
	// One is replaced: the other one's age goes on, the new one's begins.
	now = start.AddDate(0, 0, 2)
	third := sigv4.Credential{AccessKeyID: strings.Repeat("C", 20), Secret: long.Secret}
	if err := r.server.SetCredentials(prefix, []sigv4.Credential{long, third}); err != nil {
		t.Fatal(err)
	}
	now = start.AddDate(0, 0, 5)
	text := scrape(r.registry)
	wantLines(t, text, line(long, 5), line(third, 3))
	if strings.Contains(text, short.AccessKeyID) {
		t.Error("a credential that is gone has an age")
	}
}

func TestWorkInTheDeviceIsMeasuredByOutcome(t *testing.T) {
	r := metrics.New("test", "v1")
	observe := proxy.NewDeviceMeter(r).Observer("main")
	observe(hsm.Call{Op: "Encrypt", Waited: 20 * time.Millisecond, Taken: true, Took: 3 * time.Millisecond})
	for err, outcome := range map[error]string{
		nil: "ok", hsm.ErrTimeout: "timeout", hsm.ErrUnavailable: "unavailable", hsm.ErrPIN: "pin",
		hsm.ErrInvalidCiphertext: "invalid_ciphertext", errors.New("another"): "failed",
	} {
		if err != nil {
			err = fmt.Errorf("wrapped: %w", err)
		}
		observe(hsm.Call{Op: "Decrypt", Taken: !errors.Is(err, hsm.ErrTimeout), Took: time.Millisecond, Err: err})
		wantLines(t, scrape(r), fmt.Sprintf(`hyok_hsm_calls_total{operation="Decrypt",outcome="%s",token="main"} 1`, outcome))
	}
	wantLines(t, scrape(r), `hyok_hsm_call_seconds_sum{operation="Encrypt",token="main"} 0.003`,
		`hyok_hsm_call_seconds_bucket{operation="Encrypt",token="main",le="0.0025"} 0`,
		`hyok_hsm_call_seconds_bucket{operation="Encrypt",token="main",le="0.005"} 1`,
		`hyok_hsm_call_seconds_count{operation="Decrypt",token="main"} 5`,
		`hyok_hsm_wait_seconds_count{token="main"} 7`,
		`hyok_hsm_wait_seconds_bucket{token="main",le="0.01"} 6`, `hyok_hsm_wait_seconds_bucket{token="main",le="0.025"} 7`)
}
