// Package store keeps the front end's durable state.
//
// A Store is a small transactional key-value store: prefix scans, commits that
// are checked record by record (compare-and-swap on revisions) and a watch. The
// embedded implementation is OpenBolt; every value in it is sealed under a key
// derived from the root key. On top of it a Table keeps the decoded records of
// one prefix in memory, and Update changes several tables in one transaction.
// Reads never reach the Store: a Table follows its watch, and Update returns
// only when the tables it changed show the change.
//
// A commit is durable when it is answered. It is checked on the records that
// the transaction read or wrote and on nothing else: two transactions that must
// exclude each other need a record that both write (a record whose key is the
// unique name, or the parent record put again).
//
// Limits: keys of 1 to MaxKeySize bytes, values of up to MaxValueSize bytes; a
// commit is applied by one writer, so its size is the latency of its neighbours.
package store

import (
	"context"
	"errors"
	"fmt"
)

// Sizes that a Store accepts, in bytes. They fit in one etcd request.
const (
	MaxKeySize   = 1024
	MaxValueSize = 1 << 20
)

// Rev is a revision: a number that grows by one with each commit that writes.
// 0 stands for "before everything" and for a record that does not exist.
type Rev uint64

// Record is a value and the revision of the commit that wrote it.
// Key and Value belong to the store and must not be changed.
type Record struct {
	Key   string
	Value []byte
	Rev   Rev
}

// Write puts Value under Key, or deletes the record when Value is nil. Deleting
// a record that does not exist is no error. The store keeps Value: the caller
// must not change it afterwards.
type Write struct {
	Key   string
	Value []byte
}

// Check makes a commit depend on a record still being at Rev; Rev 0 asks that
// it does not exist.
type Check struct {
	Key string
	Rev Rev
}

// Event is one change. The events of one commit follow each other with the same
// Rev, and the last of them says so, so that a reader can show them at once.
type Event struct {
	Record       // Value is nil when Deleted
	Deleted bool // the record is gone
	Last    bool // no more events of this Rev
}

// Store is a transactional key-value store. All methods may be called at once.
type Store interface {
	// Scan gives all records whose key starts with prefix, in the order of their
	// keys, and the revision of the store they were read at.
	Scan(ctx context.Context, prefix string) ([]Record, Rev, error)

	// Get gives one record; false when there is none.
	Get(ctx context.Context, key string) (Record, bool, error)

	// Commit applies all writes, or none of them when a check does not hold (the
	// error is a *ConflictError). The change is durable and visible to Scan, Get
	// and Watch when Commit returns its revision. Without writes Commit only
	// checks, and gives the current revision. ctx bounds the wait to be taken up;
	// a commit that was taken up is waited for. A key may be written once.
	Commit(ctx context.Context, checks []Check, writes []Write) (Rev, error)

	// Watch sends every change after a revision, in order, until ctx ends, the
	// store is closed, or the reader has fallen so far behind that changes were
	// dropped; the channel is closed then. ErrCompacted when changes after that
	// revision are no longer kept: scan again. After Close, what was committed
	// is still sent, so a reader must read on or end ctx.
	Watch(ctx context.Context, after Rev) (<-chan Event, error)

	// Close finishes the commits that were taken up and releases the store.
	Close() error
}

// Errors of opening a store.
var (
	// ErrLocked is returned when another process has the store open.
	ErrLocked = errors.New("in use by another process")
	// ErrRootKey is returned when the root key is missing, malformed, readable by
	// others, or not the one that the store was sealed with.
	ErrRootKey = errors.New("root key")
	// ErrFormat is returned for a file that is no store, and for a store of a
	// newer format than this program knows.
	ErrFormat = errors.New("store format")
)

// Errors of a store in use.
var (
	// ErrConflict is matched by every *ConflictError.
	ErrConflict = errors.New("the record was changed in between")
	// ErrCompacted is returned when changes asked for are no longer kept.
	ErrCompacted = errors.New("changes since that revision are no longer kept")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("the store is closed")
	// ErrNotWritten is returned when the disk took no write (it is full or
	// read-only): nothing was changed, reads go on, later commits are tried again.
	ErrNotWritten = errors.New("the disk took no write, nothing was changed")
	// ErrUncertain is returned when a write failed in a way that leaves open what
	// the disk holds: the change may or may not be there after a restart. Reads go
	// on; every later commit gets ErrUncertain until the store is opened again.
	ErrUncertain = errors.New("a write failed and the disk's state is uncertain, restart to go on")
	// ErrSealed is returned for a value that does not open under the root key: it
	// was altered, or moved from another key.
	ErrSealed = errors.New("sealed value does not open")
	// ErrSize is returned for a key or value outside the limits, and for a key
	// that is written twice in one commit.
	ErrSize = errors.New("not a valid write")
)

// ConflictError is returned when a check did not hold. errors.Is(err, ErrConflict).
type ConflictError struct {
	Key string
	Rev Rev // the revision of the store at which the check failed
}

// Error names the record.
func (e *ConflictError) Error() string { return fmt.Sprintf("record %q: %v", e.Key, ErrConflict) }

// Unwrap gives ErrConflict.
func (e *ConflictError) Unwrap() error { return ErrConflict }
