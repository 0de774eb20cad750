package journal_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"hyok/internal/journal"
)

// memory is a File that keeps each Append for itself.
type memory struct {
	writes []string
	block  chan struct{} // nil, or the first Append waits for it
	fail   error         // of Append, from the second one on
	sync   error
	synced int
	closed bool
}

func (m *memory) Append(lines []byte) error {
	m.writes = append(m.writes, string(lines))
	if len(m.writes) > 1 {
		return m.fail
	}
	if m.block != nil {
		<-m.block
	}
	return nil
}

func (m *memory) Sync() error {
	m.synced++
	return m.sync
}

func (m *memory) Close() error {
	m.closed = true
	return nil
}

// While one caller writes, the others gather; all of them are told what became of
// their one write.
func TestCallersShareAWrite(t *testing.T) {
	for name, fail := range map[string]error{"written": nil, "failed": syscall.ENOSPC} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &memory{block: make(chan struct{}), fail: fail}
				j := journal.New(m, journal.Config{SyncEvery: -1})
				defer j.Close()
				results := make(chan error, 9)
				for i := range 9 {
					go func() { results <- j.Append([]byte{'a' + byte(i), '\n'}) }()
					if i == 0 {
						synctest.Wait()
					}
				}
				synctest.Wait()
				close(m.block)
				failed := 0
				for range 9 {
					if err := <-results; err != nil {
						failed++
						if !errors.Is(err, fail) {
							t.Error(err)
						}
					}
				}
				lines := slices.Sorted(strings.Lines(strings.Join(m.writes, "")))
				if len(m.writes) != 2 || strings.Join(lines, "") != "a\nb\nc\nd\ne\nf\ng\nh\ni\n" || failed != 0 != (fail != nil) || failed%8 != 0 {
					t.Errorf("writes %q, %d failed", m.writes, failed)
				}
			})
		})
	}
}

func TestLinesAreSyncedInGroupsAndAFailureIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(memory)
		j := journal.New(m, journal.Config{SyncEvery: time.Second})
		for range 3 {
			if err := j.Append([]byte("x\n")); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(time.Minute) // on the bubble's clock
		synctest.Wait()
		if m.synced != 1 {
			t.Errorf("%d syncs for one group", m.synced)
		}
		m.sync = syscall.EIO
		if err := j.Append([]byte("x\n")); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		synctest.Wait()
		m.sync = nil
		if err := j.Append([]byte("x\n")); !errors.Is(err, syscall.EIO) {
			t.Errorf("after a failed sync: %v", err)
		}
		if err := errors.Join(j.Close(), j.Close()); err != nil || !m.closed {
			t.Errorf("closing: %v, closed %v", err, m.closed)
		}
	})
}

func TestWithoutADiskBehindItAFileNeedsNoSync(t *testing.T) {
	for err, fails := range map[error]bool{syscall.EINVAL: false, syscall.ENOTSUP: false, syscall.EIO: true} {
		if got := journal.SyncFile(&memory{sync: err}); (got != nil) != fails {
			t.Errorf("%v: got %v", err, got)
		}
	}
}

func TestAClosedJournalTakesNoLine(t *testing.T) {
	m := new(memory)
	j := journal.New(m, journal.Config{})
	if err := j.Close(); err != nil || m.synced != 1 {
		t.Errorf("closing: %v, %d syncs", err, m.synced)
	}
	if err := j.Append([]byte("x\n")); !errors.Is(err, os.ErrClosed) || len(m.writes) != 0 {
		t.Errorf("got %v, wrote %q", err, m.writes)
	}
}
