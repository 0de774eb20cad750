package journal

import "sync"

// appender writes lines to a file for many callers. Whoever comes while nobody
// writes, writes at once; the others put their lines together, and one of them
// writes the whole group when the writer is done. Every caller returns after the
// write(2) that had its line.
type appender struct {
	file File

	mu      sync.Mutex
	writing bool   // somebody writes, or has been told to
	next    *group // lines that wait; nil: none
	broken  error  // set once: no more writes
}

// group is lines that go out in one write(2).
type group struct {
	lines []byte
	lead  chan struct{} // whoever receives from it writes the group
	done  chan struct{} // closed when it is written
	err   error         // valid once done is closed
}

// append writes line, which ends in a newline. The memory stays the caller's.
func (a *appender) append(line []byte) error {
	a.mu.Lock()
	if a.broken != nil {
		defer a.mu.Unlock()
		return a.broken
	}
	if !a.writing {
		a.writing = true
		a.mu.Unlock()
		defer a.handOver()
		return a.file.Append(line)
	}
	if a.next == nil {
		a.next = &group{lead: make(chan struct{}, 1), done: make(chan struct{})}
	}
	g := a.next
	g.lines = append(g.lines, line...)
	a.mu.Unlock()
	select {
	case <-g.done:
		return g.err
	case <-g.lead:
	}
	a.mu.Lock()
	a.next = nil
	a.mu.Unlock()
	defer a.handOver()
	g.err = a.file.Append(g.lines)
	close(g.done)
	return g.err
}

// handOver makes one of the waiting callers the writer.
func (a *appender) handOver() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next != nil {
		a.next.lead <- struct{}{}
		return
	}
	a.writing = false
}

// fail makes every later append return err.
func (a *appender) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.broken = err
}
