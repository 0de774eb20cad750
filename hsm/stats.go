package hsm

import "time"

// Stats are what a token's breaker, workers and queues are at.
type Stats struct {
	Open    bool      // the breaker: calls are refused at once with ErrUnavailable until an attempt at recovery succeeds
	Since   time.Time // of Open; zero when it is closed
	Opened  uint64    // times that the breaker has opened
	Reloads uint64    // times that the token's module was reloaded, or tried to, for whatever token's sake

	Workers int // wanted: TokenConfig.Workers, and one for what changes the token
	Alive   int // of them, at work or waiting for it; fewer when the device gives no more sessions, or calls hang
	Lost    int // in calls that have not returned though their callers have gone
	Queue   int // calls that wait for a worker
}

// Stats gives the token's figures as they are now. It does not ask the device.
func (t *Token) Stats() Stats {
	s := Stats{Opened: t.down.opened.Load(), Reloads: max(1, t.lib.epoch.Load()) - 1}
	if down := t.down.Load(); down != nil {
		s.Open, s.Since = true, down.since
	}
	for _, l := range []*lane{t.quick, t.slow} {
		l.mu.Lock()
		s.Workers += l.size
		s.Alive += l.alive
		s.Lost += l.lost
		l.mu.Unlock()
		s.Queue += len(l.requests)
	}
	return s
}
