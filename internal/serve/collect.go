package serve

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Collect has garbage collected as suits a server, unless GOGC says otherwise. One
// with a small heap and much short-lived memory would collect dozens of times a
// second with Go's default; it may have four times as much garbage as memory in use.
// As more is in use, with connections, there is less garbage for it, so that a few
// hundred of them do not take several times the memory.
func Collect() {
	if os.Getenv("GOGC") == "" {
		adapt(struct{}{})
	}
}

const (
	garbageRoom   = 20 << 20 // bytes, less twice what is in use
	leastGarbage  = 30       // in percent of what is in use
	mostGarbage   = 400
	changeGarbage = 10 // what is not worth stopping the world
)

// adapt sets the percentage after each collection: the one that frees its marker.
func adapt(struct{}) {
	marker := new([16]byte)
	runtime.AddCleanup(marker, adapt, struct{}{})
	used := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}, {Name: "/gc/gogc:percent"}}
	metrics.Read(used)
	now := int(used[3].Value.Uint64())
	want := garbage(used[0].Value.Uint64() + used[1].Value.Uint64() + used[2].Value.Uint64())
	if want-now > changeGarbage || now-want > changeGarbage || now != want && (want == leastGarbage || want == mostGarbage) {
		debug.SetGCPercent(want)
	}
}

// garbage is how much there may be, in percent of the bytes that are used.
func garbage(used uint64) int {
	if used == 0 {
		return mostGarbage
	}
	room := (garbageRoom - 2*int64(used)) * 100 / int64(used)
	return int(min(max(room, leastGarbage), mostGarbage))
}
