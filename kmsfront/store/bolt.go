package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	boltErrors "go.etcd.io/bbolt/errors"
)

// BoltOptions adjust OpenBolt; the zero value is right for production.
type BoltOptions struct {
	// LockWait is how long to wait for another process to let go of the file.
	// 0: one second.
	LockWait time.Duration
	// History is how many bytes of events are kept in memory for Watch, at least;
	// at most it is twice as many. 0: 16 MiB.
	History int
}

// boltStore is the Store in one bbolt file.
//
// One goroutine writes. It takes up all commits that wait, checks and applies
// them one after the other in one bbolt transaction, syncs once, and answers each
// on its own: a commit whose check fails leaves nothing in the transaction.
//
// Limits: an old copy of the whole file put back is not noticed.
type boltStore struct {
	db      *bolt.DB
	sealer  Sealer
	history *history

	mu      sync.Mutex
	waiting []*request
	closed  bool
	wake    chan struct{} // one token: waiting or closed has changed
	done    chan struct{} // the writer has ended

	// Of the writer alone.
	rev       Rev   // of the last commit on the disk
	uncertain error // why nothing is written any more
}

// OpenBolt opens the store in the file path, mode 0600, or makes it when there is
// none. root is what its values are sealed under.
//
// ErrLocked when another process has it open, ErrRootKey when it was sealed under
// another root key, ErrFormat when it is no store, is damaged, or is newer than
// this program. In all these cases nothing is written.
func OpenBolt(path string, root Root, o BoltOptions) (Store, error) {
	if root == nil {
		return nil, fmt.Errorf("opening the store %s: %w: none was given", path, ErrRootKey)
	}
	if o.LockWait == 0 {
		o.LockWait = time.Second
	}
	if o.History == 0 {
		o.History = 16 << 20
	}
	b, err := openBolt(path, root.For("store records"), o)
	if err != nil {
		return nil, fmt.Errorf("opening the store %s: %w", path, err)
	}
	go b.run()
	return b, nil
}

func openBolt(path string, sealer Sealer, o BoltOptions) (*boltStore, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = createFile(path, func(temp string) error { return initFile(temp, sealer, o) })
		if errors.Is(err, fs.ErrExist) {
			err = nil // another process was faster; the lock decides
		}
	} else if err == nil && info.Size() == 0 {
		err = fmt.Errorf("%w: the file is empty", ErrFormat)
	}
	if err != nil {
		return nil, err
	}
	db, err := openFile(path, o)
	if err != nil {
		return nil, err
	}
	b := &boltStore{
		db:     db,
		sealer: sealer,
		wake:   make(chan struct{}, 1),
		done:   make(chan struct{}),
	}
	if err := b.readMeta(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	b.history = newHistory(b.rev, o.History)
	return b, nil
}

// openFile opens the file and gives bbolt's errors their meaning here.
func openFile(path string, o BoltOptions) (db *bolt.DB, err error) {
	defer noteDamage(debug.SetPanicOnFault(true), &err)
	db, err = bolt.Open(path, 0o600, &bolt.Options{
		Timeout:         o.LockWait,
		FreelistType:    bolt.FreelistMapType,
		InitialMmapSize: 1 << 30, // address space only: a growing file is not mapped anew under readers
		NoStatistics:    true,
	})
	switch {
	case errors.Is(err, boltErrors.ErrTimeout):
		return nil, ErrLocked
	case errors.Is(err, boltErrors.ErrInvalid), errors.Is(err, boltErrors.ErrChecksum), errors.Is(err, boltErrors.ErrVersionMismatch):
		return nil, fmt.Errorf("%w: the file is no store or is damaged: %w", ErrFormat, err)
	}
	return db, err
}

// noteDamage makes an error of a panic. bbolt panics on some damage of the file,
// and a memory map faults where the file ends too early. It restores what
// debug.SetPanicOnFault was.
func noteDamage(panicOnFault bool, err *error) {
	debug.SetPanicOnFault(panicOnFault)
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: the file is damaged: %v", ErrFormat, p)
	}
}

// view runs fn in a read transaction.
func (b *boltStore) view(fn func(tx *bolt.Tx) error) (err error) {
	defer noteDamage(debug.SetPanicOnFault(true), &err)
	err = b.db.View(fn)
	if errors.Is(err, boltErrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	return err
}

// Scan is in Store.
func (b *boltStore) Scan(ctx context.Context, prefix string) (records []Record, rev Rev, err error) {
	err = b.view(func(tx *bolt.Tx) error {
		rev = storedRev(tx)
		c := tx.Bucket(bucketRecords).Cursor()
		for k, v := c.Seek([]byte(prefix)); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, v = c.Next() {
			if err := ctx.Err(); err != nil {
				return err
			}
			r, err := openRecord(b.sealer, string(k), v)
			if err != nil {
				return err
			}
			records = append(records, r)
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("reading the store: %w", err)
	}
	return records, rev, nil
}

// Get is in Store.
func (b *boltStore) Get(ctx context.Context, key string) (r Record, found bool, err error) {
	if err := ctx.Err(); err != nil {
		return Record{}, false, err
	}
	err = b.view(func(tx *bolt.Tx) error {
		v := tx.Bucket(bucketRecords).Get([]byte(key))
		if v == nil {
			return nil
		}
		found = true
		r, err = openRecord(b.sealer, key, v)
		return err
	})
	if err != nil {
		return Record{}, false, fmt.Errorf("reading the store: %w", err)
	}
	return r, found, nil
}

// Watch is in Store.
func (b *boltStore) Watch(ctx context.Context, after Rev) (<-chan Event, error) {
	return b.history.watch(ctx, after)
}

// Close is in Store.
func (b *boltStore) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.signal()
	<-b.done
	b.history.close()
	if err := b.db.Close(); err != nil {
		return fmt.Errorf("closing the store: %w", err)
	}
	return nil
}

// refused tells whether a failed write was refused by the disk before it did
// anything. bbolt hides the cause when the file cannot grow.
func refused(err error) bool {
	for _, cause := range []error{
		syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG, syscall.EROFS, boltErrors.ErrMaxSizeReached,
	} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return strings.HasPrefix(err.Error(), "file resize error")
}
