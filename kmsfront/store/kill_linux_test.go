package store_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"hyok/kmsfront/store"
)

const (
	killTimes   = 20
	killWriters = 8
	kept        = 3 // records that each writer keeps; older ones it deletes
)

// A process that writes is killed twenty times, at a random moment. What it said
// was written is there afterwards, what it said was deleted is not, and of the one
// change that each writer had under way all or nothing.
func TestKillLosesNothing(t *testing.T) {
	if dir := os.Getenv(childEnv); dir != "" {
		writeForEver(dir)
	}
	dir := t.TempDir()
	root, err := store.CreateRootKey(filepath.Join(dir, "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	var acknowledged [killWriters]int // the last step of each writer
	var total int
	for range killTimes {
		total += runAndKill(t, dir, &acknowledged)
		s := openBolt(t, filepath.Join(dir, "store"), root)
		for w := range acknowledged {
			acknowledged[w] = checkWriter(t, s, w, acknowledged[w])
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d acknowledged changes in %d runs", total, killTimes)
}

// runAndKill reads what the child says until a random number of changes, kills it,
// and reads what it had said before.
func runAndKill(t *testing.T, dir string, acknowledged *[killWriters]int) (n int) {
	t.Helper()
	cmd := childCommand("TestKillLosesNothing", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	end := rand.IntN(300)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var w, step int
		if _, err := fmt.Sscanf(lines.Text(), "%d %d.", &w, &step); err != nil {
			t.Errorf("the child says %q", lines.Text())
			cmd.Process.Kill()
			return n
		}
		acknowledged[w] = step
		if n++; n == end+1 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n <= end {
		t.Errorf("the child ended by itself after %d changes", n)
	}
	return n
}

// checkWriter finds a writer's records as they are after the acknowledged step or
// the next, and gives which.
func checkWriter(t *testing.T, s store.Store, w, acknowledged int) int {
	t.Helper()
	records, _, err := s.Scan(t.Context(), fmt.Sprintf("%d/", w))
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	if len(records) > 0 {
		last, _ = strconv.Atoi(string(records[len(records)-1].Value))
	}
	if last != acknowledged && last != acknowledged+1 {
		t.Errorf("writer %d: step %d was acknowledged, step %d is there", w, acknowledged, last)
	}
	if len(records) != min(last, kept) {
		t.Errorf("writer %d: %d records after step %d", w, len(records), last)
	}
	for i, r := range records {
		if step := last - len(records) + 1 + i; r.Key != stepKey(w, step) || string(r.Value) != strconv.Itoa(step) {
			t.Errorf("writer %d: %q is %q, want step %d", w, r.Key, r.Value, step)
		}
	}
	return last
}

func stepKey(w, step int) string { return fmt.Sprintf("%d/%06d", w, step) }

// writeForEver is the child: each writer goes on from what it finds, and says each
// step after it was acknowledged.
func writeForEver(dir string) {
	root, err := store.LoadRootKey(filepath.Join(dir, "root.key"))
	if err != nil {
		panic(err)
	}
	s, err := store.OpenBolt(filepath.Join(dir, "store"), root, store.BoltOptions{})
	if err != nil {
		panic(err)
	}
	var all sync.WaitGroup
	for w := range killWriters {
		all.Go(func() {
			records, _, err := s.Scan(context.Background(), fmt.Sprintf("%d/", w))
			if err != nil {
				panic(err)
			}
			step := 1
			if n := len(records); n > 0 {
				last, _ := strconv.Atoi(string(records[n-1].Value))
				step = last + 1
			}
			for ; ; step++ {
				writes := []store.Write{{Key: stepKey(w, step), Value: []byte(strconv.Itoa(step))}}
				if step > kept {
					writes = append(writes, store.Write{Key: stepKey(w, step-kept)})
				}
				checks := []store.Check{{Key: stepKey(w, step)}}
				if _, err := s.Commit(context.Background(), checks, writes); err != nil {
					panic(err)
				}
				if _, err := fmt.Printf("%d %d.\n", w, step); err != nil { // one write(2)
					panic(err)
				}
			}
		})
	}
	all.Wait()
}
