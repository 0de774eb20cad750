// Package storetest holds the tests that every store.Store must pass, whatever
// keeps its data.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hyok/kmsfront/store"
)

// Run runs all tests but the model's. open gives an empty store of its own each
// time; it is the tests that close it.
func Run(t *testing.T, open func(t testing.TB) store.Store) {
	for _, c := range []struct {
		rule string
		run  func(t *testing.T, s store.Store)
	}{
		{"a new store is empty", isEmpty},
		{"a commit is read back", readsBack},
		{"scan gives a prefix in the order of keys", scansPrefix},
		{"a revision counts commits", countsRevisions},
		{"an empty value is a value", keepsEmptyValue},
		{"a delete removes the record", deletes},
		{"a check that does not hold prevents all writes", checks},
		{"a commit without writes only checks", onlyChecks},
		{"writes outside the limits are refused", limits},
		{"a failing neighbour spoils no commit", isolates},
		{"of concurrent changes of one record none is lost", losesNoUpdate},
		{"a commit that was given up before is not made", givesUp},
		{"watch sends what came before and what comes", watches},
		{"watch waits for a revision to come", watchesFuture},
		{"watch ends with its context", watchEnds},
		{"after close everything is refused", closes},
	} {
		t.Run(c.rule, func(t *testing.T) {
			s := open(t)
			defer s.Close()
			c.run(t, s)
		})
	}
}

func isEmpty(t *testing.T, s store.Store) {
	if records, _, err := s.Scan(t.Context(), ""); err != nil || len(records) != 0 {
		t.Errorf("scan: %v, %v", records, err)
	}
	if _, found, err := s.Get(t.Context(), "a"); err != nil || found {
		t.Errorf("get: %v, %v", found, err)
	}
}

func readsBack(t *testing.T, s store.Store) {
	rev := commit(t, s, nil, put("a", "1"), put("b", "2"))
	r, found, err := s.Get(t.Context(), "b")
	want := store.Record{Key: "b", Value: []byte("2"), Rev: rev}
	if diff := cmp.Diff(want, r); diff != "" || !found || err != nil {
		t.Errorf("found %v, error %v, record:\n%s", found, err, diff)
	}
}

