package trail

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"syscall"
)

// sink is what a journal needs of an open file.
type sink interface {
	Write(p []byte) (int, error) // appends, as O_APPEND does
	ReadAt(p []byte, off int64) (int, error)
	Truncate(size int64) error
	Stat() (os.FileInfo, error)
	Sync() error
	Close() error
}

func openFile(path string) (sink, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
}

// journal is a file that lines are appended to.
type journal struct {
	path   string
	file   sink
	log    *slog.Logger
	out    appender
	syncer *syncer

	open   sync.RWMutex // held for reading by every append
	closed bool
}

// openJournal opens or makes the file; every line of it begins with start.
func openJournal(path, start string, c *Config) (*journal, error) {
	file, err := c.open(path)
	if err != nil {
		return nil, err
	}
	if err := repair(file, path, start, c.Log); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("repairing the last line of %s: %w", path, err)
	}
	j := &journal{path: path, file: file, log: c.Log, out: appender{file: file}}
	j.syncer = startSyncer(c.SyncEvery, j.sync)
	return j, nil
}

// append writes one line, which ends in a newline.
func (j *journal) append(line []byte) error {
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

func (j *journal) close() error {
	j.open.Lock()
	defer j.open.Unlock()
	if j.closed {
		return nil
	}
	j.closed = true
	j.syncer.stop()
	return errors.Join(syncFile(j.file), j.file.Close())
}

// sync is what the syncer calls. Its failure is everybody's: the kernel may have
// dropped what it could not write, and says so once only.
func (j *journal) sync() {
	if err := syncFile(j.file); err != nil {
		j.out.fail(fmt.Errorf("an earlier sync to the disk failed, restart to go on: %w", err))
		j.log.Error("the file could not be synced to the disk, requests fail until the restart",
			"path", j.path, "error", err)
	}
}

// syncFile is fsync; pipes and devices, which have no disk behind them, are fine.
func syncFile(file sink) error {
	err := file.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}
