package audit

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// A slow file's writes wait, once it has a gate.
type slow struct {
	file
	gate chan struct{}
}

func (s *slow) Write(p []byte) (int, error) {
	if s.gate != nil {
		<-s.gate
	}
	return s.file.Write(p)
}

// No caller waits for a disk that hangs for longer than its context allows, nor do
// their writes pile up; once it answers again the chain goes on.
func TestADiskThatHangsHoldsNobody(t *testing.T) {
	s, p := new(slow), path(t)
	l, err := Open(Config{Path: p, SyncEvery: -1, open: func(path string) (_ file, err error) {
		s.file, err = openFile(path)
		return s, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.gate = make(chan struct{})
	for range maxStuck {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		start := time.Now()
		if err := l.Write(ctx, record("hangs")); !errors.Is(err, ErrSlow) || time.Since(start) > 5*time.Second {
			t.Fatalf("got %v after %s", err, time.Since(start))
		}
		cancel()
	}
	start := time.Now()
	if err := l.Write(t.Context(), record("refused")); !errors.Is(err, ErrSlow) || time.Since(start) > 5*time.Second {
		t.Fatalf("got %v after %s", err, time.Since(start))
	}
	close(s.gate)
	for end := time.Now().Add(10 * time.Second); ; { // until the lines that hung have been written
		if err := l.Write(t.Context(), record("well")); err == nil {
			break
		} else if !errors.Is(err, ErrSlow) || time.Now().After(end) {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	check(t, "", p)
	if n := strings.Count(content(t, p), `"hangs"`); n != maxStuck {
		t.Errorf("%d of the lines that hung are there", n)
	}
	if strings.Contains(content(t, p), "refused") {
		t.Error("a line that was refused is there")
	}
}