func scansPrefix(t *testing.T, s store.Store) {
	first := commit(t, s, nil, put("k/b", "2"), put("k", "no"), put("k0", "no"), put("k/a", "1"))
	second := commit(t, s, nil, put("k/\xff", "3"), put("j/z", "no"))
	got, rev, err := s.Scan(t.Context(), "k/")
	if err != nil || rev != second {
		t.Errorf("revision %d, error %v; want %d", rev, err, second)
	}
	want := []store.Record{
		{Key: "k/a", Value: []byte("1"), Rev: first},
		{Key: "k/b", Value: []byte("2"), Rev: first},
		{Key: "k/\xff", Value: []byte("3"), Rev: second},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func countsRevisions(t *testing.T, s store.Store) {
	_, before, err := s.Scan(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for i := range store.Rev(3) {
		if rev := commit(t, s, nil, put("a", "1"), put("b", "2")); rev != before+i+1 {
			t.Errorf("revision %d after %d", rev, before+i)
		}
	}
}

func keepsEmptyValue(t *testing.T, s store.Store) {
	commit(t, s, nil, store.Write{Key: "a", Value: []byte{}})
	if r, found, err := s.Get(t.Context(), "a"); err != nil || !found || r.Value == nil || len(r.Value) != 0 {
		t.Errorf("got %v, %v, %v", r, found, err)
	}
}

func deletes(t *testing.T, s store.Store) {
	commit(t, s, nil, put("a", "1"), put("b", "2"))
	commit(t, s, nil, del("a"), del("never there"))
	if _, found, _ := s.Get(t.Context(), "a"); found {
		t.Error("it is still there")
	}
	if rev := commit(t, s, []store.Check{{Key: "a"}}, put("a", "again")); rev == 0 {
		t.Error("no revision")
	}
}

func checks(t *testing.T, s store.Store) {
	first := commit(t, s, nil, put("a", "1"))
	second := commit(t, s, []store.Check{{Key: "a", Rev: first}, {Key: "b"}}, put("a", "2"))
	for _, c := range []struct {
		name  string
		check store.Check
	}{
		{"an older revision", store.Check{Key: "a", Rev: first}},
		{"a newer revision", store.Check{Key: "a", Rev: second + 1}},
		{"it must not exist", store.Check{Key: "a"}},
		{"it must exist", store.Check{Key: "b", Rev: first}},
	} {
		_, err := s.Commit(t.Context(), []store.Check{{Key: "a", Rev: second}, c.check}, []store.Write{put("a", "3"), put("c", "3")})
		conflict := new(store.ConflictError)
		if !errors.As(err, &conflict) || !errors.Is(err, store.ErrConflict) || conflict.Key != c.check.Key || conflict.Rev < second {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	want := []store.Record{{Key: "a", Value: []byte("2"), Rev: second}}
	if got, _, err := s.Scan(t.Context(), ""); err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

func onlyChecks(t *testing.T, s store.Store) {
	rev := commit(t, s, nil, put("a", "1"))
	if got := commit(t, s, []store.Check{{Key: "a", Rev: rev}}); got != rev {
		t.Errorf("revision %d, want %d", got, rev)
	}
	if _, err := s.Commit(t.Context(), []store.Check{{Key: "a"}}, nil); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a check that does not hold: %v", err)
	}
}

func limits(t *testing.T, s store.Store) {
	long, large := strings.Repeat("k", store.MaxKeySize), make([]byte, store.MaxValueSize)
	commit(t, s, nil, store.Write{Key: long, Value: large})
	if r, found, err := s.Get(t.Context(), long); err != nil || !found || len(r.Value) != len(large) {
		t.Errorf("the largest record: %d bytes, %v, %v", len(r.Value), found, err)
	}
	for name, writes := range map[string][]store.Write{
		"no key":          {put("", "1")},
		"a key too long":  {put(long+"k", "1")},
		"a large value":   {{Key: "b", Value: append(large, 0)}},
		"the same twice":  {put("b", "1"), put("b", "2")},
		"put and deleted": {put("b", "1"), del("b")},
	} {
		if _, err := s.Commit(t.Context(), nil, append(writes, put("c", "1"))); !errors.Is(err, store.ErrSize) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, found, _ := s.Get(t.Context(), "c"); found {
		t.Error("a refused commit left something behind")
	}
}

func isolates(t *testing.T, s store.Store) {
	const n = 200
	errs := make([]error, n)
	revs := make([]store.Rev, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			key := fmt.Sprintf("k%03d", i)
			check := store.Check{Key: key, Rev: store.Rev(i % 2)} // the odd ones do not hold
			revs[i], errs[i] = s.Commit(context.Background(), []store.Check{check}, []store.Write{put(key, "1"), put(key+"/b", "2")})
		})
	}
	all.Wait()
	got, _, err := s.Scan(t.Context(), "")
	if err != nil || len(got) != n {
		t.Fatalf("%d records, %v; want %d", len(got), err, n)
	}
	for i, err := range errs {
		switch {
		case i%2 == 1 && !errors.Is(err, store.ErrConflict):
			t.Errorf("commit %d, whose check does not hold: %v", i, err)
		case i%2 == 0 && (err != nil || got[i].Rev != revs[i] || got[i+1].Rev != revs[i]):
			t.Errorf("commit %d: %v, revision %d; the records have %d and %d", i, err, revs[i], got[i].Rev, got[i+1].Rev)
		}
	}
}

func losesNoUpdate(t *testing.T, s store.Store) {
	const workers, times = 8, 10
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for done := 0; done < times; {
				r, _, err := s.Get(context.Background(), "counter")
				if err != nil {
					t.Error(err)
					return
				}
				next := append(append([]byte{}, r.Value...), '.')
				_, err = s.Commit(context.Background(), []store.Check{{Key: "counter", Rev: r.Rev}}, []store.Write{{Key: "counter", Value: next}})
				if err == nil {
					done++
				} else if !errors.Is(err, store.ErrConflict) {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if r, _, _ := s.Get(t.Context(), "counter"); len(r.Value) != workers*times {
		t.Errorf("%d changes are there, want %d", len(r.Value), workers*times)
	}
}

func givesUp(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Commit(ctx, nil, []store.Write{put("a", "1")}); !errors.Is(err, context.Canceled) {
		t.Errorf("commit: %v", err)
	}
	if _, found, err := s.Get(t.Context(), "a"); found || err != nil {
		t.Errorf("get: %v, %v", found, err)
	}
	if _, _, err := s.Get(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("get: %v", err)
	}
}

func closes(t *testing.T, s store.Store) {
	commit(t, s, nil, put("a", "1"))
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, _, scan := s.Scan(t.Context(), "")
	_, _, get := s.Get(t.Context(), "a")
	_, write := s.Commit(t.Context(), nil, []store.Write{put("a", "2")})
	_, watch := s.Watch(t.Context(), 0)
	for name, err := range map[string]error{"scan": scan, "get": get, "commit": write, "watch": watch} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func put(key, value string) store.Write { return store.Write{Key: key, Value: []byte(value)} }
func del(key string) store.Write        { return store.Write{Key: key} }

func commit(t testing.TB, s store.Store, checks []store.Check, writes ...store.Write) store.Rev {
	t.Helper()
	rev, err := s.Commit(context.Background(), checks, writes)
	if err != nil {
		t.Fatal(err)
	}
	return rev
}
