package store_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"hyok/kmsfront/store"
	"hyok/kmsfront/store/storetest"
)

func TestBoltIsAStore(t *testing.T) {
	storetest.Run(t, func(t testing.TB) store.Store {
		return openBolt(t, filepath.Join(t.TempDir(), "store"), newRoot(t))
	})
}

func TestBoltFollowsTheModel(t *testing.T) {
	root := newRoot(t)
	storetest.RunModel(t, func(t testing.TB) func() store.Store {
		path := filepath.Join(t.TempDir(), "store")
		return func() store.Store { return openBolt(t, path, root) }
	})
}

func TestOpeningABadStoreWritesNothing(t *testing.T) {
	root := newRoot(t)
	good := filepath.Join(t.TempDir(), "store")
	s := openBolt(t, good, root)
	commitOne(t, s, "a", make([]byte, 100_000))
	commitOne(t, s, "b", make([]byte, 100_000))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data := readFile(t, good)
	for _, c := range []struct {
		name string
		data []byte
		root store.Root
		want error
		says string
	}{
		{"no root key", data, nil, store.ErrRootKey, "none was given"},
		{"another root key", data, newRoot(t), store.ErrRootKey, "restore that key"},
		{"an empty file", nil, root, store.ErrFormat, "empty"},
		{"another file", bytes.Repeat([]byte("text\n"), 4000), root, store.ErrFormat, "no store"},
		{"a file cut off in its head", data[:1000], root, store.ErrFormat, "damaged"},
		{"a file cut off after its head", data[:8192], root, store.ErrFormat, "damaged"},
		{"a file cut off in its records", data[:150_000], root, store.ErrFormat, "damaged"},
		{"a newer format", withMeta(t, data, "format", []byte{0, 0, 0, 2}), root, store.ErrFormat, "newer program"},
		{"a damaged format", withMeta(t, data, "format", []byte{2}), root, store.ErrFormat, "no store of this program"},
		{"a damaged revision", withMeta(t, data, "rev", []byte{2}), root, store.ErrFormat, "no store of this program"},
		{"no check value", withMeta(t, data, "check", nil), root, store.ErrRootKey, "restore that key"},
		{"another database", otherDatabase(t), root, store.ErrFormat, "no store of this program"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store")
			if err := os.WriteFile(path, c.data, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := store.OpenBolt(path, c.root, store.BoltOptions{})
			wantLine(t, err, c.want, path, c.says)
			if !bytes.Equal(readFile(t, path), c.data) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestOneProcessHasTheStore(t *testing.T) {
	path, root := filepath.Join(t.TempDir(), "store"), newRoot(t)
	s := openBolt(t, path, root)
	_, err := store.OpenBolt(path, root, store.BoltOptions{LockWait: time.Nanosecond})
	wantLine(t, err, store.ErrLocked, path)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	openBolt(t, path, root)
}

func TestStoreFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	s := openBolt(t, path, newRoot(t))
	commitOne(t, s, "a", []byte("a secret value"))
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if bytes.Contains(readFile(t, path), []byte("secret")) {
		t.Error("the value is in the file as it is")
	}
}

// Whatever is moved or altered in the file is noticed when it is read.
func TestAlteredRecordsDoNotOpen(t *testing.T) {
	for name, alter := range map[string]func(b *bolt.Bucket) error{
		"two values swapped": func(b *bolt.Bucket) error {
			first, second := bytes.Clone(b.Get([]byte("a"))), bytes.Clone(b.Get([]byte("b")))
			return errors.Join(b.Put([]byte("a"), second), b.Put([]byte("b"), first))
		},
		"a value under a new key": func(b *bolt.Bucket) error { return b.Put([]byte("a0"), b.Get([]byte("a"))) },
		"an old value as a new one": func(b *bolt.Bucket) error {
			v := bytes.Clone(b.Get([]byte("a")))
			binary.BigEndian.PutUint64(v, 7)
			return b.Put([]byte("a"), v)
		},
		"revision 0": func(b *bolt.Bucket) error {
			return b.Put([]byte("a"), append(make([]byte, 8), b.Get([]byte("a"))[8:]...))
		},
		"a short value": func(b *bolt.Bucket) error { return b.Put([]byte("a"), []byte{0, 0, 1}) },
		"a flipped bit": func(b *bolt.Bucket) error {
			v := bytes.Clone(b.Get([]byte("a")))
			v[len(v)-1] ^= 1
			return b.Put([]byte("a"), v)
		},
	} {
		t.Run(name, func(t *testing.T) {
			path, root := filepath.Join(t.TempDir(), "store"), newRoot(t)
			s := openBolt(t, path, root)
			commitOne(t, s, "a", []byte("1"))
			commitOne(t, s, "b", []byte("2"))
			s.Close()
			update(t, path, func(tx *bolt.Tx) error { return alter(tx.Bucket([]byte("records"))) })
			s = openBolt(t, path, root)
			if records, _, err := s.Scan(t.Context(), "a"); !errors.Is(err, store.ErrSealed) {
				t.Errorf("scan: %v, %v", records, err)
			}
		})
	}
}

func TestHistoryIsBounded(t *testing.T) {
	s, err := store.OpenBolt(filepath.Join(t.TempDir(), "store"), newRoot(t), store.BoltOptions{History: 150})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	slow, err := s.Watch(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		commitOne(t, s, "a", []byte("1"))
	}
	if _, err := s.Watch(t.Context(), 100); !errors.Is(err, store.ErrCompacted) {
		t.Errorf("half way: %v", err)
	}
	recent, err := s.Watch(t.Context(), 199)
	if err != nil {
		t.Fatal(err)
	}
	if e := <-recent; e.Rev != 200 {
		t.Errorf("the last: %v", e)
	}
	var seen store.Rev
	for e := range slow { // it ends, because events were dropped before they were sent
		if e.Rev != seen+1 {
			t.Errorf("revision %d after %d", e.Rev, seen)
		}
		seen = e.Rev
	}
	if seen == 200 {
		t.Error("nothing was dropped")
	}
}

func newRoot(t testing.TB) *store.RootKey {
	t.Helper()
	root, err := store.CreateRootKey(filepath.Join(t.TempDir(), "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func openBolt(t testing.TB, path string, root store.Root) store.Store {
	t.Helper()
	s, err := store.OpenBolt(path, root, store.BoltOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func commitOne(t testing.TB, s store.Store, key string, value []byte) store.Rev {
	t.Helper()
	rev, err := s.Commit(t.Context(), nil, []store.Write{{Key: key, Value: value}})
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// update changes the file behind the store's back.
func update(t *testing.T, path string, fn func(tx *bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(fn), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// withMeta gives a store file with another entry in its meta bucket; nil: without it.
func withMeta(t *testing.T, data []byte, key string, value []byte) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	update(t, path, func(tx *bolt.Tx) error {
		if value == nil {
			return tx.Bucket([]byte("meta")).Delete([]byte(key))
		}
		return tx.Bucket([]byte("meta")).Put([]byte(key), value)
	})
	return readFile(t, path)
}

func otherDatabase(t *testing.T) []byte {
	path := filepath.Join(t.TempDir(), "other")
	update(t, path, func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket([]byte("things"))
		return err
	})
	return readFile(t, path)
}
