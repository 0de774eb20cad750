package trail

import (
	"fmt"
	"os"

	"hyok/internal/journal"
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

// openJournal opens or makes the file; every line of it begins with start.
func openJournal(path, start string, c *Config) (*journal.Journal, error) {
	file, err := c.open(path)
	if err != nil {
		return nil, err
	}
	if err := repair(file, path, start, c.Log); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("repairing the last line of %s: %w", path, err)
	}
	return journal.New(&lines{sink: file}, journal.Config{Name: path, SyncEvery: c.SyncEvery, Log: c.Log}), nil
}

// lines is a file of lines.
type lines struct {
	sink
	torn bool // the file ends in part of a line
}

// Append writes all of p, or none: what a failed write left is cut off again. If
// even that fails, the next write ends the broken line first.
func (l *lines) Append(p []byte) error {
	if l.torn {
		p = append([]byte{'\n'}, p...)
	}
	n, err := l.Write(p)
	if err == nil {
		l.torn = false
		return nil
	}
	if n > 0 {
		if cut := l.cut(n); cut != nil {
			l.torn = true
			return fmt.Errorf("%w; cutting off the part that was written: %w", err, cut)
		}
	}
	return err
}

// cut removes the last n bytes of the file.
func (l *lines) cut(n int) error {
	info, err := l.Stat()
	if err != nil {
		return err
	}
	return l.Truncate(max(0, info.Size()-int64(n)))
}
