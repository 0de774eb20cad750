package main

import (
	"context"

	"hyok/internal/systemd"
)

// tell tells systemd, and the log when that fails: no reason to end.
func (p *process) tell(state func() error) {
	if err := state(); err != nil {
		p.log.Warn("systemd was not told", "cause", err)
	}
}

// feedWatchdog tells systemd that the process is alive for as long as the
// readiness check returns. What it returns does not count: a device that is away
// does not come back by a restart of the proxy.
func (p *process) feedWatchdog(ctx context.Context) {
	alive := func() bool { _ = p.server.Unready(); return true }
	if err := systemd.Watchdog(ctx, alive); err != nil {
		p.log.Warn("the watchdog is not fed", "cause", err)
	}
}
