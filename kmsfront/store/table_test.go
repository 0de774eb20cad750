package store_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hyok/kmsfront/store"
)

type account struct {
	Owner   string
	Balance int
}

var byOwner = &store.Index[account]{Of: func(_ string, a *account) []string {
	if a.Owner == "" {
		return nil
	}
	return []string{a.Owner}
}}

type fixture struct {
	store    store.Store
	accounts *store.Table[account]
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{store: openBolt(t, filepath.Join(t.TempDir(), "store"), newRoot(t))}
	f.accounts = openTable(t, f.store)
	return f
}

func openTable(t testing.TB, s store.Store) *store.Table[account] {
	t.Helper()
	accounts, err := store.OpenTable(t.Context(), s, "accounts/", byOwner)
	if err != nil {
		t.Fatal(err)
	}
	return accounts
}

func (f *fixture) update(t testing.TB, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := store.Update(t.Context(), f.store, fn); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) put(t testing.TB, key string, a account) {
	t.Helper()
	f.update(t, func(tx *store.Tx) error { return f.accounts.Put(tx, key, &a) })
}

func keysOf(records iter.Seq2[string, *account]) string {
	var keys []string
	for key := range records {
		keys = append(keys, key)
	}
	return strings.Join(keys, " ")
}

func TestTableShowsWhatWasWritten(t *testing.T) {
	f := newFixture(t)
	f.put(t, "b", account{"ann", 1})
	f.put(t, "a", account{"bob", 2})
	f.put(t, "c", account{"ann", 3})
	f.put(t, "a/x", account{"", 4})
	for _, table := range []*store.Table[account]{f.accounts, openTable(t, f.store)} {
		a, rev, ok := table.Get("b")
		if diff := cmp.Diff(&account{"ann", 1}, a); diff != "" || rev != 1 || !ok {
			t.Errorf("get: revision %d, %v\n%s", rev, ok, diff)
		}
		if _, _, ok := table.Get("accounts/b"); ok {
			t.Error("keys are without the prefix")
		}
		for _, c := range []struct{ what, got, want string }{
			{"all", keysOf(table.All()), "a a/x b c"},
			{"a prefix", keysOf(table.Scan("a", "")), "a a/x"},
			{"after a key", keysOf(table.Scan("", "a/x")), "b c"},
			{"after a key that is not there", keysOf(table.Scan("", "a0")), "b c"},
			{"an index", keysOf(table.By(byOwner, "ann", "")), "b c"},
			{"an index, after a key", keysOf(table.By(byOwner, "ann", "b")), "c"},
			{"an index without records", keysOf(table.By(byOwner, "an", "")), ""},
		} {
			if c.got != c.want {
				t.Errorf("%s: %q, want %q", c.what, c.got, c.want)
			}
		}
		if table.Len() != 4 || table.Count(byOwner, "ann") != 2 || table.Count(byOwner, "") != 0 {
			t.Errorf("%d records, %d of ann", table.Len(), table.Count(byOwner, "ann"))
		}
	}
}

func TestIndexFollowsChanges(t *testing.T) {
	f := newFixture(t)
	f.put(t, "a", account{"ann", 1})
	f.put(t, "b", account{"ann", 1})
	f.put(t, "a", account{"bob", 1})
	f.update(t, func(tx *store.Tx) error { f.accounts.Delete(tx, "b"); return nil })
	if ann, bob := keysOf(f.accounts.By(byOwner, "ann", "")), keysOf(f.accounts.By(byOwner, "bob", "")); ann != "" || bob != "a" {
		t.Errorf("ann has %q, bob has %q", ann, bob)
	}
}

func TestTransactionSeesItsOwnWrites(t *testing.T) {
	f := newFixture(t)
	f.put(t, "a", account{Balance: 1})
	f.put(t, "b", account{Balance: 1})
	f.update(t, func(tx *store.Tx) error {
		f.accounts.Delete(tx, "a")
		if a, ok := f.accounts.Read(tx, "a"); ok || a != nil {
			t.Errorf("a deleted record: %v", a)
		}
		if err := f.accounts.Put(tx, "b", &account{Balance: 2}); err != nil {
			return err
		}
		if b, ok := f.accounts.Read(tx, "b"); !ok || b.Balance != 2 {
			t.Errorf("a written record: %v", b)
		}
		if b, _, _ := f.accounts.Get("b"); b.Balance != 1 {
			t.Errorf("others see %v before the commit", b)
		}
		return nil
	})
	if _, _, ok := f.accounts.Get("a"); ok {
		t.Error("a is still there")
	}
}

