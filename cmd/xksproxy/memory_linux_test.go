package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"hyok/proxy/xks"
)

const (
	memoryKeys        = 1000
	memoryConnections = 500
	memoryLimit       = 64 << 10 // in KiB, like what the kernel tells
)

// With 1,000 keys, and 500 connections that each have used keys all over the
// token, the command stays within 64 MiB: at its peak too.
func TestMemory(t *testing.T) {
	c := startWithKeys(t, memoryKeys)
	start := c.memory(t)
	clients := make([]*xks.Client, memoryConnections)
	for i := range clients {
		clients[i] = c.client(t, first)
		defer clients[i].Close()
	}
	const workers, each = 2, 10
	var users sync.WaitGroup
	for w := range workers {
		users.Go(func() {
			for i := w; i < memoryConnections; i += workers {
				for n := range each {
					encryptUnder(t, clients[i], (i*each+n)%memoryKeys)
				}
			}
		})
	}
	users.Wait()
	end := c.memory(t)
	t.Logf("resident at the start %d KiB; with %d keys in use and %d connections %d KiB, %d at the peak",
		start["VmRSS"], memoryKeys, memoryConnections, end["VmRSS"], end["VmHWM"])
	if peak := end["VmHWM"]; peak > memoryLimit && !raceEnabled {
		t.Errorf("%d KiB were resident, want at most %d", peak, memoryLimit)
	}
}

// memory is what the kernel tells of the process's memory, in KiB.
func (c *child) memory(t *testing.T) map[string]int {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", c.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[string]int{}
	for s := bufio.NewScanner(f); s.Scan(); {
		var kib int
		name, value, _ := strings.Cut(s.Text(), ":")
		if n, _ := fmt.Sscanf(value, "%d kB", &kib); n == 1 {
			all[name] = kib
		}
	}
	return all
}
