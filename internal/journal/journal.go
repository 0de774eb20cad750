// Package journal appends lines to a file for many callers at a time, who go on
// once the operating system has their line.
//
// Callers that come while another one writes share the next write(2). Syncing to
// the disk follows in groups.
//
// Limits: a crash of the process loses no line that was acknowledged; a crash of
// the machine may lose those of the last sync interval.
package journal

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"
)

// A File takes lines. Append is called by one caller at a time, Sync beside it.
type File interface {
	// Append writes all of the lines, each with its newline, or none of them.
	Append(lines []byte) error
	Sync() error
	Close() error
}

// Config of a Journal.
type Config struct {
	// Name stands for the file in the log.
	Name string
	// SyncEvery is how long a line may wait for fsync. 0: DefaultSync. Negative:
	// no sync before Close.
	SyncEvery time.Duration
	// Log is told of a failed sync. Nil: nobody is.
	Log *slog.Logger
}

// A Journal is a File that lines are appended to. It is safe for concurrent use.
type Journal struct {
	config Config
	file   File
	out    appender
	syncer *syncer

	open   sync.RWMutex // held for reading by every append
	closed bool
}

// New makes the Journal of a file, which is its own from now on.
func New(file File, c Config) *Journal {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	j := &Journal{config: c, file: file, out: appender{file: file}}
	j.syncer = startSyncer(c.SyncEvery, j.sync)
	return j
}

// Append writes one line, which ends in a newline, and returns when the operating
// system has it. The memory stays the caller's. Errors of the disk are worth
// another try; after a failed sync every Append fails, because what the operating
// system then still holds is unknown.
func (j *Journal) Append(line []byte) error {
	j.open.RLock()
	defer j.open.RUnlock()
	if j.closed {
		return os.ErrClosed
	}
	if err := j.out.append(line); err != nil {
		return err
	}
	j.syncer.mark()
	return nil
}

// Close waits for the writes in progress, syncs and closes the file. Append fails
// from then on with os.ErrClosed.
func (j *Journal) Close() error {
	j.open.Lock()
	defer j.open.Unlock()
	if j.closed {
		return nil
	}
	j.closed = true
	j.syncer.stop()
	return errors.Join(SyncFile(j.file), j.file.Close())
}

// sync is what the syncer calls. Its failure is everybody's: the kernel may have
// dropped what it could not write, and says so once only.
func (j *Journal) sync() {
	if err := SyncFile(j.file); err != nil {
		j.out.fail(fmt.Errorf("an earlier sync to the disk failed, restart to go on: %w", err))
		j.config.Log.Error("the file could not be synced to the disk, requests fail until the restart",
			"path", j.config.Name, "error", err)
	}
}

// SyncFile is fsync; pipes and devices, which have no disk behind them, are fine.
func SyncFile(file interface{ Sync() error }) error {
	err := file.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}
