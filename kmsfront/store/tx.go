package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
)

// maxAttempts bounds how often Update runs a function. A retry meets only
// transactions that run for the first time, so that the last is hardly ever reached.
const maxAttempts = 32

// follower is a Table of any type.
type follower interface {
	shows(ctx context.Context, rev Rev) error
	laneOf(key string) chan struct{}
}

// Tx is one transaction over several tables, read and written with the tables'
// methods Read, Put and Delete. It sees its own writes, and each table as of the
// moment it first touched it. It is of use only inside the function that Update
// runs, in one goroutine.
type Tx struct {
	tables map[follower]any  // *snapshot[T] of each table touched
	checks map[string]Rev    // by key in the store: the revision seen
	writes map[string]intent // by key in the store
}

// intent is a write of a transaction.
type intent struct {
	table follower
	value any // *T; nil: delete
	data  []byte
}

// Update runs fn and commits what it wrote, provided that no record that it read
// or wrote was changed in between; otherwise it runs fn again, a bounded number of
// times, and then gives ErrConflict. fn must have no effects but those on tx, and
// must not call Update. An error of fn is given as it is, and nothing is written.
//
// When Update returns nil the change is durable and the tables show it. ErrUncertain
// leaves open whether the change was made.
func Update(ctx context.Context, s Store, fn func(tx *Tx) error) error {
	var lane chan struct{}
	defer func() {
		if lane != nil {
			<-lane
		}
	}()
	for attempt := 1; ; attempt++ {
		tx := &Tx{tables: map[follower]any{}, checks: map[string]Rev{}, writes: map[string]intent{}}
		if err := fn(tx); err != nil {
			return err
		}
		err := tx.commit(ctx, s)
		conflict := new(ConflictError)
		if !errors.As(err, &conflict) || attempt == maxAttempts {
			return err
		}
		if lane, err = tx.retry(ctx, conflict, lane); err != nil {
			return err
		}
	}
}

// commit writes the transaction and waits until its tables show it.
func (tx *Tx) commit(ctx context.Context, s Store) error {
	if len(tx.writes) == 0 {
		return nil
	}
	checks := make([]Check, 0, len(tx.checks))
	for key, rev := range tx.checks {
		checks = append(checks, Check{Key: key, Rev: rev})
	}
	writes := make([]Write, 0, len(tx.writes))
	for _, key := range slices.Sorted(maps.Keys(tx.writes)) {
		writes = append(writes, Write{Key: key, Value: tx.writes[key].data})
	}
	rev, err := s.Commit(ctx, checks, writes)
	if err != nil {
		return err
	}
	for _, w := range tx.writes {
		if err := w.table.shows(context.WithoutCancel(ctx), rev); err != nil {
			return fmt.Errorf("the change was written, but: %w", err)
		}
	}
	return nil
}

// retry waits until the table shows why there was a conflict. Transactions that
// had one over the same table go on one after the other, each in the table's lane,
// so that each of them meets only those that run for the first time, and none
// starves. held is the lane that the transaction is in already.
func (tx *Tx) retry(ctx context.Context, c *ConflictError, held chan struct{}) (lane chan struct{}, err error) {
	for t := range tx.tables {
		lane := t.laneOf(c.Key)
		if lane == nil {
			continue
		}
		if held == nil {
			select {
			case lane <- struct{}{}:
				held = lane
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return held, t.shows(ctx, c.Rev)
	}
	return held, c
}

// Read gives a record as the transaction sees it; false when there is none. The
// record must not be changed.
func (t *Table[T]) Read(tx *Tx, key string) (*T, bool) {
	key = t.prefix + key
	r := t.touch(tx, key)
	if w, ok := tx.writes[key]; ok {
		v, _ := w.value.(*T)
		return v, v != nil
	}
	if r == nil {
		return nil, false
	}
	return r.value, true
}

// Put writes a record. v must not be changed afterwards. The error is of encoding v.
func (t *Table[T]) Put(tx *Tx, key string, v *T) error {
	key = t.prefix + key
	data, err := json.Marshal(v, json.Deterministic(true))
	if err == nil && v == nil {
		err = errors.New("it is nil")
	}
	if err != nil {
		return fmt.Errorf("encoding record %q: %w", key, err)
	}
	t.touch(tx, key)
	tx.writes[key] = intent{table: t, value: v, data: data}
	return nil
}

// Delete deletes a record; one that does not exist is no error.
func (t *Table[T]) Delete(tx *Tx, key string) {
	key = t.prefix + key
	t.touch(tx, key)
	tx.writes[key] = intent{table: t}
}

// touch gives the stored record of a key, nil for none, and makes the transaction
// depend on it. The key has the prefix.
func (t *Table[T]) touch(tx *Tx, key string) *record[T] {
	s, ok := tx.tables[t].(*snapshot[T])
	if !ok {
		s = t.current.Load()
		tx.tables[t] = s
	}
	r := s.records.get(key[len(t.prefix):])
	tx.checks[key] = 0
	if r != nil {
		tx.checks[key] = r.rev
	}
	return r
}
