package logging

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// textHandler writes time, level and message itself and leaves the attributes,
// with their groups and quoting, to slog's own text handler.
type textHandler struct {
	level slog.Leveler
	attrs slog.Handler // writes to line.buf
	line  *line        // shared by all handlers that come from one
}

// A line is what one record is put together in, so that it goes out in one Write.
type line struct {
	mu  sync.Mutex
	buf bytes.Buffer
	out io.Writer
}

// noLevel marks the records passed on to the inner handler, whose own level,
// message and time are not to be written again.
const noLevel = slog.Level(math.MinInt)

func newTextHandler(w io.Writer, level slog.Leveler) slog.Handler {
	l := &line{out: w}
	return textHandler{level: level, line: l, attrs: slog.NewTextHandler(&l.buf, &slog.HandlerOptions{
		Level: noLevel,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && isBuiltIn(a) {
				return slog.Attr{}
			}
			return utcTimes(groups, a)
		},
	})}
}

// isBuiltIn tells the inner record's own level and message from attributes that
// have these names.
func isBuiltIn(a slog.Attr) bool {
	if a.Key == slog.LevelKey {
		l, ok := a.Value.Any().(slog.Level)
		return ok && l == noLevel
	}
	return a.Key == slog.MessageKey && a.Value.Kind() == slog.KindString && a.Value.String() == ""
}

// Enabled implements slog.Handler.
func (h textHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// WithAttrs implements slog.Handler.
func (h textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.attrs = h.attrs.WithAttrs(attrs)
	return h
}

// WithGroup implements slog.Handler.
func (h textHandler) WithGroup(name string) slog.Handler {
	h.attrs = h.attrs.WithGroup(name)
	return h
}

// Handle implements slog.Handler.
func (h textHandler) Handle(ctx context.Context, r slog.Record) error {
	inner := slog.Record{Level: noLevel}
	r.Attrs(func(a slog.Attr) bool {
		inner.AddAttrs(a)
		return true
	})
	h.line.mu.Lock()
	defer h.line.mu.Unlock()
	h.line.buf.Reset()
	if !r.Time.IsZero() {
		h.line.buf.WriteString(formatTime(r.Time) + " ")
	}
	fmt.Fprintf(&h.line.buf, "%-5s %s ", r.Level, printable(r.Message))
	if err := h.attrs.Handle(ctx, inner); err != nil {
		return err
	}
	text := append(bytes.TrimRight(h.line.buf.Bytes(), " \n"), '\n')
	_, err := h.line.out.Write(text)
	return err
}

// printable quotes a message that holds anything a terminal might act on.
func printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
