// Package audit keeps the proxy's record of who used which key: a JSON line for
// each request, in a chain that shows when a line is removed, altered, inserted
// or moved.
//
// Every line has a number, the hash of the line before it, and its own: SHA-256
// over the line without its member "hash", or HMAC-SHA-256 when there is a key.
// Write returns once the operating system has the line; the caller answers the
// request only then, and fails it when Write fails. What the log itself does is in
// the chain too: opened, closed, continued in a new file, repaired after a crash.
// Check verifies it all.
//
// Limits: without a key, whoever can write the file can also make the chain anew
// from the place of a change on; keep the last number and hash somewhere else, or
// use a key. Lines cut from the end show only against a hash that was kept. A
// crash of the machine may lose the lines of the last sync interval. A file belongs
// to one process at a time.
package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"hyok/internal/config"
	"hyok/internal/journal"
)

// Config says where the chain is kept. Only Path is required.
type Config struct {
	// Path is the file, made with mode 0600 if it is missing.
	Path string
	// MaxSize is the size in bytes that a file is not to pass: it is renamed then,
	// with the number of its last line behind a dot, and a new one goes on with the
	// chain. 0: no limit.
	MaxSize int64
	// Key makes the hashes HMACs; empty: plain hashes.
	Key config.Secret
	// SyncEvery is how long a line may wait for fsync. 0: 100 ms. Negative: no
	// sync before Close.
	SyncEvery time.Duration
	// Log is told of repairs, new files and what fails there; nil: nobody is.
	Log *slog.Logger

	open func(path string) (file, error) // nil: openFile; tests put failures between
}

// A Record is what is kept of a request. It never holds plaintext, ciphertext or
// a secret. The members are named in the line as in the access log.
type Record struct {
	Time         time.Time
	KMSRequestID string
	Operation    string // of the XKS Proxy API
	KMSOperation string
	Outcome      string // "ok", or why not
	Store        string // path prefix
	Key          string // external key ID; "" for GetHealthStatus
	KMSKeyARN    string
	Principal    string
	AccessKeyID  string // of the verified signature
	Policy       string // that decided; "": none was asked, and the line has no such member
	WouldDeny    bool   // Policy is only being tried, and is against the request
}

// A Log is an open chain. It is safe for concurrent use.
type Log struct {
	lines *journal.Journal
	stuck atomic.Int64 // writes whose callers have gone
}

// Open goes on with the chain in the file, or begins one. What a crash left of a
// line, which no answer was given for, is removed, and a line says so. An error
// says that another process has the file, or that its last line is not what this
// package wrote: it is then left as it is.
func Open(c Config) (*Log, error) {
	if c.Path == "" {
		return nil, errors.New("opening the audit log: no path given")
	}
	if c.open == nil {
		c.open = openFile
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	ch, err := openChain(c)
	if err != nil {
		return nil, fmt.Errorf("opening the audit log %s: %w", c.Path, err)
	}
	return &Log{lines: journal.New(ch, journal.Config{Name: c.Path, SyncEvery: c.SyncEvery, Log: c.Log})}, nil
}

// Write appends a record and returns when the operating system has its whole
// line. After an error nothing of it is in the file, and another try may do; but
// after a failed sync or Close every Write fails. ErrSlow: ctx ended before the
// disk was done, and the line may come into the file yet.
func (l *Log) Write(ctx context.Context, r *Record) error {
	if l.stuck.Load() >= maxStuck {
		return fmt.Errorf("writing the audit log: %w: %d writes hang", ErrSlow, maxStuck)
	}
	w := writes.Get().(*pending)
	w.line = appendRecord(w.line[:0], r)
	go func() { w.done <- l.lines.Append(w.line) }() // a write to a disk cannot be cancelled
	select {
	case err := <-w.done:
		if cap(w.line) <= maxPooled {
			writes.Put(w)
		}
		if err != nil {
			return fmt.Errorf("writing the audit log: %w", err)
		}
		return nil
	case <-ctx.Done():
	}
	l.stuck.Add(1)
	go func() {
		<-w.done
		l.stuck.Add(-1)
	}()
	return fmt.Errorf("writing the audit log: %w", ErrSlow)
}

// ErrSlow is returned when the disk did not take a line in time.
var ErrSlow = errors.New("the disk is too slow")

// maxStuck is how many writes may hang before no more are begun.
const maxStuck = 256

// A pending write.
type pending struct {
	line []byte
	done chan error // holds one
}

// writes holds the memory of writes.
var writes = sync.Pool{New: func() any { return &pending{make([]byte, 0, 1024), make(chan error, 1)} }}

const maxPooled = 16 << 10

// Close waits for the writes in progress, ends the chain with a line that says so,
// syncs and closes the file. A second Close does nothing.
func (l *Log) Close() error {
	if err := l.lines.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("closing the audit log: %w", err)
	}
	return nil
}
