package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// file is what a chain needs of an open file.
type file interface {
	Write(p []byte) (int, error) // appends, as O_APPEND does
	ReadAt(p []byte, off int64) (int, error)
	Truncate(size int64) error
	Stat() (os.FileInfo, error)
	Sync() error
	Close() error
}

// openFile opens or makes a file for this process alone.
func openFile(path string) (file, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, errors.New("it must be a regular file"), f.Close())
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("locking it: %w; another process has it, end that one or give another file", err), f.Close())
	}
	return f, nil
}

// maxLine is in bytes. The longest has two ARNs of 2,048 characters and a few
// names of 256, each character escaped as six.
const maxLine = 64 << 10

// recover finds where the chain has come to, in the file or in the one that was
// put aside last, and cuts off what is no whole line. It gives the bytes cut.
func (c *chain) recover() (removed int64, err error) {
	info, err := c.file.Stat()
	if err != nil {
		return 0, err
	}
	line, part, err := lastLine(c.file, info.Size())
	if err != nil {
		return 0, err
	}
	const start = `{"seq":`
	text := string(bytes.TrimRight(part, "\x00")) // a file system may leave zeros where power was lost
	if !strings.HasPrefix(text, start) && !strings.HasPrefix(start, text) {
		return 0, errForeign
	}
	c.size = info.Size() - int64(len(part))
	if c.size > 0 {
		err = c.resume(line)
	} else {
		err = c.resumeRotated()
	}
	if err == nil && len(part) > 0 {
		err = c.file.Truncate(c.size)
	}
	return int64(len(part)), err
}

var errForeign = errors.New("it does not end as the proxy leaves it, with this key or none: look at it with xksproxy verify-log, and move it away to begin a new chain")

// resume goes on behind a line.
func (c *chain) resume(line []byte) error {
	p, err := c.sealer.parse(line)
	if err != nil {
		return fmt.Errorf("%w (last line: %w)", errForeign, err)
	}
	c.head = p.head
	return nil
}

// resumeRotated goes on behind the file that was put aside last, if there is one:
// a crash came before the new file had a line.
func (c *chain) resumeRotated() error {
	aside, err := filepath.Glob(globQuoter.Replace(c.config.Path) + ".[0-9]*")
	if err != nil || len(aside) == 0 {
		return err
	}
	name := slices.Max(aside)
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	line, part, err := lastLine(f, info.Size())
	if err == nil && len(part) > 0 {
		err = errForeign
	}
	if err == nil {
		err = c.resume(line)
	}
	if err != nil {
		return fmt.Errorf("going on from %s: %w", name, err)
	}
	return nil
}

var globQuoter = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

// lastLine gives the last whole line of the first size bytes, and what stands
// behind it.
func lastLine(f interface {
	ReadAt(p []byte, off int64) (int, error)
}, size int64) (line, part []byte, err error) {
	tail := make([]byte, min(size, 2*maxLine))
	if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil {
		return nil, nil, err
	}
	end := bytes.LastIndexByte(tail, '\n')
	if end < 0 {
		if len(tail) > maxLine {
			return nil, nil, errForeign
		}
		return nil, tail, nil
	}
	begin := bytes.LastIndexByte(tail[:end], '\n') + 1
	return tail[begin:end], tail[end+1:], nil
}

// rotatedName is the name of a file whose last line has the number seq. Names
// sort as the numbers do.
func rotatedName(path string, seq uint64) string { return fmt.Sprintf("%s.%012d", path, seq) }

// renameNew renames a file to a name that must be free.
func renameNew(from, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return &fs.PathError{Op: "rename", Path: to, Err: fs.ErrExist}
	}
	return os.Rename(from, to)
}
