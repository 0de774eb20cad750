package hsm_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hyok/hsm"
	"hyok/internal/fault"
)

// slowly makes the device take d for op; "" stands for every operation.
func slowly(t *testing.T, faults *fault.Set, op string, d time.Duration) {
	t.Helper()
	if _, err := faults.Add(fault.Rule{At: fault.HSM, Op: op, Latency: d}); err != nil {
		t.Fatal(err)
	}
}

// seen collects what an Observer is told.
type seen struct {
	mu    sync.Mutex
	calls []hsm.Call
	did   chan string // an operation's name, unless the channel is full
}

func newSeen() *seen { return &seen{did: make(chan string, 1000)} }

func (s *seen) observe(c hsm.Call) {
	s.mu.Lock()
	s.calls = append(s.calls, c)
	s.mu.Unlock()
	select {
	case s.did <- c.Op:
	default:
	}
}

func (s *seen) count(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.calls {
		if c.Op == op {
			n++
		}
	}
	return n
}

func TestCallersAreAnsweredAtTheirDeadline(t *testing.T) {
	faults := fault.New(nil)
	_, token := newToken(t, hsm.TokenConfig{Faults: faults})
	slowly(t, faults, "Encrypt", 2*time.Second)
	const deadline, slack = 100 * time.Millisecond, 100 * time.Millisecond
	var callers sync.WaitGroup
	for range 6 { // more than there are workers
		callers.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), deadline)
			defer cancel()
			start := time.Now()
			_, err := token.Encrypt(ctx, "k", nil, nil)
			if !errors.Is(err, hsm.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(start); took < deadline || took > deadline+slack {
				t.Errorf("answered after %s", took)
			}
		})
	}
	callers.Wait()
	faults.Clear()
	// The two calls still hang, and others have taken the workers' places.
	within(t, time.Second, nil, []error{hsm.ErrUnavailable}, encrypts(t, token, "k"))
}

func TestCallersWithoutDeadlineAreAnsweredToo(t *testing.T) {
	faults := fault.New(nil)
	_, token := newToken(t, hsm.TokenConfig{Faults: faults, Timeout: 50 * time.Millisecond, Wait: 20 * time.Millisecond})
	slowly(t, faults, "Encrypt", 500*time.Millisecond)
	if _, err := token.Encrypt(context.Background(), "k", nil, nil); !errors.Is(err, hsm.ErrTimeout) {
		t.Errorf("got %v", err)
	}
}

func TestTheWaitForAWorkerIsBounded(t *testing.T) {
	faults := fault.New(nil)
	seen := newSeen()
	_, token := newToken(t, hsm.TokenConfig{Faults: faults, Workers: 1, Wait: 30 * time.Millisecond, Observe: seen.observe})
	slowly(t, faults, "Encrypt", 300*time.Millisecond)
	var busy sync.WaitGroup
	busy.Go(func() {
		if err := encrypts(t, token, "k")(); err != nil {
			t.Errorf("the one that has the worker: %v", err)
		}
	})
	within(t, time.Second, hsm.ErrTimeout, nil, func() error {
		start := time.Now()
		_, err := token.Key(soon(t), "k")
		if took := time.Since(start); err != nil && took > 200*time.Millisecond {
			t.Errorf("the wait took %s", took)
		}
		return err
	})
	busy.Wait()
	if _, err := token.Key(soon(t), "k"); err != nil {
		t.Errorf("with the worker free again: %v", err)
	}
}

func TestCancelledCallersAreAnsweredAtOnce(t *testing.T) {
	faults := fault.New(nil)
	_, token := newToken(t, hsm.TokenConfig{Faults: faults})
	slowly(t, faults, "Encrypt", 300*time.Millisecond)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	start := time.Now()
	_, err := token.Encrypt(ctx, "k", nil, nil)
	if !errors.Is(err, hsm.ErrTimeout) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > 200*time.Millisecond {
		t.Errorf("answered after %s", took)
	}
}

func TestTooManyHangingCallsMakeTheTokenUnavailableUntilTheyReturn(t *testing.T) {
	faults := fault.New(nil)
	_, token := newToken(t, hsm.TokenConfig{Faults: faults, Workers: 1, MaxLost: 2})
	slowly(t, faults, "Encrypt", 700*time.Millisecond)
	hang := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		_, err := token.Encrypt(ctx, "k", nil, nil)
		return err
	}
	within(t, 650*time.Millisecond, hsm.ErrUnavailable, []error{nil}, hang)
	faults.Clear()
	within(t, 3*time.Second, nil, lostKeys[:len(lostKeys)-1], encrypts(t, token, "k"))
}

func TestKeyThatNobodyWaitsForIsDeletedAgain(t *testing.T) {
	faults := fault.New(nil)
	seen := newSeen()
	_, token := newToken(t, hsm.TokenConfig{Faults: faults, Observe: seen.observe})
	slowly(t, faults, "*", 100*time.Millisecond)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := token.CreateKey(ctx, "late"); !errors.Is(err, hsm.ErrTimeout) {
		t.Fatalf("got %v", err)
	}
	faults.Clear()
	for op := ""; op != "CreateKey" || seen.count("CreateKey") < 2; op = <-seen.did {
	}
	made := errors.New("the key is there")
	within(t, time.Second, hsm.ErrKeyNotFound, nil, func() error {
		if _, err := token.Key(soon(t), "late"); err != nil {
			return err
		}
		return made
	})
}

func TestForgeriesCostTheDeviceLittle(t *testing.T) {
	seen := newSeen()
	_, token := newToken(t, hsm.TokenConfig{Observe: seen.observe})
	start := time.Now()
	var callers sync.WaitGroup
	var forged atomic.Int64
	for range 16 {
		callers.Go(func() {
			for time.Since(start) < 200*time.Millisecond {
				_, err := token.Decrypt(soon(t), "k", make([]byte, 12), []byte("forged"), make([]byte, 16), nil)
				if !errors.Is(err, hsm.ErrInvalidCiphertext) {
					t.Errorf("got %v", err)
				}
				forged.Add(1)
			}
		})
	}
	callers.Wait()
	if probes, most := seen.count("Probe"), int(time.Since(start)/(5*time.Millisecond))+1; probes > most {
		t.Errorf("%d forgeries caused %d probes, more than %d", forged.Load(), probes, most)
	}
	if forged.Load() < 16 {
		t.Errorf("only %d were answered", forged.Load())
	}
}
