package hsm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxStrikes is how often in a row work may fail though the token passes its
	// probe, before the module is reloaded all the same.
	maxStrikes = 3
	// Pauses between reloads: the second follows the first quickly, and the
	// device is never left alone for much longer than a second.
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second
)

// A mender mends a token's connection, in one round at a time.
type mender struct {
	mu      sync.Mutex
	round   *mending
	strikes int
	pause   time.Duration // before the next reload
	next    time.Time     // of that reload, when probes pass
	trouble atomic.Bool   // strikes or pause to be forgotten when work succeeds
}

// A mending is a round. It begins with one attempt that callers wait for; if
// that fails, or takes longer than they wait, the breaker opens, and attempts go
// on until one succeeds.
type mending struct {
	reload bool          // guarded by mender.mu
	first  chan struct{} // closed after the first attempt
	err    error         // of the first attempt, before first is closed
}

// well forgets earlier trouble: work has succeeded.
func (m *mender) well() {
	if m.trouble.Load() {
		m.mu.Lock()
		m.strikes, m.pause = 0, 0
		m.trouble.Store(false)
		m.mu.Unlock()
	}
}

// mend has the connection that b speaks of mended, and waits for the first
// attempt at most TokenConfig.Wait. nil: the work is worth another try.
func (t *Token) mend(ctx context.Context, b *brokenError) error {
	m := &t.mender
	m.mu.Lock()
	if t.conn.Load() != b.conn { // mended meanwhile
		m.mu.Unlock()
		return nil
	}
	if m.round == nil {
		m.round = &mending{first: make(chan struct{})}
		go t.mendRound(m.round, b.conn, b.err)
	}
	r := m.round
	r.reload = r.reload || b.reload
	m.mu.Unlock()

	timer := time.NewTimer(t.config.Wait)
	defer timer.Stop()
	select {
	case <-r.first:
		return r.err
	case <-timer.C:
		return fmt.Errorf("%w: it is being recovered", ErrUnavailable)
	case <-ctx.Done():
		return timedOut(ctx)
	case <-t.life.Done():
		return ErrClosed
	}
}

// giveUp has the module reloaded though nobody waits for it: no worker may be
// left to have calls done. Until that is done calls are refused.
func (t *Token) giveUp(cause error) {
	m := &t.mender
	m.mu.Lock()
	defer m.mu.Unlock()
	c := t.conn.Load()
	if c == nil {
		return
	}
	if m.round == nil {
		m.round = &mending{first: make(chan struct{})}
		go t.mendRound(m.round, c, cause)
	}
	m.round.reload = true
	t.openBreakerLocked(m.round, cause, cause)
}

// mendRound is one round, for the connection c, which failed with cause.
func (t *Token) mendRound(r *mending, c *connection, cause error) {
	slow := time.AfterFunc(t.config.Wait, func() { t.openBreaker(r, cause, errSlowRecovery) })
	epoch, err := t.firstAttempts(r, c, cause)
	slow.Stop()
	if err == nil {
		return
	}
	for err != nil {
		if !t.sleep(t.nextPause()) {
			return // closed
		}
		epoch, err = t.reconnect(epoch)
	}
	t.mender.mu.Lock()
	t.endRound()
	t.mender.mu.Unlock()
}

var errSlowRecovery = errors.New("the device takes its time")

// firstAttempts makes the attempt that callers wait for, and tells them; a
// second one when one of them meanwhile asked for a reload. It gives the epoch
// it ended in.
func (t *Token) firstAttempts(r *mending, c *connection, cause error) (epoch uint64, err error) {
	for reload, enough := false, false; !enough; {
		t.mender.mu.Lock()
		reload = r.reload
		t.mender.mu.Unlock()
		epoch, err = t.attempt(c, reload)

		t.mender.mu.Lock()
		if enough = err != nil || epoch != c.epoch || reload == r.reload; enough && err == nil {
			t.endRound()
		}
		t.mender.mu.Unlock()
	}
	if err != nil {
		t.openBreaker(r, cause, err)
	}
	r.err = err
	close(r.first)
	return epoch, err
}

// attempt probes the connection and, if that fails or is not enough, reloads
// the module and connects again. It gives the epoch it ended in.
func (t *Token) attempt(c *connection, reload bool) (uint64, error) {
	if t.lib.epoch.Load() == c.epoch {
		if !reload && t.probeGuard(c) == nil && !t.strike() {
			return c.epoch, nil
		}
		t.nextPause()
	}
	return t.reconnect(c.epoch)
}

// probeGuard probes with the guard's session.
func (t *Token) probeGuard(c *connection) error {
	return t.calls(func() error {
		if t.lib.epoch.Load() != c.epoch {
			return ErrUnavailable
		}
		return t.probe(c, c.guard)
	})
}

// calls makes calls for the mender, who must not hang either.
func (t *Token) calls(calls func() error) error {
	ctx, cancel := context.WithTimeout(t.life, t.config.Timeout)
	defer cancel()
	return t.lib.bounded(ctx, calls)
}

// strike counts a failure of work despite a passed probe and tells whether it
// is time to reload.
func (t *Token) strike() bool {
	m := &t.mender
	m.mu.Lock()
	defer m.mu.Unlock()
	m.strikes++
	m.trouble.Store(true)
	if m.strikes < maxStrikes || time.Now().Before(m.next) {
		return false
	}
	m.strikes = 0
	return true
}

// nextPause is the time until the next reload; it doubles up to lastPause.
func (t *Token) nextPause() time.Duration {
	m := &t.mender
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pause = min(max(2*m.pause, firstPause), lastPause)
	m.next = time.Now().Add(m.pause)
	m.trouble.Store(true)
	return m.pause
}

// reconnect reloads the module, if nobody has since the epoch seen, and
// connects. It gives the epoch it ended in, for the next attempt.
func (t *Token) reconnect(seen uint64) (uint64, error) {
	if err := t.lib.reload(seen); err != nil {
		return t.lib.epoch.Load(), err
	}
	err := t.calls(t.connectAndTry)
	return t.lib.epoch.Load(), err
}

// connectAndTry connects and has the canary encrypted and decrypted: a device
// that opens sessions and does no work is not well.
func (t *Token) connectAndTry() error {
	if err := t.connect(); err != nil {
		return err
	}
	c := t.conn.Load()
	if c == nil {
		return ErrClosed
	}
	return t.sing(c.guard, c.canary)
}

// sleep waits for d and tells whether the token is still open.
func (t *Token) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-t.life.Done():
		return false
	}
}
