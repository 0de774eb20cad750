package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-json-experiment/json"
)

// Index is a secondary index. One value can serve many tables.
type Index[T any] struct {
	// Of gives the values under which a record is found, each once; none when it
	// is not to be found by this index. It must depend on its arguments only.
	Of func(key string, v *T) []string
}

// Table holds the decoded records of one prefix in memory: JSON in the store, *T
// here. Its keys are those of the store without the prefix.
//
// Records are shared by all readers: nobody may change one. A change is a changed
// copy, put by Update. All readers may go on at once and wait for nobody; the
// changes of one commit show at once.
type Table[T any] struct {
	store   Store
	prefix  string
	indexes []*Index[T]
	current atomic.Pointer[snapshot[T]]
	lane    chan struct{} // see Tx.retry; holds one

	mu      sync.Mutex
	changed chan struct{} // closed at the next change of current or stopped
	stopped error         // why the table follows no more
}

// snapshot is a table at one revision of the store.
type snapshot[T any] struct {
	rev     Rev
	records *node[record[T]]
	indexes []*node[record[T]] // as Table.indexes; keys by indexKey
}

type record[T any] struct {
	key   string
	value *T
	rev   Rev
}

// OpenTable reads the records under prefix, which ends so that no other table's
// prefix starts with it ("keys/"), and then follows the store until that is
// closed; ctx bounds the reading only.
func OpenTable[T any](ctx context.Context, s Store, prefix string, indexes ...*Index[T]) (*Table[T], error) {
	t := &Table[T]{store: s, prefix: prefix, indexes: indexes, lane: make(chan struct{}, 1), changed: make(chan struct{})}
	err := t.load(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening the table %s: %w", prefix, err)
	}
	ctx = context.WithoutCancel(ctx)
	events, err := t.watch(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening the table %s: %w", prefix, err)
	}
	go t.follow(ctx, events)
	return t, nil
}

// Get gives a record and its revision; false when there is none.
func (t *Table[T]) Get(key string) (*T, Rev, bool) {
	r := t.current.Load().records.get(key)
	if r == nil {
		return nil, 0, false
	}
	return r.value, r.rev, true
}

// All gives all records in the order of their keys, as of one moment.
func (t *Table[T]) All() iter.Seq2[string, *T] { return t.Scan("", "") }

// Scan gives the records whose key starts with prefix and comes after a key ("":
// all of them), in the order of their keys, as of one moment.
func (t *Table[T]) Scan(prefix, after string) iter.Seq2[string, *T] {
	return walk(t.current.Load().records, prefix, after)
}

// By gives the records that ix has under value and whose key comes after a key
// ("": all of them), in the order of their keys, as of one moment.
func (t *Table[T]) By(ix *Index[T], value, after string) iter.Seq2[string, *T] {
	prefix := indexKey(value, "")
	return walk(t.index(ix), prefix, prefix+after)
}

// Count is the number of records that ix has under value. It takes no longer for many.
func (t *Table[T]) Count(ix *Index[T], value string) int {
	return t.index(ix).count(indexKey(value, ""))
}

// Len is the number of records.
func (t *Table[T]) Len() int { return t.current.Load().records.count("") }

func (t *Table[T]) index(ix *Index[T]) *node[record[T]] {
	i := slices.Index(t.indexes, ix)
	if i < 0 {
		panic("store: the table " + t.prefix + " was opened without this index")
	}
	return t.current.Load().indexes[i]
}

func walk[T any](n *node[record[T]], prefix, after string) iter.Seq2[string, *T] {
	return func(yield func(string, *T) bool) {
		n.scan(prefix, after, func(r *record[T]) bool { return yield(r.key, r.value) })
	}
}

// indexKey keeps values apart whatever bytes they have: length, value, key.
func indexKey(value, key string) string {
	b := make([]byte, 0, binary.MaxVarintLen64+len(value)+len(key))
	b = binary.AppendUvarint(b, uint64(len(value)))
	return string(append(append(b, value...), key...))
}

// load reads everything anew.
func (t *Table[T]) load(ctx context.Context) error {
	records, rev, err := t.store.Scan(ctx, t.prefix)
	if err != nil {
		return err
	}
	next := snapshot[T]{indexes: make([]*node[record[T]], len(t.indexes))}
	for _, r := range records {
		if err := t.apply(&next, Event{Record: r}); err != nil {
			return err
		}
	}
	next.rev = rev
	t.show(&next)
	return nil
}

// follow shows each commit when its last event is there.
func (t *Table[T]) follow(ctx context.Context, events <-chan Event) {
	for {
		err := t.drain(events)
		if err == nil {
			events, err = t.watch(ctx)
		}
		if err != nil {
			t.stop(err)
			return
		}
	}
}

// watch watches from what is shown on; when events were lost it reads everything anew.
func (t *Table[T]) watch(ctx context.Context) (<-chan Event, error) {
	for {
		events, err := t.store.Watch(ctx, t.current.Load().rev)
		if !errors.Is(err, ErrCompacted) {
			return events, err
		}
		if err := t.load(ctx); err != nil {
			return nil, err
		}
	}
}

// drain applies events until there are no more.
func (t *Table[T]) drain(events <-chan Event) error {
	next := *t.current.Load()
	next.indexes = slices.Clone(next.indexes)
	for e := range events {
		if strings.HasPrefix(e.Key, t.prefix) {
			if err := t.apply(&next, e); err != nil {
				return err
			}
		}
		if e.Last {
			shown := next
			shown.rev, shown.indexes = e.Rev, slices.Clone(next.indexes)
			t.show(&shown)
		}
	}
	return nil
}

// apply makes one change in a snapshot that is not shown yet.
func (t *Table[T]) apply(s *snapshot[T], e Event) error {
	key := strings.TrimPrefix(e.Key, t.prefix)
	if old := s.records.get(key); old != nil {
		s.records = s.records.remove(key)
		for i, ix := range t.indexes {
			for _, v := range ix.Of(key, old.value) {
				s.indexes[i] = s.indexes[i].remove(indexKey(v, key))
			}
		}
	}
	if e.Deleted {
		return nil
	}
	r := &record[T]{key: key, value: new(T), rev: e.Rev}
	if err := json.Unmarshal(e.Value, r.value); err != nil {
		return fmt.Errorf("decoding record %q: %w", e.Key, err)
	}
	s.records = s.records.put(key, r)
	for i, ix := range t.indexes {
		for _, v := range ix.Of(key, r.value) {
			s.indexes[i] = s.indexes[i].put(indexKey(v, key), r)
		}
	}
	return nil
}

func (t *Table[T]) show(s *snapshot[T]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current.Store(s)
	close(t.changed)
	t.changed = make(chan struct{})
}

func (t *Table[T]) stop(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = fmt.Errorf("the table %s no longer follows the store: %w", t.prefix, err)
	close(t.changed)
	t.changed = make(chan struct{})
}

// shows waits until the table shows a revision.
func (t *Table[T]) shows(ctx context.Context, rev Rev) error {
	for {
		t.mu.Lock()
		changed, stopped, shown := t.changed, t.stopped, t.current.Load().rev
		t.mu.Unlock()
		switch {
		case shown >= rev:
			return nil
		case stopped != nil:
			return stopped
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// laneOf gives the table's lane if a key of the store is of this table, else nil.
func (t *Table[T]) laneOf(key string) chan struct{} {
	if strings.HasPrefix(key, t.prefix) {
		return t.lane
	}
	return nil
}
