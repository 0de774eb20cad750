// Package durable writes files so that a reader, or this program after a power
// cut, finds the old content or the new one and never a part.
//
// Limit: the promise is for one file; of two that belong together, either may be
// the newer one after a crash.
package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// WriteFile puts data at path with exactly the permissions mode, whatever the
// umask: temporary file in the same folder, fsync, rename, fsync of the folder.
// On an error the file at path is as it was, unless only the folder's fsync
// failed; nothing temporary is left.
func WriteFile(path string, data []byte, mode os.FileMode) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("making a temporary file: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, discard(f))
		}
	}()
	if _, err := f.Write(data); err != nil {
		return fmt.Errorf("writing the temporary file: %w", err)
	}
	if err := f.Chmod(mode); err != nil {
		return fmt.Errorf("setting the file's mode: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("syncing the temporary file: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("closing the temporary file: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("renaming the temporary file: %w", err)
	}
	return SyncDir(dir)
}

// SyncDir makes the names in a folder durable: created, renamed, removed.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("opening the folder: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("syncing the folder: %w", err)
	}
	return nil
}

// discard removes what a failed write left; that it is closed or gone is fine.
func discard(f *os.File) error {
	_ = f.Close()
	if err := os.Remove(f.Name()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the temporary file: %w", err)
	}
	return nil
}
