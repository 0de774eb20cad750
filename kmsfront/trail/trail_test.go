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
	"sync"
	"syscall"
	"testing"

	"hyok/kmsfront/api"
)

func record(requestID string) *Record {
	call := encryptCall()
	call.RequestID = requestID
	return New(call, &api.EncryptResponse{}, nil, Extra{KeyARN: keyARN})
}

func openTrail(t *testing.T, c Config) *Trail {
	t.Helper()
	tr, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

// requestIDs reads the file and fails if it is not whole lines of records.
func requestIDs(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > 0 && !bytes.HasSuffix(data, []byte("\n")) {
		t.Fatalf("the last line has no end: %q", data[max(0, len(data)-100):])
	}
	var ids []string
	for line := range strings.Lines(string(data)) {
		var r Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		ids = append(ids, r.RequestID)
	}
	return ids
}

func TestAWrittenRecordIsInTheFileBeforeWriteReturns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trail.jsonl")
	tr := openTrail(t, Config{Path: path, SyncEvery: -1})
	for i := range 3 {
		if err := tr.Write(record(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
		if got := requestIDs(t, path); len(got) != i+1 || got[i] != fmt.Sprint(i) {
			t.Fatalf("after record %d the file has %v", i, got)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
}

func TestTheTrailGoesOnAfterReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trail.jsonl")
	for i := range 3 {
		tr := openTrail(t, Config{Path: path})
		if err := tr.Write(record(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
		if err := tr.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := requestIDs(t, path); len(got) != 3 {
		t.Errorf("got %v", got)
	}
}

func TestConcurrentCallersEachHaveTheirLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trail.jsonl")
	tr := openTrail(t, Config{Path: path})
	const callers, each = 16, 200
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				if err := tr.Write(record(fmt.Sprintf("%d-%d", c, i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got := requestIDs(t, path)
	seen := make(map[string]bool)
	for _, id := range got {
		seen[id] = true
	}
	if len(got) != callers*each || len(seen) != callers*each {
		t.Errorf("%d lines, %d different; want %d", len(got), len(seen), callers*each)
	}
}

func TestAClosedTrailRefusesRecords(t *testing.T) {
	tr := openTrail(t, Config{Path: filepath.Join(t.TempDir(), "trail.jsonl")})
	if err := errors.Join(tr.Close(), tr.Close()); err != nil {
		t.Fatal(err)
	}
	if err := tr.Write(record("1")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v, want os.ErrClosed", err)
	}
}

func TestOpenFails(t *testing.T) {
	dir := t.TempDir()
	foreign := filepath.Join(dir, "foreign")
	if err := os.WriteFile(foreign, []byte("no newline at the end"), 0o600); err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(dir, "long")
	if err := os.WriteFile(long, bytes.Repeat([]byte("x"), maxLine+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"without a path": "", "in a directory that is not there": filepath.Join(dir, "none", "trail"),
		"on a directory": dir, "on a file that is no trail": foreign, "on a file of one endless line": long,
	} {
		if tr, err := Open(Config{Path: path}); err == nil {
			_ = tr.Close()
			t.Errorf("%s: opened", name)
		}
	}
	if data, _ := os.ReadFile(foreign); string(data) != "no newline at the end" {
		t.Errorf("a file that is no trail was changed to %q", data)
	}
}

// A device that is always full stands for a full disk.
func TestAFullDiskFailsTheWrite(t *testing.T) {
	tr := openTrail(t, Config{Path: "/dev/full"})
	if err := tr.Write(record("1")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want ENOSPC", err)
	}
}

func TestATornLastLineIsRepaired(t *testing.T) {
	whole := string(appendRecord(nil, record("2")))
	tests := []struct{ name, tail, log string }{
		{"nothing to repair", "", ""},
		{"part of a record is removed", whole[:len(whole)/2], "removed"},
		{"the first bytes of a record are removed", whole[:5], "removed"},
		{"a whole record gets its line end", whole, "added"},
		{"zeros after a power cut are removed", strings.Repeat("\x00", 300), "removed"},
		{"part of a record with zeros is removed", whole[:100] + "\x00\x00", "removed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "trail.jsonl")
			first := string(appendRecord(nil, record("1"))) + "\n"
			if err := os.WriteFile(path, []byte(first+test.tail), 0o600); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			tr := openTrail(t, Config{Path: path, Log: slog.New(slog.NewTextHandler(&log, nil))})
			if err := tr.Write(record("3")); err != nil {
				t.Fatal(err)
			}
			want := "[1 3]"
			if test.log == "added" {
				want = "[1 2 3]"
			}
			if got := fmt.Sprint(requestIDs(t, path)); got != want {
				t.Errorf("records %s, want %s", got, want)
			}
			if !strings.Contains(log.String(), test.log) || test.log == "" && log.Len() > 0 {
				t.Errorf("log %q, want %q", log.String(), test.log)
			}
		})
	}
}
