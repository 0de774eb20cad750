package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"hyok/kmsfront/store"
)

// A device takes the place of the file under the open store, so that the system
// calls that write fail as they do on a bad disk; afterwards the store is told
// what a restart, or a mended disk, would make of it.
func TestWriteFaults(t *testing.T) {
	for _, c := range []struct {
		fault, device string
		want          error
		mends         bool // without opening the store again
	}{
		{"the disk is full", "/dev/full", store.ErrNotWritten, true},
		{"a sync fails", "/dev/null", store.ErrUncertain, false},
	} {
		t.Run(c.fault, func(t *testing.T) {
			path, root := filepath.Join(t.TempDir(), "store"), newRoot(t)
			s := openBolt(t, path, root)
			commitOne(t, s, "a", []byte("1"))
			mend := replaceFile(t, path, c.device)
			_, err := s.Commit(t.Context(), nil, []store.Write{{Key: "a", Value: []byte("2")}})
			wantLine(t, err, c.want)
			wantValue(t, s, "a", "1")
			mend()
			_, err = s.Commit(t.Context(), nil, []store.Write{{Key: "b", Value: []byte("2")}})
			if c.mends && err != nil || !c.mends && !errors.Is(err, c.want) {
				t.Errorf("after it was mended: %v", err)
			}
			wantValue(t, s, "a", "1")
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openBolt(t, path, root)
			commitOne(t, s, "b", []byte("2"))
			wantValue(t, s, "a", "1")
			wantValue(t, s, "b", "2")
		})
	}
}

// replaceFile puts a device under the descriptor of an open file; mend undoes it.
func replaceFile(t *testing.T, path, device string) (mend func()) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		var fd int
		if target, _ := os.Readlink("/proc/self/fd/" + e.Name()); target != path {
			continue
		}
		if _, err := fmt.Sscan(e.Name(), &fd); err != nil {
			t.Fatal(err)
		}
		saved, err1 := syscall.Dup(fd)
		with, err2 := os.OpenFile(device, os.O_RDWR, 0)
		if err := errors.Join(err1, err2, syscall.Dup3(int(with.Fd()), fd, syscall.O_CLOEXEC), with.Close()); err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := errors.Join(syscall.Dup3(saved, fd, syscall.O_CLOEXEC), syscall.Close(saved)); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Fatalf("%s is not open", path)
	return nil
}

func wantValue(t *testing.T, s store.Store, key, want string) {
	t.Helper()
	if r, found, err := s.Get(t.Context(), key); err != nil || !found || string(r.Value) != want {
		t.Errorf("%s is %q (found %v, %v), want %q", key, r.Value, found, err, want)
	}
}

// The file may not grow past a limit of the process, so that of a commit some
// pages are written and others refused.
func TestFullDisk(t *testing.T) {
	if os.Getenv(childEnv) == "" {
		if out, err := childCommand("TestFullDisk", "1").CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	path, root := filepath.Join(t.TempDir(), "store"), newRoot(t)
	s := openBolt(t, path, root)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 2 << 20, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	value := bytes.Repeat([]byte("v"), 50_000)
	written, err := fill(t, s, value, 1000)
	wantLine(t, err, store.ErrNotWritten)
	if written < 10 {
		t.Errorf("only %d commits before the disk was full", written)
	}
	wantValue(t, s, "0000", string(value))
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if _, err := fill(t, s, value, written+10); err != nil {
		t.Errorf("when there is room again: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openBolt(t, path, root)
	records, _, err := s.Scan(t.Context(), "")
	if err != nil || len(records) != written+10 {
		t.Errorf("%d records, %v; want %d", len(records), err, written+10)
	}
}

// fill writes records 0 to n-1, until an error; it gives how many it wrote.
func fill(t *testing.T, s store.Store, value []byte, n int) (written int, err error) {
	for i := range n {
		if _, err := s.Commit(t.Context(), nil, []store.Write{{Key: fmt.Sprintf("%04d", i), Value: value}}); err != nil {
			return i, err
		}
	}
	return n, nil
}

// childEnv is set in a test process that another test started; its value is the
// test's own.
const childEnv = "HYOK_STORE_TEST_CHILD"

func childCommand(test, value string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$")
	cmd.Env = append(os.Environ(), childEnv+"="+value)
	return cmd
}
