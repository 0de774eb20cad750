package serve

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestThereIsLessGarbageAsMoreIsInUse(t *testing.T) {
	for _, row := range []struct {
		used uint64
		want int
	}{
		{0, 400}, {1, 400}, {3 << 20, 400}, {4 << 20, 300}, {5 << 20, 200}, {8 << 20, 50}, {9 << 20, 30}, {12 << 20, 30}, {1 << 40, 30},
	} {
		if got := garbage(row.used); got != row.want {
			t.Errorf("%d bytes: %d percent, want %d", row.used, got, row.want)
		}
	}
}

// A heap that grows is noticed by the collection that sees it, and so is one that
// shrinks.
func TestThePercentageFollowsTheHeap(t *testing.T) {
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(100)
	Collect()
	percent := func() int { // there is no reading without setting
		p := debug.SetGCPercent(math.MaxInt32)
		debug.SetGCPercent(p)
		return p
	}
	until := func(want int) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); percent() != want; <-time.After(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d percent, want %d", percent(), want)
			}
			runtime.GC()
		}
	}
	until(mostGarbage)
	much := make([]byte, 64<<20)
	until(leastGarbage)
	runtime.KeepAlive(much)
	much = nil
	until(mostGarbage)
	debug.SetGCPercent(before)
}
