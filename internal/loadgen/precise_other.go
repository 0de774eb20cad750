//go:build !linux

package loadgen

import "time"

// napBelow 0: the runtime's timers do.
const napBelow time.Duration = 0

func nap(time.Duration) {}
