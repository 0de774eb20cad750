// Package trail keeps what happened in the front end: a CloudTrail record for
// every request and every event of the service itself, without secrets, and the
// events that EventBridge would deliver; a JSON line each.
//
// New makes a record out of a call and its result. What of the request is shown
// is a table with a row for each operation, so that nothing is shown that no row
// names. Write appends the line and returns when the operating system has it;
// the caller answers the request only then, and fails it when Write fails.
// Callers that come while another one writes share the next write(2). Syncing to
// the disk follows in groups.
//
// Limits: a crash of the process loses no record of an answered request; a crash
// of the machine may lose those of the last sync interval. A file belongs to one
// process at a time and is never rotated or cut by this package.
package trail

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"hyok/internal/journal"
)

// Config says where the lines go.
type Config struct {
	// Path is the file of CloudTrail records, made with mode 0600 if it is
	// missing; required.
	Path string
	// Events is the file of EventBridge events, likewise. Empty: no events are kept.
	Events string
	// SyncEvery is how long a line may wait for fsync. 0: 100 ms. Negative: no
	// sync before Close.
	SyncEvery time.Duration
	// Log is told of a repaired last line and of a failed sync. Nil: nobody is.
	Log *slog.Logger

	open func(path string) (sink, error) // nil: the file itself; tests put failures between
}

// Trail appends records and events to their files. It is safe for concurrent use.
type Trail struct {
	records *journal.Journal
	events  *journal.Journal // nil: none are kept
}

// Open opens or makes the files. A last line without its end, which only a crash
// during a write leaves, was never acknowledged: it is completed if it is whole,
// else removed, and the log says which.
func Open(c Config) (*Trail, error) {
	if c.Path == "" {
		return nil, errors.New("opening the trail: no path given")
	}
	if c.open == nil {
		c.open = openFile
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	records, err := openJournal(c.Path, recordStart, &c)
	if err != nil {
		return nil, fmt.Errorf("opening the trail: %w", err)
	}
	t := &Trail{records: records}
	if c.Events == "" {
		return t, nil
	}
	if t.events, err = openJournal(c.Events, eventStart, &c); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the file of events: %w", err), records.Close())
	}
	return t, nil
}

// Write appends one record and returns when the operating system has all of its
// line. After an error no part of the line stands before the next one. Errors of
// the disk are worth another try; after a failed sync every Write fails, because
// what the operating system then still holds is unknown.
func (t *Trail) Write(r *Record) error {
	buf := buffers.Get().(*[]byte)
	*buf = append(appendRecord((*buf)[:0], r), '\n')
	err := t.records.Append(*buf)
	if cap(*buf) <= maxPooled {
		buffers.Put(buf)
	}
	if err != nil {
		return fmt.Errorf("writing the trail: %w", err)
	}
	return nil
}

// buffers holds the memory of encoded records; one that a huge policy has grown
// is not kept.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 2048); return &b }}

const maxPooled = 64 << 10

// Emit appends one event, as Write does a record. Without a file of events it
// does nothing.
func (t *Trail) Emit(e *Event) error {
	if t.events == nil {
		return nil
	}
	if err := t.events.Append(append(appendEvent(nil, e), '\n')); err != nil {
		return fmt.Errorf("writing an event: %w", err)
	}
	return nil
}

// Close waits for the writes in progress, syncs and closes the files. Writes fail
// from then on.
func (t *Trail) Close() error {
	err := t.records.Close()
	if t.events != nil {
		err = errors.Join(err, t.events.Close())
	}
	if err != nil {
		return fmt.Errorf("closing the trail: %w", err)
	}
	return nil
}
