package hsm

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"hyok/hsm/internal/shim"
)

// atOnce fails if use, with the breaker open, gives another error than
// ErrUnavailable or takes a good part of the wait that callers are promised.
func atOnce(t *testing.T, wait time.Duration, use func(context.Context) error) {
	t.Helper()
	for range 20 {
		began := time.Now()
		err := use(t.Context())
		if took := time.Since(began); took > wait/5 {
			t.Fatalf("with the breaker open a call took %s", took)
		}
		if !errors.Is(err, ErrUnavailable) {
			t.Fatalf("with the breaker open: %v", err)
		}
	}
}

// until waits until the token's figures are as wanted.
func (b *bench) until(t *testing.T, what string, is func(Stats) bool) Stats {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; <-tick.C {
		s := b.token.Stats()
		if is(s) {
			return s
		}
		if time.Since(began) > 5*time.Second {
			t.Fatalf("not %s: %+v", what, s)
		}
	}
}

func isOpen(s Stats) bool   { return s.Open }
func isClosed(s Stats) bool { return !s.Open }

// TestTheBreaker opens it by each kind of failure, and has it close when the
// cause has gone.
func TestTheBreaker(t *testing.T) {
	const wait = 500 * time.Millisecond
	device := uint64(rowByName["CKR_DEVICE_ERROR"].code)
	for _, c := range []struct {
		name  string
		fault shim.Fault
	}{
		{"the device has gone", shim.Fault{Function: shim.Encrypt, Mode: shim.Remove}},
		{"sessions open, but no work is done", shim.Fault{Function: shim.Encrypt, Mode: shim.Code, Argument: device}},
		{"recovery hangs", shim.Fault{Function: shim.GetTokenInfo, Mode: shim.Hang}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, TokenConfig{Wait: wait, Timeout: 3 * time.Second})
			before := b.token.Stats()
			if before.Open || before.Opened != 0 || !before.Since.IsZero() || before.Lost != 0 || before.Workers != 3 || before.Alive != 3 {
				t.Fatalf("a token that is well: %+v", before)
			}
			began := time.Now()
			b.shim.Set(0, c.fault)
			if c.fault.Function != shim.Encrypt {
				b.shim.Lose()
			}
			if err := b.encrypt(t.Context()); !errors.Is(err, ErrUnavailable) {
				t.Fatalf("got %v", err)
			}
			open := b.until(t, "open", isOpen)
			if open.Opened != 1 || open.Since.Before(began) || open.Since.After(time.Now()) {
				t.Errorf("open: %+v", open)
			}
			atOnce(t, wait, b.encrypt)
			if later := b.token.Stats(); !later.Since.Equal(open.Since) || later.Opened != 1 {
				t.Errorf("still open: %+v after %+v", later, open)
			}
			b.shim.Clear()
			b.until(t, "closed", isClosed)
			if err := b.encrypt(t.Context()); err != nil {
				t.Errorf("closed: %v", err)
			}
			closed := b.token.Stats()
			if closed.Opened != 1 || !closed.Since.IsZero() || closed.Reloads <= before.Reloads {
				t.Errorf("closed: %+v, before: %+v", closed, before)
			}
		})
	}
}

// TestTheBreakerOpensWhenEveryWorkerIsLost has calls hang until nobody is left
// to take another one.
func TestTheBreakerOpensWhenEveryWorkerIsLost(t *testing.T) {
	const wait = 500 * time.Millisecond
	b := newBench(t, TokenConfig{Wait: wait, Workers: 2, MaxLost: 1})
	b.shim.Set(0, shim.Fault{Function: shim.Encrypt, Mode: shim.Hang})
	var callers sync.WaitGroup
	for range 3 {
		callers.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if err := b.encrypt(ctx); !errors.Is(err, ErrTimeout) {
				t.Errorf("got %v", err)
			}
		})
	}
	callers.Wait()
	s := b.until(t, "open", isOpen)
	if s.Lost < 2 {
		t.Errorf("opened with %d lost: %+v", s.Lost, s)
	}
	atOnce(t, wait, b.encrypt)
	b.shim.Clear()
	b.until(t, "closed with its workers back", func(s Stats) bool { return !s.Open && s.Lost == 0 && s.Alive == s.Workers })
	if err := b.encrypt(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestLosingTheLastWorkersDuringRecoveryOpensTheBreaker has them lost while a
// round that could end with a passed probe is under way.
func TestLosingTheLastWorkersDuringRecoveryOpensTheBreaker(t *testing.T) {
	b := newBench(t, TokenConfig{})
	before := b.token.Stats().Reloads
	r := &mending{first: make(chan struct{})}
	b.token.mender.mu.Lock()
	b.token.mender.round = r
	b.token.mender.mu.Unlock()
	b.token.giveUp(ErrUnavailable)
	atOnce(t, b.token.config.Wait, b.encrypt)
	b.token.mendRound(r, b.token.conn.Load(), ErrUnavailable)
	if s := b.token.Stats(); s.Open || s.Reloads != before+1 {
		t.Errorf("after the round: %+v, want a reload and the breaker closed", s)
	}
	if err := b.encrypt(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestObserversHearOfEachCall has two callers and one worker.
func TestObserversHearOfEachCall(t *testing.T) {
	calls := make(chan Call, 100)
	b := newBench(t, TokenConfig{Workers: 1, Wait: 60 * time.Millisecond, Observe: func(c Call) { calls <- c }})
	for len(calls) > 0 {
		<-calls
	}
	b.shim.Set(0, shim.Fault{Function: shim.Encrypt, Mode: shim.Hang})
	var first sync.WaitGroup
	first.Go(func() {
		if err := b.encrypt(t.Context()); err != nil {
			t.Errorf("the first: %v", err)
		}
	})
	for b.shim.Hits(0) == 0 {
		<-time.After(time.Millisecond)
	}
	if err := b.encrypt(t.Context()); !errors.Is(err, ErrTimeout) {
		t.Errorf("the second: %v", err)
	}
	second := <-calls
	if second.Op != "Encrypt" || second.Taken || second.Took != 0 || second.Waited < 60*time.Millisecond || !errors.Is(second.Err, ErrTimeout) {
		t.Errorf("of the second: %+v", second)
	}
	b.shim.Clear()
	first.Wait()
	if c := <-calls; c.Op != "Encrypt" || !c.Taken || c.Waited > 50*time.Millisecond || c.Took < 60*time.Millisecond || c.Err != nil {
		t.Errorf("of the first: %+v", c)
	}
}
