package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// maxGroup is how many commits share one sync at most; it bounds the latency of
// the first of them.
const maxGroup = 1024

// maxLinger bounds the pause between two groups.
const maxLinger = time.Millisecond

// request is a commit that waits for the writer.
type request struct {
	checks []Check
	writes []Write
	answer chan answer // holds one: the writer never waits for its reader
}

type answer struct {
	rev Rev
	err error
}

// Commit is in Store.
func (b *boltStore) Commit(ctx context.Context, checks []Check, writes []Write) (Rev, error) {
	if err := validWrites(writes); err != nil {
		return 0, err
	}
	r := &request{checks: checks, writes: writes, answer: make(chan answer, 1)}
	if err := b.enqueue(ctx, r); err != nil {
		return 0, err
	}
	select {
	case a := <-r.answer:
		return a.rev, a.err
	case <-ctx.Done():
		if b.withdraw(r) {
			return 0, ctx.Err()
		}
		a := <-r.answer
		return a.rev, a.err
	}
}

func validWrites(writes []Write) error {
	seen := make(map[string]bool, len(writes))
	for _, w := range writes {
		switch {
		case w.Key == "" || len(w.Key) > MaxKeySize:
			return fmt.Errorf("%w: a key of %d bytes", ErrSize, len(w.Key))
		case len(w.Value) > MaxValueSize:
			return fmt.Errorf("%w: record %q: a value of %d bytes", ErrSize, w.Key, len(w.Value))
		case seen[w.Key]:
			return fmt.Errorf("%w: record %q is written twice", ErrSize, w.Key)
		}
		seen[w.Key] = true
	}
	return nil
}

func (b *boltStore) enqueue(ctx context.Context, r *request) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ErrClosed
	}
	b.waiting = append(b.waiting, r)
	b.signal()
	return nil
}

// withdraw takes r back; false when the writer has it already.
func (b *boltStore) withdraw(r *request) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.waiting, r)
	if i < 0 {
		return false
	}
	b.waiting = slices.Delete(b.waiting, i, i+1)
	return true
}

func (b *boltStore) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// run is the writer.
func (b *boltStore) run() {
	defer close(b.done)
	for range b.wake {
		group, closed := b.take()
		for len(group) > 0 {
			began := time.Now()
			b.commit(group)
			b.linger(len(group), min(time.Since(began)/8, maxLinger))
			group, closed = b.take()
		}
		if closed {
			return
		}
	}
}

// linger gives those who were just answered a moment to come with their next
// commit, n more than wait already. Without it busy committers fall into two
// halves that take turns, and each sync carries only one of them.
func (b *boltStore) linger(n int, most time.Duration) {
	if n == 1 {
		return
	}
	end := time.NewTimer(most)
	defer end.Stop()
	for want := b.waits() + n; b.waits() < want; {
		select {
		case <-b.wake:
		case <-end.C:
			return
		}
	}
}

func (b *boltStore) waits() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting)
}

func (b *boltStore) take() (group []*request, closed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(b.waiting), maxGroup)
	group = slices.Clone(b.waiting[:n])
	b.waiting = slices.Delete(b.waiting, 0, n)
	return group, b.closed
}

// commit makes one bbolt transaction of a group and answers each of its requests.
// Conflicts are answered after the sync as well: what they conflict with may be a
// neighbour, and it is true only then.
func (b *boltStore) commit(group []*request) {
	answers := make([]answer, len(group))
	events, rev, err := b.transact(group, answers)
	if err == nil {
		b.rev = rev
		b.history.add(events)
	}
	for i, r := range group {
		if err != nil {
			answers[i] = answer{err: err}
		}
		r.answer <- answers[i]
	}
}

// transact applies a group and fills in its answers; an error stands for all of them.
func (b *boltStore) transact(group []*request, answers []answer) (events []Event, rev Rev, err error) {
	if b.uncertain != nil {
		return nil, 0, b.uncertain
	}
	tx, err := b.db.Begin(true)
	if err != nil {
		return nil, 0, fmt.Errorf("beginning to write the store: %w", err)
	}
	defer tx.Rollback() // no effect after a commit
	bucket := tx.Bucket(bucketRecords)
	rev = b.rev
	for i, r := range group {
		changes, err := b.prepare(bucket, r, rev)
		if err != nil {
			answers[i] = answer{err: err}
			continue
		}
		if len(changes) > 0 {
			rev++
		}
		answers[i] = answer{rev: rev}
		for _, c := range changes {
			if err := c.write(bucket); err != nil {
				return nil, 0, fmt.Errorf("writing record %q: %w", c.Key, err)
			}
			events = append(events, c.Event)
		}
	}
	if rev == b.rev {
		return nil, rev, nil
	}
	if err := putRev(tx, rev); err != nil {
		return nil, 0, fmt.Errorf("writing the store's revision: %w", err)
	}
	if err := tx.Commit(); err != nil {
		tx.Rollback()
		return nil, 0, b.failed(err)
	}
	return events, rev, nil
}

// change is one write that is ready to be made.
type change struct {
	Event
	stored []byte // what the file is to hold; nil: nothing
}

func (c change) write(bucket *bolt.Bucket) error {
	if c.Deleted {
		return bucket.Delete([]byte(c.Key))
	}
	return bucket.Put([]byte(c.Key), c.stored)
}

// prepare checks one request on top of revision rev and seals its values. It
// writes nothing, so that a request that fails here leaves no trace.
func (b *boltStore) prepare(bucket *bolt.Bucket, r *request, rev Rev) ([]change, error) {
	for _, c := range r.checks {
		have, err := recordRev(bucket.Get([]byte(c.Key)))
		if err != nil {
			return nil, fmt.Errorf("record %q: %w", c.Key, err)
		}
		if have != c.Rev {
			return nil, &ConflictError{Key: c.Key, Rev: rev}
		}
	}
	changes := make([]change, len(r.writes))
	for i, w := range r.writes {
		c := change{Event: Event{
			Record:  Record{Key: w.Key, Value: w.Value, Rev: rev + 1},
			Deleted: w.Value == nil,
			Last:    i == len(r.writes)-1,
		}}
		if !c.Deleted {
			var err error
			if c.stored, err = sealRecord(b.sealer, c.Record); err != nil {
				return nil, err
			}
		}
		changes[i] = c
	}
	return changes, nil
}

// failed gives a failed commit its meaning. It is harmless only if the disk
// refused it and the old state is what the file shows; whatever else happened, a
// page that the kernel could not write may look written from here, so that
// nothing more is built on it.
func (b *boltStore) failed(cause error) error {
	var shown Rev
	err := b.view(func(tx *bolt.Tx) error {
		shown = storedRev(tx)
		return nil
	})
	if err == nil && shown == b.rev && refused(cause) {
		return fmt.Errorf("%w: %w", ErrNotWritten, cause)
	}
	b.uncertain = fmt.Errorf("%w: %w", ErrUncertain, errors.Join(cause, err))
	return b.uncertain
}
