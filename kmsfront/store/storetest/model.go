package storetest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"hyok/kmsfront/store"
)

// RunModel does random operations on a store and on a plain map, and compares
// what they show; the store is closed and opened again now and then. place gives
// an empty place each time, and open opens the store that is there.
func RunModel(t *testing.T, place func(t testing.TB) (open func() store.Store)) {
	rapid.Check(t, func(r *rapid.T) {
		open := place(t)
		m := &model{open: open, records: map[string]store.Record{}}
		m.start(r)
		defer func() { m.store.Close() }()
		r.Repeat(map[string]func(*rapid.T){
			"commit": m.commit,
			"get":    m.get,
			"scan":   m.scan,
			"reopen": m.reopen,
			"":       m.whole,
		})
	})
}

type model struct {
	open    func() store.Store
	store   store.Store
	events  <-chan store.Event
	records map[string]store.Record
	rev     store.Rev
}

var keys = rapid.SampledFrom([]string{"a", "a/1", "a/2", "a0", "b", "b/\x00", "b/\xff", "c"})

func (m *model) start(t *rapid.T) {
	m.store = m.open()
	var err error
	if m.events, err = m.store.Watch(context.Background(), m.rev); err != nil {
		t.Fatal(err)
	}
}

// commit draws checks that hold and some that do not, and compares the outcome,
// with what watch sends as well.
func (m *model) commit(t *rapid.T) {
	var checks []store.Check
	holds := true
	for _, key := range rapid.SliceOfN(keys, 0, 3).Draw(t, "checks") {
		c := store.Check{Key: key, Rev: m.records[key].Rev}
		if rapid.IntRange(0, 9).Draw(t, "wrong") == 0 {
			c.Rev++
			holds = false
		}
		checks = append(checks, c)
	}
	var writes []store.Write
	for _, key := range rapid.SliceOfNDistinct(keys, 0, 4, rapid.ID).Draw(t, "writes") {
		w := store.Write{Key: key}
		if rapid.Bool().Draw(t, "put") {
			w.Value = rapid.SliceOfN(rapid.Byte(), 0, 5000).Draw(t, "value")
		}
		writes = append(writes, w)
	}
	rev, err := m.store.Commit(context.Background(), checks, writes)
	if !holds {
		if !errors.Is(err, store.ErrConflict) {
			t.Fatalf("a check does not hold, yet: %v", err)
		}
		return
	}
	if len(writes) > 0 {
		m.rev++
	}
	if err != nil || rev != m.rev {
		t.Fatalf("revision %d, error %v; want %d", rev, err, m.rev)
	}
	for i, w := range writes {
		want := store.Event{
			Record:  store.Record{Key: w.Key, Value: w.Value, Rev: rev},
			Deleted: w.Value == nil, Last: i == len(writes)-1,
		}
		if diff := cmp.Diff(want, <-m.events); diff != "" {
			t.Fatal(diff)
		}
		m.records[w.Key] = want.Record
		if want.Deleted {
			delete(m.records, w.Key)
		}
	}
}

func (m *model) get(t *rapid.T) {
	key := keys.Draw(t, "key")
	got, found, err := m.store.Get(context.Background(), key)
	want, exists := m.records[key]
	if diff := cmp.Diff(want, got); diff != "" || found != exists || err != nil {
		t.Fatalf("found %v, %v\n%s", found, err, diff)
	}
}

func (m *model) scan(t *rapid.T) {
	m.compare(t, rapid.SampledFrom([]string{"a", "a/", "b/", "d"}).Draw(t, "prefix"))
}

func (m *model) whole(t *rapid.T) { m.compare(t, "") }

func (m *model) compare(t *rapid.T, prefix string) {
	var want []store.Record
	for _, key := range slices.Sorted(maps.Keys(m.records)) {
		if strings.HasPrefix(key, prefix) {
			want = append(want, m.records[key])
		}
	}
	got, rev, err := m.store.Scan(context.Background(), prefix)
	if diff := cmp.Diff(want, got); diff != "" || rev != m.rev || err != nil {
		t.Fatalf("revision %d, want %d; error %v\n%s", rev, m.rev, err, diff)
	}
}

func (m *model) reopen(t *rapid.T) {
	if err := m.store.Close(); err != nil {
		t.Fatal(err)
	}
	if e, ok := <-m.events; ok {
		t.Fatalf("an event nobody caused: %v", e)
	}
	m.start(t)
}
