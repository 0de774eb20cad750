package loadgen

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// From here on the report says that the generator was the limit.
const (
	lateSends = 10 * time.Millisecond // p99 of the lag
	busyOwn   = 0.85                  // of the processors that this process may use
	busyAll   = 0.95                  // of the machine's
)

// Usage is the processor time that a run took.
type Usage struct {
	Cores   float64 `json:"cores"`             // kept busy by this process, on average
	Of      int     `json:"of_cores"`          // that it may use
	Machine float64 `json:"machine,omitempty"` // busy share of the whole machine; 0: not known
}

// A usage is a reading of the counters.
type usage struct {
	own         time.Duration
	busy, total uint64 // ticks of the machine
}

func readUsage() usage {
	var u usage
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) == nil {
		u.own = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	b, err := os.ReadFile("/proc/stat")
	if err == nil {
		u.busy, u.total = parseStat(string(b))
	}
	return u
}

// parseStat reads the first line of /proc/stat: user, nice, system, idle,
// iowait, irq, softirq, steal (proc_stat(5)); zeros if it is not that.
func parseStat(text string) (busy, total uint64) {
	line, _, _ := strings.Cut(text, "\n")
	var v [8]uint64
	if _, err := fmt.Sscanf(line, "cpu %d %d %d %d %d %d %d %d", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]); err != nil {
		return 0, 0
	}
	for _, ticks := range v {
		total += ticks
	}
	return total - v[3] - v[4], total
}

func (u usage) since(before usage, took time.Duration, cores int) Usage {
	r := Usage{Of: cores}
	if took > 0 {
		r.Cores = float64(u.own-before.own) / float64(took)
	}
	if u.total > before.total {
		r.Machine = float64(u.busy-before.busy) / float64(u.total-before.total)
	}
	return r
}

// limits says how the generator was itself the limit.
func (p *Report) limits() []string {
	all := []string{}
	for _, row := range []struct {
		hit bool
		say string
	}{
		{p.Unsent > 0, fmt.Sprintf("%d requests that were due were never sent", p.Unsent)},
		{p.Waited > 0, fmt.Sprintf("%d of %d requests were sent late, since %d were under way already; their latencies count from when they were due",
			p.Waited, p.Sent, p.MaxInFlight)},
		{time.Duration(p.Lag.P99) > lateSends, fmt.Sprintf("requests left late by themselves: p99 %s, max %s after they were due", p.Lag.P99, p.Lag.Max)},
		{p.Usage.Cores > busyOwn*float64(p.Usage.Of), fmt.Sprintf("this program kept %.1f of %d processors busy", p.Usage.Cores, p.Usage.Of)},
		{p.Usage.Machine > busyAll, fmt.Sprintf("the machine's processors were %.0f %% busy, this program's share was %.1f of %d",
			100*p.Usage.Machine, p.Usage.Cores, p.Usage.Of)},
	} {
		if row.hit {
			all = append(all, row.say)
		}
	}
	return all
}