func TestFailedTransactionWritesNothing(t *testing.T) {
	f := newFixture(t)
	refused := errors.New("no")
	err := store.Update(t.Context(), f.store, func(tx *store.Tx) error {
		return errors.Join(f.accounts.Put(tx, "a", &account{}), refused)
	})
	if !errors.Is(err, refused) || f.accounts.Len() != 0 {
		t.Errorf("%v, %d records", err, f.accounts.Len())
	}
	err = store.Update(t.Context(), f.store, func(tx *store.Tx) error { return f.accounts.Put(tx, "a", nil) })
	if err == nil || f.accounts.Len() != 0 {
		t.Errorf("nil: %v, %d records", err, f.accounts.Len())
	}
}

// Whatever a transaction read or wrote may not change under it.
func TestTransactionRunsAgainAfterAConflict(t *testing.T) {
	for name, touch := range map[string]func(f *fixture, tx *store.Tx) error{
		"read":          func(f *fixture, tx *store.Tx) error { f.accounts.Read(tx, "a"); return nil },
		"read, missing": func(f *fixture, tx *store.Tx) error { f.accounts.Read(tx, "new"); return nil },
		"put":           func(f *fixture, tx *store.Tx) error { return f.accounts.Put(tx, "a", &account{Balance: 9}) },
		"delete":        func(f *fixture, tx *store.Tx) error { f.accounts.Delete(tx, "a"); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.put(t, "a", account{Balance: 1})
			runs := 0
			f.update(t, func(tx *store.Tx) error {
				if err := touch(f, tx); err != nil {
					return err
				}
				if runs++; runs == 1 {
					commitOne(t, f.store, "accounts/a", []byte(`{"Balance":2}`))
					commitOne(t, f.store, "accounts/new", []byte(`{}`))
				}
				return f.accounts.Put(tx, "result", &account{Balance: runs})
			})
			if r, _, _ := f.accounts.Get("result"); runs != 2 || r.Balance != 2 {
				t.Errorf("%d runs, result %v", runs, r)
			}
		})
	}
}

func TestEndlessConflictIsGivenUp(t *testing.T) {
	f := newFixture(t)
	runs := 0
	err := store.Update(t.Context(), f.store, func(tx *store.Tx) error {
		runs++
		f.accounts.Read(tx, "a")
		commitOne(t, f.store, "accounts/a", []byte(`{}`))
		return f.accounts.Put(tx, "b", &account{})
	})
	if !errors.Is(err, store.ErrConflict) || runs < 2 || runs > 100 {
		t.Errorf("%v after %d runs", err, runs)
	}
}

// Many transfer between few accounts: none is lost, all come through, and each
// reader sees the same sum in every moment.
func TestHotRecords(t *testing.T) {
	const workers, times, accounts = 32, 10, 3
	f := newFixture(t)
	for i := range accounts {
		f.put(t, fmt.Sprint(i), account{Balance: 100})
	}
	ctx, stop := context.WithCancel(t.Context())
	var transfers, readers sync.WaitGroup
	for range workers {
		transfers.Go(func() {
			for range times {
				if err := store.Update(t.Context(), f.store, f.transfer(accounts)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 2 {
		readers.Go(func() {
			for ctx.Err() == nil {
				if s := f.sum(); s != accounts*100 {
					t.Errorf("the sum is %d", s)
					return
				}
				runtime.Gosched()
			}
		})
	}
	transfers.Wait()
	stop()
	readers.Wait()
	if a, _, _ := f.accounts.Get("count"); a.Balance != workers*times {
		t.Errorf("%d transfers were made, want %d", a.Balance, workers*times)
	}
}

func (f *fixture) transfer(accounts int) func(tx *store.Tx) error {
	return func(tx *store.Tx) error {
		from, to := fmt.Sprint(rand.IntN(accounts)), fmt.Sprint(rand.IntN(accounts))
		for key, by := range map[string]int{from: -1, to: 1, "count": 1} {
			if from == to && key != "count" {
				continue
			}
			next := account{Balance: by}
			if old, ok := f.accounts.Read(tx, key); ok {
				next.Balance += old.Balance
			}
			if err := f.accounts.Put(tx, key, &next); err != nil {
				return err
			}
		}
		return nil
	}
}

func (f *fixture) sum() (sum int) {
	for key, a := range f.accounts.All() {
		if key != "count" {
			sum += a.Balance
		}
	}
	return sum
}
