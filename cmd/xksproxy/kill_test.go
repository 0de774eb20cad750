package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"hyok/proxy/audit"
)

// What was answered before the process was killed is in the audit log, and the
// chain goes on after the next start.
func TestAKillLosesNoAnsweredRequestFromTheAuditLog(t *testing.T) {
	c := startChild(t)
	name := filepath.Join(c.dir, "audit.jsonl")
	for kill := range 3 {
		var answered atomic.Int64
		var clients sync.WaitGroup
		enough := make(chan struct{}, 1000)
		before := c.audited(t, name)
		for range 4 {
			clients.Go(func() {
				for c.encrypt(t, first) == nil {
					answered.Add(1)
					enough <- struct{}{}
				}
			})
		}
		go func() {
			clients.Wait()
			close(enough)
		}()
		for range 20 + 7*kill {
			<-enough
		}
		c.signal(t, syscall.SIGKILL)
		clients.Wait()
		_ = c.Wait() // it was killed
		if lines := c.audited(t, name) - before; int64(lines) < answered.Load() {
			t.Errorf("%d requests were answered, %d are in the audit log", answered.Load(), lines)
		}
		c.start(t)
		if _, err := audit.Check("", name); err != nil {
			t.Error(err)
		}
	}
}

// audited counts the requests in the audit log.
func (c *child) audited(t *testing.T, name string) int {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), `"outcome":"ok"`)
}
