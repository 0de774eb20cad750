package storetest

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hyok/kmsfront/store"
)

func watches(t *testing.T, s store.Store) {
	first := commit(t, s, nil, put("a", "1"))
	second := commit(t, s, nil, put("b", "2"), del("a"))
	events := watch(t, s, t.Context(), first)
	third := commit(t, s, nil, put("c", "3"))
	want := []store.Event{
		{Record: store.Record{Key: "b", Value: []byte("2"), Rev: second}},
		{Record: store.Record{Key: "a", Rev: second}, Deleted: true, Last: true},
		{Record: store.Record{Key: "c", Value: []byte("3"), Rev: third}, Last: true},
	}
	for _, w := range want {
		if diff := cmp.Diff(w, <-events); diff != "" {
			t.Error(diff)
		}
	}
	fourth := commit(t, s, nil, put("d", "4"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if e, ok := <-events; !ok || e.Rev != fourth {
		t.Errorf("before it ends it sends what was committed; got %v, %v", e, ok)
	}
	if e, ok := <-events; ok {
		t.Errorf("after close: %v", e)
	}
}

func watchesFuture(t *testing.T, s store.Store) {
	first := commit(t, s, nil, put("a", "1"))
	events := watch(t, s, t.Context(), first+1)
	commit(t, s, nil, put("a", "2"))
	third := commit(t, s, nil, put("a", "3"))
	if e := <-events; e.Rev != third {
		t.Errorf("first event %v, want revision %d", e, third)
	}
}

func watchEnds(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	events := watch(t, s, ctx, commit(t, s, nil, put("a", "1")))
	cancel()
	if e, ok := <-events; ok {
		t.Errorf("got %v", e)
	}
}

func watch(t testing.TB, s store.Store, ctx context.Context, after store.Rev) <-chan store.Event {
	t.Helper()
	events, err := s.Watch(ctx, after)
	if err != nil {
		t.Fatal(err)
	}
	return events
}
