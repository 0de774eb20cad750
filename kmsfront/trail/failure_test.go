package trail

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"hyok/internal/journal"
)

// faulty is a real file whose calls can be made to fail.
type faulty struct {
	*os.File
	write    func(p []byte) (keep int, err error) // nil: writes all
	truncate error
	sync     error
	synced   atomic.Int64
}

func (f *faulty) Write(p []byte) (int, error) {
	if f.write != nil {
		if keep, err := f.write(p); err != nil {
			n, _ := f.File.Write(p[:keep])
			return n, err
		}
	}
	return f.File.Write(p)
}

func (f *faulty) Truncate(size int64) error {
	if f.truncate != nil {
		return f.truncate
	}
	return f.File.Truncate(size)
}

func (f *faulty) Sync() error {
	f.synced.Add(1)
	return f.sync
}

// faultyTrail opens a trail whose file the test can make fail.
func faultyTrail(t *testing.T, c Config) (*Trail, *faulty) {
	t.Helper()
	f := &faulty{}
	c.Path = filepath.Join(t.TempDir(), "trail.jsonl")
	c.open = func(path string) (s sink, err error) {
		f.File, err = os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
		return f, err
	}
	return openTrail(t, c), f
}

func TestAFailedWriteLeavesNoPartOfALine(t *testing.T) {
	for _, keep := range []int{0, 1, 100, 1 << 20} {
		t.Run(fmt.Sprintf("after %d bytes", keep), func(t *testing.T) {
			tr, f := faultyTrail(t, Config{})
			f.write = func(p []byte) (int, error) { return min(keep, len(p)), syscall.ENOSPC }
			if err := tr.Write(record("lost")); !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("got %v, want ENOSPC", err)
			}
			f.write = nil
			if err := tr.Write(record("kept")); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(requestIDs(t, f.Name())); got != "[kept]" {
				t.Errorf("records %s", got)
			}
		})
	}
}

func TestAPartThatCannotBeCutOffIsEndedBeforeTheNextLine(t *testing.T) {
	tr, f := faultyTrail(t, Config{})
	f.write = func([]byte) (int, error) { return 100, syscall.EIO }
	f.truncate = syscall.EIO
	for range 2 {
		if err := tr.Write(record("lost")); !errors.Is(err, syscall.EIO) {
			t.Fatalf("got %v, want EIO", err)
		}
	}
	f.write = nil
	for _, id := range []string{"kept", "also"} {
		if err := tr.Write(record(id)); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if len(lines) != 4 || json.Valid([]byte(lines[0])) || json.Valid([]byte(lines[1])) ||
		!strings.Contains(lines[2], "kept") || !json.Valid([]byte(lines[2])) || !json.Valid([]byte(lines[3])) {
		t.Errorf("got %d lines: %q", len(lines), lines)
	}
}

// While one caller writes, the others gather; a failed group fails all of them.
func TestCallersShareAWriteAndItsFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, f := faultyTrail(t, Config{})
		defer tr.Close()
		release, writes := make(chan struct{}), 0
		f.write = func([]byte) (int, error) {
			writes++
			if writes == 1 {
				<-release
				return 0, nil
			}
			return 50, syscall.ENOSPC
		}
		results := make(chan error, 9)
		go func() { results <- tr.Write(record("first")) }()
		synctest.Wait()
		for range 8 {
			go func() { results <- tr.Write(record("group")) }()
		}
		synctest.Wait()
		close(release)
		failed := 0
		for range 9 {
			if err := <-results; errors.Is(err, syscall.ENOSPC) {
				failed++
			} else if err != nil {
				t.Error(err)
			}
		}
		if writes != 2 || failed != 8 {
			t.Errorf("%d writes, %d failures; want 2 and 8", writes, failed)
		}
		if got := fmt.Sprint(requestIDs(t, f.Name())); got != "[first]" {
			t.Errorf("records %s", got)
		}
	})
}

func TestSyncsComeInGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, f := faultyTrail(t, Config{SyncEvery: time.Second})
		for range 5 {
			if err := tr.Write(record("1")); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := f.synced.Load(); n != 0 {
			t.Fatalf("%d syncs before the interval", n)
		}
		<-time.After(time.Minute) // on the bubble's clock
		if n := f.synced.Load(); n != 1 {
			t.Fatalf("%d syncs for five records, want 1", n)
		}
		if err := tr.Close(); err != nil {
			t.Fatal(err)
		}
		if n := f.synced.Load(); n != 2 {
			t.Errorf("%d syncs after Close, want 2", n)
		}
	})
}

func TestAFailedSyncFailsEveryLaterWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		tr, f := faultyTrail(t, Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
		f.sync = syscall.EIO
		if err := tr.Write(record("1")); err != nil {
			t.Fatal(err)
		}
		<-time.After(journal.DefaultSync) // on the bubble's clock
		synctest.Wait()
		f.sync = nil
		if err := tr.Write(record("2")); !errors.Is(err, syscall.EIO) {
			t.Errorf("got %v, want EIO", err)
		}
		if !strings.Contains(log.String(), "could not be synced") {
			t.Errorf("log %q", log.String())
		}
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestWithoutSyncingOnlyCloseSyncs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, f := faultyTrail(t, Config{SyncEvery: -1})
		_ = tr.Write(record("1"))
		<-time.After(time.Hour) // on the bubble's clock
		if n := f.synced.Load(); n != 0 {
			t.Errorf("%d syncs, want 0", n)
		}
		f.sync = syscall.EIO
		if err := tr.Close(); !errors.Is(err, syscall.EIO) {
			t.Errorf("Close: got %v, want EIO", err)
		}
	})
}
