package store_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"hyok/kmsfront/store"
)

// A table that fell so far behind that events were dropped reads everything anew.
func TestTableReloadsWhenEventsWereDropped(t *testing.T) {
	s, err := store.OpenBolt(filepath.Join(t.TempDir(), "store"), newRoot(t), store.BoltOptions{History: 150})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	commitOne(t, s, "accounts/gone", []byte(`{"Owner":"ann"}`))
	release, reached := make(chan bool), make(chan bool)
	slow := &store.Index[account]{Of: func(key string, a *account) []string {
		if key == "stop" {
			reached <- true
			<-release
		}
		return []string{a.Owner}
	}}
	accounts, err := store.OpenTable(t.Context(), s, "accounts/", slow)
	if err != nil {
		t.Fatal(err)
	}
	commitOne(t, s, "accounts/stop", []byte(`{}`))
	<-reached
	for i := range 200 {
		commitOne(t, s, fmt.Sprintf("accounts/%03d", i), []byte(`{"Owner":"bob"}`))
	}
	if _, err := s.Commit(t.Context(), nil, []store.Write{{Key: "accounts/gone"}, {Key: "accounts/stop"}}); err != nil {
		t.Fatal(err)
	}
	close(release)
	err = store.Update(t.Context(), s, func(tx *store.Tx) error { return accounts.Put(tx, "last", &account{}) })
	if err != nil || accounts.Len() != 201 || accounts.Count(slow, "bob") != 200 || accounts.Count(slow, "ann") != 0 {
		t.Errorf("%v; %d records, %d of bob", err, accounts.Len(), accounts.Count(slow, "bob"))
	}
}

func TestTableRefusesWhatItCannotDecode(t *testing.T) {
	f := newFixture(t)
	f.put(t, "a", account{Balance: 1})
	commitOne(t, f.store, "accounts/b", []byte(`{"Balance":"one"}`))
	err := store.Update(t.Context(), f.store, func(tx *store.Tx) error { return f.accounts.Put(tx, "c", &account{}) })
	if err == nil || !strings.Contains(err.Error(), `"accounts/b"`) {
		t.Errorf("a table that cannot follow: %v", err)
	}
	if a, _, ok := f.accounts.Get("a"); !ok || a.Balance != 1 {
		t.Errorf("reads go on: %v", a)
	}
	if _, err := store.OpenTable[account](t.Context(), f.store, "accounts/"); err == nil || !strings.Contains(err.Error(), `"accounts/b"`) {
		t.Errorf("opening it: %v", err)
	}
}

func TestTableOutlivesItsStore(t *testing.T) {
	f := newFixture(t)
	f.put(t, "a", account{Balance: 1})
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	if a, _, ok := f.accounts.Get("a"); !ok || a.Balance != 1 {
		t.Errorf("got %v", a)
	}
	err := store.Update(t.Context(), f.store, func(tx *store.Tx) error { return f.accounts.Put(tx, "b", &account{}) })
	if !errors.Is(err, store.ErrClosed) {
		t.Errorf("update: %v", err)
	}
	if _, err := store.OpenTable[account](t.Context(), f.store, "accounts/"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("opening a table: %v", err)
	}
}
