package trail

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// maxLine is in bytes; the largest record has a policy or two of 32 KiB, escaped.
const maxLine = 1 << 20

// repair mends a last line without its end: see Open. Lines begin with start.
func repair(file sink, path, start string, log *slog.Logger) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	tail, err := lastLine(file, info.Size())
	if err != nil || len(tail) == 0 {
		return err
	}
	// A file system that lost power may leave zeros where data was not written.
	text := string(bytes.TrimRight(tail, "\x00"))
	if !strings.HasPrefix(text, start) && !strings.HasPrefix(start, text) {
		return errors.New("it does not end as hyok leaves it; give another file, or move this one away")
	}
	if len(text) == len(tail) && json.Valid(tail) {
		if _, err := file.Write([]byte{'\n'}); err != nil {
			return err
		}
		log.Warn("the last line had no end, it was added", "path", path)
		return nil
	}
	if err := file.Truncate(info.Size() - int64(len(tail))); err != nil {
		return err
	}
	log.Warn("the file ended in part of a record that no request was answered for, it was removed",
		"path", path, "bytes", len(tail))
	return nil
}

// lastLine gives what stands after the last newline of the first size bytes.
func lastLine(file sink, size int64) ([]byte, error) {
	tail := make([]byte, min(size, maxLine))
	if _, err := file.ReadAt(tail, size-int64(len(tail))); err != nil {
		return nil, err
	}
	if i := bytes.LastIndexByte(tail, '\n'); i >= 0 {
		return tail[i+1:], nil
	}
	if size > maxLine {
		return nil, fmt.Errorf("its last line is longer than %d bytes; give another file, or move this one away", maxLine)
	}
	return tail, nil
}
