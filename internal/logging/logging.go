// Package logging makes the loggers of the programs: slog with a form for people
// and one for machines.
//
// On a terminal a record is one line without colours,
//
//	2026-03-01T12:00:00.000Z INFO  key store connected id=cks-1 took=12ms
//
// and elsewhere one JSON object a line. Times are UTC with milliseconds in both.
// Secrets are kept out by their own type (config.Secret), not here: text that is
// passed as a plain string is written as it is. Control characters are always
// escaped, so what a client sent cannot forge a line or drive a terminal.
package logging

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"
)

// timeFormat is RFC 3339 with milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// New gives a logger that writes to w what has at least the level, which may be
// changed while it runs (slog.LevelVar); nil stands for slog.LevelInfo. The form
// follows w: text if w is a terminal, JSON otherwise.
func New(w io.Writer, level slog.Leveler) *slog.Logger {
	if level == nil {
		level = slog.LevelInfo
	}
	if isTerminal(w) {
		return slog.New(newTextHandler(w, level))
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: utcTimes}))
}

// isTerminal takes any character device but the null device for a terminal; no
// other is likely to be given for a log.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || f.Name() == os.DevNull {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// IsTerminal tells whether somebody reads w on a terminal.
func IsTerminal(w io.Writer) bool { return isTerminal(w) }

// utcTimes writes every time, the record's and those of attributes, in one form.
func utcTimes(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindTime {
		a.Value = slog.StringValue(formatTime(a.Value.Time()))
	}
	return a
}

func formatTime(t time.Time) string { return t.UTC().Format(timeFormat) }

// Level is the level of a name, debug, info, warn or error.
func Level(name string) (l slog.Level, err error) {
	if err := l.UnmarshalText([]byte(name)); err != nil {
		return 0, fmt.Errorf("log level %q: choose debug, info, warn or error", name)
	}
	return l, nil
}
