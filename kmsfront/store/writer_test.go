package store

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
)

// What a failed commit means depends on its error and on what the file shows then.
func TestFailedCommit(t *testing.T) {
	full := &os.PathError{Op: "write", Path: "store", Err: syscall.ENOSPC}
	for _, c := range []struct {
		rule   string
		cause  error
		stored bool
		want   error
	}{
		{"a full disk, not stored: go on", full, false, ErrNotWritten},
		{"a quota, not stored: go on", syscall.EDQUOT, false, ErrNotWritten},
		{"a read-only disk, not stored: go on", syscall.EROFS, false, ErrNotWritten},
		{"a file that cannot grow, not stored: go on", errors.New("file resize error: no space left on device"), false, ErrNotWritten},
		{"a full disk, yet stored: stop", full, true, ErrUncertain},
		{"a failing device, not stored: stop", syscall.EIO, false, ErrUncertain},
		{"a failing device, yet stored: stop", syscall.EIO, true, ErrUncertain},
		{"any other error: stop", io.ErrUnexpectedEOF, false, ErrUncertain},
	} {
		t.Run(c.rule, func(t *testing.T) {
			b := openInternal(t)
			path, before := b.db.Path(), b.rev
			if _, err := b.Commit(t.Context(), nil, []Write{{Key: "a", Value: []byte("1")}}); err != nil {
				t.Fatal(err)
			}
			if err := b.Close(); err != nil { // the writer is at rest now: its fields may be touched
				t.Fatal(err)
			}
			b = reopenInternal(t, path, b.sealer)
			if c.stored {
				b.rev = before
			}
			if err := b.failed(c.cause); !errors.Is(err, c.want) || !errors.Is(err, c.cause) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if stops := b.uncertain != nil; stops != (c.want == ErrUncertain) {
				t.Errorf("writing stops: %v", stops)
			}
		})
	}
}

// A commit that cannot be sealed has no effect on those that share its sync.
func TestUnsealableCommitSpoilsNoNeighbour(t *testing.T) {
	b := openInternal(t)
	defer b.Close()
	broken := errors.New("the token is away")
	b.sealer = sealerFunc(func(plaintext, context []byte) ([]byte, error) {
		if string(plaintext) == "bad" {
			return nil, broken
		}
		return plaintext, nil
	})
	group := make([]*request, 3)
	for i, value := range []string{"1", "bad", "3"} {
		writes := []Write{{Key: "first " + value, Value: []byte("1")}, {Key: value, Value: []byte(value)}}
		group[i] = &request{writes: writes, answer: make(chan answer, 1)}
	}
	answers := make([]answer, len(group))
	events, rev, err := b.transact(group, answers)
	if err != nil || rev != 2 || len(events) != 4 {
		t.Fatalf("revision %d, %d events, %v", rev, len(events), err)
	}
	for i, want := range []answer{{rev: 1}, {err: broken}, {rev: 2}} {
		if got := answers[i]; got.rev != want.rev || !errors.Is(got.err, want.err) {
			t.Errorf("commit %d: %v, want %v", i, got, want)
		}
	}
	if _, found, _ := b.Get(t.Context(), "first bad"); found {
		t.Error("half of the bad commit was made")
	}
}

// A commit can be given up until the writer has it; then its answer is waited for.
func TestGivingUpACommit(t *testing.T) {
	b := openInternal(t)
	path := b.db.Path()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for _, taken := range []bool{false, true} {
		idle := reopenInternal(t, path, b.sealer)
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := idle.Commit(ctx, nil, []Write{{Key: "a", Value: []byte("1")}})
				done <- err
			}()
			synctest.Wait()
			var group []*request
			if taken {
				group, _ = idle.take()
			}
			cancel()
			synctest.Wait()
			idle.commit(group)
			if err := <-done; taken != (err == nil) || (!taken && !errors.Is(err, context.Canceled)) {
				t.Errorf("taken %v: %v", taken, err)
			}
			if n := idle.waits(); n != 0 {
				t.Errorf("taken %v: %d commits wait", taken, n)
			}
		})
		if _, found, _ := idle.Get(t.Context(), "a"); found != taken {
			t.Errorf("taken %v: it is there: %v", taken, found)
		}
		idle.db.Close()
	}
}

type sealerFunc func(plaintext, context []byte) ([]byte, error)

func (f sealerFunc) Seal(plaintext, context []byte) ([]byte, error) { return f(plaintext, context) }
func (f sealerFunc) Open(sealed, _ []byte) ([]byte, error)          { return sealed, nil }

func openInternal(t *testing.T) *boltStore {
	t.Helper()
	root, err := CreateRootKey(filepath.Join(t.TempDir(), "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := OpenBolt(filepath.Join(t.TempDir(), "store"), root, BoltOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*boltStore)
}

// reopenInternal opens a store without a writer.
func reopenInternal(t *testing.T, path string, sealer Sealer) *boltStore {
	t.Helper()
	b, err := openBolt(path, sealer, BoltOptions{LockWait: 1, History: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.db.Close() })
	return b
}

// FuzzOpenRecord gives a record's reader whatever a file may hold.
func FuzzOpenRecord(f *testing.F) {
	root := newRootKey(make([]byte, 32))
	sealer := root.For("store records")
	good, err := sealRecord(sealer, Record{Key: "key", Value: []byte("value"), Rev: 7})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("key", good)
	f.Add("key2", good)
	f.Add("key", good[:8])
	f.Add("", []byte{})
	f.Fuzz(func(t *testing.T, key string, stored []byte) {
		r, err := openRecord(sealer, key, stored)
		switch { // what opens is what was sealed, here or in another fuzzing process
		case err == nil && (key != "key" || string(r.Value) != "value" || r.Rev != 7):
			t.Errorf("%q %x opens: %v", key, stored, r)
		case err != nil && !errors.Is(err, ErrSealed):
			t.Errorf("%q %x: %v", key, stored, err)
		}
	})
}

// FuzzParseRootKey: a file that is taken for a root key is the only one of that key.
func FuzzParseRootKey(f *testing.F) {
	f.Add([]byte("hyok-root-key-1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"))
	f.Add([]byte("hyok-root-key-1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n"))
	f.Add([]byte("hyok-root-key-1 AAAA\n"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, data []byte) {
		secret, err := parseRootKey(data)
		if err == nil && len(secret) != 32 {
			t.Errorf("%q gives %d bytes", data, len(secret))
		}
	})
}
