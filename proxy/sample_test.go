package proxy_test

import (
	"log/slog"
	"strings"
	"testing"

	"hyok/internal/logtest"
	"hyok/proxy"
)

func TestOneOfSoManySuccessesIsLoggedAndEveryFailure(t *testing.T) {
	for name, c := range map[string]struct {
		sample, ok int
		level      slog.Level
	}{"all": {0, 7, slog.LevelInfo}, "every third": {3, 3, slog.LevelInfo}, "every third, at debug": {3, 7, slog.LevelDebug}} {
		t.Run(name, func(t *testing.T) {
			log := new(logtest.Buffer)
			r := newRig(t, func(conf *proxy.Config) {
				conf.LogSample = c.sample
				conf.Log = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: c.level}))
			})
			for range 7 {
				r.do(t, request{path: "/keys/good/metadata", body: encryptBody()}).want(t, "a success", "")
				r.do(t, request{path: "/keys/none/metadata", body: encryptBody()})
			}
			r.https.Close() // waits for the handlers
			if ok := strings.Count(log.String(), `"outcome":"ok"`); ok != c.ok {
				t.Errorf("%d successes in the log, want %d", ok, c.ok)
			}
			if failed := strings.Count(log.String(), `"outcome":"KeyNotFoundException"`); failed != 7 {
				t.Errorf("%d failures in the log", failed)
			}
		})
	}
}
