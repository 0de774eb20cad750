package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// createFile makes a file that is at path whole and on the disk, or not at all:
// write fills a new file beside it, which is synced and linked to its name, then
// the directory is synced. Unlike a rename, a link never replaces a file, so that
// of two processes one gets fs.ErrExist.
func createFile(path string, write func(temp string) error) (err error) {
	dir, err := os.MkdirTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	temp := filepath.Join(dir, "new")
	if err := write(temp); err != nil {
		return err
	}
	if err := syncPath(temp); err != nil {
		return err
	}
	if err := os.Link(temp, path); err != nil {
		return err
	}
	return syncPath(filepath.Dir(path))
}

// syncPath waits until a file, or a directory's entries, are on the disk.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("syncing %s: %w", path, err)
	}
	return nil
}
