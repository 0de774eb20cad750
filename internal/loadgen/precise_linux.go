package loadgen

import (
	"syscall"
	"time"
)

// napBelow is what the runtime's timers cannot time: it waits for the network
// in whole milliseconds.
const napBelow = 2 * time.Millisecond

// nap sleeps by the kernel's clock, about 0.05 ms exact.
func nap(d time.Duration) {
	ts := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&ts, nil) // woken early, the caller looks at the clock
}
