package logging

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
	"testing/synctest"
	"time"

	"hyok/internal/config"
)

// start is the moment at which every synctest bubble begins.
const start = "2000-01-01T00:00:00.000Z "

// lines gives what f logs in text form on the bubble's clock.
func lines(t *testing.T, f func(*slog.Logger)) string {
	t.Helper()
	var out bytes.Buffer
	synctest.Test(t, func(*testing.T) { f(slog.New(newTextHandler(&out, slog.LevelInfo))) })
	return out.String()
}

func TestTextIsOneReadableLine(t *testing.T) {
	zone := time.FixedZone("east", 2*3600)
	for _, tc := range []struct {
		name string
		log  func(*slog.Logger)
		want string
	}{
		{"a message alone", func(l *slog.Logger) { l.Info("started") }, start + "INFO  started\n"},
		{"attributes", func(l *slog.Logger) { l.Error("failed", "id", "cks-1", "n", 3, "took", 12*time.Millisecond) },
			start + "ERROR failed id=cks-1 n=3 took=12ms\n"},
		{"attributes and groups of the logger", func(l *slog.Logger) { l.With("a", 1).WithGroup("g").With("b", 2).Warn("m", "c", 3) },
			start + "WARN  m a=1 g.b=2 g.c=3\n"},
		{"times in UTC", func(l *slog.Logger) { l.Info("m", "at", time.Date(2026, 3, 1, 1, 2, 3, 4567890, zone)) },
			start + "INFO  m at=2026-02-28T23:02:03.004Z\n"},
		{"an error with spaces in quotes", func(l *slog.Logger) { l.Info("m", "error", errors.New("no way")) },
			start + "INFO  m error=\"no way\"\n"},
		{"names that slog uses itself", func(l *slog.Logger) { l.Info("m", "level", "low", "msg", "text", "time", "now") },
			start + "INFO  m level=low msg=text time=now\n"},
		{"a message that would forge a line", func(l *slog.Logger) { l.Info("m\nERROR no\x1b[31m", "a", "b\nc") },
			start + `INFO  "m\nERROR no\x1b[31m" a="b\nc"` + "\n"},
		{"nothing below the level", func(l *slog.Logger) { l.Debug("m") }, ""},
	} {
		if got := lines(t, tc.log); got != tc.want {
			t.Errorf("%s:\ngot  %swant %s", tc.name, got, tc.want)
		}
	}
}

func TestJSONElsewhere(t *testing.T) {
	var out bytes.Buffer
	synctest.Test(t, func(*testing.T) {
		New(&out, nil).Info("m", "at", time.Date(2026, 3, 1, 1, 2, 3, 4567890, time.FixedZone("east", 2*3600)))
	})
	want := `{"time":"2000-01-01T00:00:00.000Z","level":"INFO","msg":"m","at":"2026-02-28T23:02:03.004Z"}` + "\n"
	if out.String() != want {
		t.Errorf("got  %swant %s", out.String(), want)
	}
}

func TestLevelCanChangeWhileRunning(t *testing.T) {
	for name, handler := range map[string]func(*bytes.Buffer, slog.Leveler) *slog.Logger{
		"text": func(b *bytes.Buffer, l slog.Leveler) *slog.Logger { return slog.New(newTextHandler(b, l)) },
		"json": func(b *bytes.Buffer, l slog.Leveler) *slog.Logger { return New(b, l) },
	} {
		var out bytes.Buffer
		var level slog.LevelVar
		log := handler(&out, &level)
		log.Debug("first")
		level.Set(slog.LevelDebug)
		log.Debug("second")
		if strings.Contains(out.String(), "first") || !strings.Contains(out.String(), "second") {
			t.Errorf("%s: %s", name, out.String())
		}
	}
}

func TestSecretsAreRedacted(t *testing.T) {
	type settings struct{ PIN config.Secret }
	for name, log := range map[string]func(*bytes.Buffer) *slog.Logger{
		"text": func(b *bytes.Buffer) *slog.Logger { return slog.New(newTextHandler(b, slog.LevelInfo)) },
		"json": func(b *bytes.Buffer) *slog.Logger { return New(b, nil) },
	} {
		var out bytes.Buffer
		log(&out).With("a", config.Secret("hunter2")).Info("m", "b", settings{"hunter2"}, "c", []config.Secret{"hunter2"})
		if strings.Contains(out.String(), "hunter2") || strings.Count(out.String(), "[redacted]") != 3 {
			t.Errorf("%s: %s", name, out.String())
		}
	}
}

func TestLinesOfManyWritersStayWhole(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(newTextHandler(&out, slog.LevelInfo))
	var wg sync.WaitGroup
	for i := range 8 {
		own := log.With("writer", i)
		wg.Go(func() {
			for range 50 {
				own.Info("m", "same", i)
			}
		})
	}
	wg.Wait()
	n := 0
	for line := range strings.Lines(out.String()) {
		var a, b int
		if _, err := fmt.Sscanf(line[strings.Index(line, "INFO"):], "INFO  m writer=%d same=%d\n", &a, &b); err != nil || a != b {
			t.Fatalf("broken line %q: %v", line, err)
		}
		n++
	}
	if n != 400 {
		t.Errorf("%d lines, want 400", n)
	}
}

// TestHandlerKeepsSlogsRules reads the lines back into maps for slogtest.
func TestHandlerKeepsSlogsRules(t *testing.T) {
	var out bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out.Reset()
		return newTextHandler(&out, slog.LevelInfo)
	}, func(t *testing.T) map[string]any {
		fields := strings.Fields(strings.TrimSpace(out.String()))
		m := map[string]any{}
		if _, err := time.Parse(timeFormat, fields[0]); err == nil {
			m[slog.TimeKey], fields = fields[0], fields[1:]
		}
		m[slog.LevelKey], m[slog.MessageKey] = fields[0], fields[1]
		for _, f := range fields[2:] {
			key, value, _ := strings.Cut(f, "=")
			at := m
			for group, rest, ok := strings.Cut(key, "."); ok; group, rest, ok = strings.Cut(key, ".") {
				if at[group] == nil {
					at[group] = map[string]any{}
				}
				at, key = at[group].(map[string]any), rest
			}
			at[key] = value
		}
		return m
	})
}

func TestLevelNames(t *testing.T) {
	for name, want := range map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError} {
		if got, err := Level(name); err != nil || got != want {
			t.Errorf("%s is %v, %v; want %v", name, got, err, want)
		}
	}
	if _, err := Level("loud"); err == nil {
		t.Error("a level called loud was taken")
	}
}
