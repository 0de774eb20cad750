package proxy

import (
	"context"
	"errors"
	"sync"
	"time"

	"hyok/hsm"
)

// Times of the health checks.
const (
	// healthMaxAge is the most that a cached answer may be old (XKS fact 72).
	healthMaxAge = time.Minute
	// healthInterval keeps the cache fresh through a missed check.
	healthInterval = 25 * time.Second
	// healthTimeout limits one check of a device.
	healthTimeout = 5 * time.Second
)

var errStale = errors.New("the device has not answered a health check for a minute")

// A monitor checks the health of one token, in the background and when it is
// asked. One check runs at a time, however many ask.
type monitor struct {
	probe  func(context.Context) hsm.Health
	report func(hsm.Health) // each result
	ctx    context.Context
	stop   context.CancelFunc
	kick   chan struct{} // wants a check now

	mu      sync.Mutex
	last    hsm.Health
	at      time.Time     // when last was found; zero: never
	changed chan struct{} // closed at the next check's end
}

func newMonitor(ctx context.Context, probe func(context.Context) hsm.Health, report func(hsm.Health)) *monitor {
	m := &monitor{probe: probe, report: report, kick: make(chan struct{}, 1), changed: make(chan struct{})}
	m.ctx, m.stop = context.WithCancel(ctx)
	return m
}

// run checks until the monitor is stopped.
func (m *monitor) run() {
	timer := time.NewTicker(healthInterval)
	defer timer.Stop()
	for {
		m.check()
		select {
		case <-m.ctx.Done():
			return
		case <-m.kick:
		case <-timer.C:
		}
	}
}

func (m *monitor) check() {
	ctx, cancel := context.WithTimeout(m.ctx, healthTimeout)
	defer cancel()
	h := m.probe(ctx)
	if m.ctx.Err() != nil {
		return // not the device's fault
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last, m.at = h, time.Now()
	m.report(h)
	close(m.changed)
	m.changed = make(chan struct{})
}

// health gives the result of a check that ends from now on; when ctx ends
// first, what cached gives.
func (m *monitor) health(ctx context.Context) hsm.Health {
	m.mu.Lock()
	changed := m.changed
	m.mu.Unlock()
	select {
	case m.kick <- struct{}{}:
	default: // wanted already
	}
	select {
	case <-changed:
	case <-ctx.Done():
	}
	return m.cached()
}

// cached gives the last result, not OK when it is older than healthMaxAge.
func (m *monitor) cached() hsm.Health {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.last
	if time.Since(m.at) > healthMaxAge {
		h.OK, h.Err = false, errStale
	}
	return h
}
