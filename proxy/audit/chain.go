package audit

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"hyok/internal/durable"
	"hyok/internal/journal"
)

// chain is a journal.File that links lines and begins new files.
type chain struct {
	config Config
	sealer sealer

	swap sync.RWMutex // held for reading by Sync, for writing when file changes
	file file

	// The writer's alone.
	head   head
	size   int64 // of what is whole in the file
	limit  int64 // at which the next file is begun; 0: never
	torn   bool  // the file has more than size
	sealed []byte
}

// openChain opens the file, repairs it, and says in it that it is open.
func openChain(c Config) (*chain, error) {
	f, err := c.open(c.Path)
	if err != nil {
		return nil, err
	}
	ch := &chain{config: c, sealer: newSealer(c.Key), file: f, limit: c.MaxSize, head: head{hash: zero}}
	if err := ch.begin(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return ch, nil
}

func (c *chain) begin() error {
	removed, err := c.recover()
	if err != nil {
		return err
	}
	now := time.Now()
	var events []byte
	if removed > 0 {
		events = appendEvent(events, eventRepaired, now, removed)
		c.config.Log.Warn("the audit log ended in part of a line that no request was answered for, it was removed",
			"path", c.config.Path, "bytes", removed)
	}
	if err := c.write(appendEvent(events, eventOpened, now, 0)); err != nil {
		return err
	}
	c.config.Log.Info("the audit log is open", "path", c.config.Path, "line", c.head.seq, "hash", string(c.head.hash[:]))
	return nil
}

// Append implements journal.File; the lines are bodies.
func (c *chain) Append(bodies []byte) error {
	if c.limit > 0 && c.size >= c.limit {
		if err := c.rotate(); err != nil {
			c.limit = c.size + c.config.MaxSize // not at every line again
			c.config.Log.Error("the audit log could not go on in a new file and goes on in the old one",
				"path", c.config.Path, "cause", err)
		}
	}
	return c.write(bodies)
}

// write links bodies and writes them: all or none. A part that cannot be cut off
// again must go before more is written, since it would break the chain.
func (c *chain) write(bodies []byte) error {
	if c.torn {
		if err := c.file.Truncate(c.size); err != nil {
			return fmt.Errorf("cutting off part of a line: %w", err)
		}
		c.torn = false
	}
	next := c.head
	c.sealed = c.sealed[:0]
	if c.size == 0 && next.seq > 0 {
		body := appendEvent(nil, eventContinued, time.Now(), 0)
		c.sealed = c.sealer.appendLine(c.sealed, body[:len(body)-1], &next)
	}
	for body := range bytes.Lines(bodies) {
		c.sealed = c.sealer.appendLine(c.sealed, body[:len(body)-1], &next)
	}
	n, err := c.file.Write(c.sealed)
	if err != nil {
		if n > 0 {
			c.torn = c.file.Truncate(c.size) != nil
		}
		return err
	}
	c.head = next
	c.size += int64(n)
	if cap(c.sealed) > maxSealed {
		c.sealed = nil
	}
	return nil
}

// maxSealed is the most memory kept from one group of lines to the next.
const maxSealed = 1 << 20

// rotate puts the file aside and begins the next one, whose first line links to
// the last of the old. On an error the old file stays in use.
func (c *chain) rotate() error {
	if c.torn {
		return errors.New("it ends in part of a line")
	}
	if err := journal.SyncFile(c.file); err != nil {
		return err
	}
	aside := rotatedName(c.config.Path, c.head.seq)
	if err := renameNew(c.config.Path, aside); err != nil {
		return err
	}
	next, err := c.config.open(c.config.Path)
	if err != nil {
		return errors.Join(err, renameNew(aside, c.config.Path))
	}
	c.swap.Lock()
	old := c.file
	c.file = next
	c.swap.Unlock()
	c.size, c.limit = 0, c.config.MaxSize // write begins with a line that says so
	c.config.Log.Info("the audit log goes on in a new file", "path", c.config.Path, "old", aside,
		"line", c.head.seq, "hash", string(c.head.hash[:]))
	if err := errors.Join(old.Close(), durable.SyncDir(filepath.Dir(c.config.Path))); err != nil {
		c.config.Log.Warn("putting a file of the audit log aside", "path", aside, "cause", err)
	}
	return nil
}

// Sync implements journal.File.
func (c *chain) Sync() error {
	c.swap.RLock()
	defer c.swap.RUnlock()
	return c.file.Sync()
}

// Close implements journal.File. No other call is under way.
func (c *chain) Close() error {
	err := c.write(appendEvent(nil, eventClosed, time.Now(), 0))
	if err == nil {
		c.config.Log.Info("the audit log is closed", "path", c.config.Path, "line", c.head.seq, "hash", string(c.head.hash[:]))
	}
	return errors.Join(err, journal.SyncFile(c.file), c.file.Close())
}
