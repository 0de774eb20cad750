package hsm

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// A lane is a queue of work for a token, and the workers who do it, in the order
// of arrival.
type lane struct {
	requests chan *request
	pace     *pace
	quit     chan struct{}  // closed by close
	workers  sync.WaitGroup // the lost ones too

	wait      time.Duration // longest in the queue
	timeout   time.Duration // longest in the device, without a deadline of the caller's
	size      int           // workers wanted
	maxLost   int
	log       *slog.Logger
	hung      *atomic.Int64 // of the library
	observe   Observer      // nil: nobody is told
	start     func()        // runs one more worker
	exhausted func()        // too many are lost

	mean   mean // of a call
	mu     sync.Mutex
	alive  int // workers at work or waiting for it
	lost   int // workers in a call whose caller has gone
	closed bool
}

// A request is one piece of work.
type request struct {
	op   *operation
	work func(*worker) error
	undo func(*worker) // takes back what work did, when nobody waits for it any more; nil: nothing
	came time.Duration // since started; only kept for an observer

	state atomic.Int32
	err   error         // the outcome, once finished
	done  chan struct{} // tells of it, unless abandoned
	timer *time.Timer
}

// queueSize bounds a queue. Requests leave it by themselves after lane.wait.
const queueSize = 1024

// States of a request.
const (
	waiting int32 = iota
	running
	finished
	abandoned // the caller has gone
	lost      // and the worker has not come back
)

// grace is how long after its caller has gone a worker may come back from the
// device before it counts as lost: callers go for reasons of their own, too.
const grace = 20 * time.Millisecond

var requestPool = sync.Pool{New: func() any {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &request{done: make(chan struct{}, 1), timer: t}
}}

// do has a worker do work and gives its error. It returns ErrTimeout when no
// worker was free in time or the device took too long.
func (l *lane) do(ctx context.Context, op *operation, work func(*worker) error, undo func(*worker)) error {
	r := requestPool.Get().(*request)
	r.op, r.work, r.undo = op, work, undo
	if l.observe != nil {
		r.came = time.Since(started)
	}
	r.state.Store(waiting)
	r.timer.Reset(l.wait)
	select {
	case l.requests <- r:
	default:
		if err := l.queue(ctx, r); err != nil {
			_ = l.untaken(r, err)
			_ = r.recycle()
			return err
		}
	}
	return l.outcome(ctx, r)
}

// queue waits for room in the queue, which is full.
func (l *lane) queue(ctx context.Context, r *request) error {
	select {
	case l.requests <- r:
		return nil
	case <-r.timer.C:
		return l.late()
	case <-ctx.Done():
		return timedOut(ctx)
	case <-l.quit:
		return ErrClosed
	}
}

// next is the next request, if there is one.
func (l *lane) next() *request {
	select {
	case r := <-l.requests:
		return r
	default:
		return nil
	}
}

// outcome waits for what a worker makes of r, at most l.wait until one takes it.
func (l *lane) outcome(ctx context.Context, r *request) error {
	select {
	case <-r.done:
		return r.recycle()
	case <-ctx.Done():
		return l.abandon(r, timedOut(ctx))
	case <-r.timer.C:
		if r.state.CompareAndSwap(waiting, abandoned) {
			return l.untaken(r, l.late())
		}
	}
	if _, ok := ctx.Deadline(); !ok {
		r.timer.Reset(l.timeout)
	}
	select {
	case <-r.done:
		return r.recycle()
	case <-ctx.Done():
		return l.abandon(r, timedOut(ctx))
	case <-r.timer.C:
		return l.abandon(r, fmt.Errorf("%w: waited %s", ErrTimeout, l.timeout))
	}
}

// recycle gives r, which nobody else knows of, back to the pool, and its outcome.
func (r *request) recycle() error {
	err := r.err
	r.timer.Stop()
	r.work, r.undo, r.err = nil, nil, nil
	requestPool.Put(r)
	return err
}

// untaken tells the observer of a request that no worker took, and gives err.
func (l *lane) untaken(r *request, err error) error {
	if l.observe != nil {
		l.observe(Call{Op: r.op.name, Waited: time.Since(started) - r.came, Err: err})
	}
	return err
}

// late says why no worker took a request in time.
func (l *lane) late() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return ErrClosed
	case l.alive == 0:
		return fmt.Errorf("%w: %d calls hang in it, and no worker is left", ErrUnavailable, l.lost)
	}
	return fmt.Errorf("%w: no worker was free in %s", ErrTimeout, l.wait)
}

// abandon leaves r to its worker, and gives why unless r is done after all.
func (l *lane) abandon(r *request, why error) error {
	r.timer.Stop()
	switch r.state.Swap(abandoned) {
	case waiting:
		return l.untaken(r, why)
	case finished: // and about to be told
		return r.err
	case running:
		time.AfterFunc(grace, func() {
			if r.state.CompareAndSwap(abandoned, lost) {
				l.lose()
			}
		})
	}
	return why
}

// lose counts a worker lost, and has another one take its place as long as not
// too many are lost. Beyond that only a reload of the module can help, which
// happens when the calls have returned.
func (l *lane) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hung.Add(1)
	l.lost++
	l.alive--
	replace := l.lost <= l.maxLost && !l.closed
	l.log.Warn("a call has not returned from the device in time", "lost", l.lost, "replaced", replace)
	if replace {
		l.add()
	} else if !l.closed {
		go l.exhausted()
	}
}

// found takes back a worker that was lost and tells whether it is still needed.
func (l *lane) found() (needed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hung.Add(-1)
	l.lost--
	if l.closed || l.alive >= l.size {
		return false
	}
	l.alive++
	return true
}

// leave lets a worker go that cannot get a session, unless it is the last one.
func (l *lane) leave() (may bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.alive <= 1 {
		return false
	}
	l.alive--
	return true
}

// fill starts the workers that are missing.
func (l *lane) fill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.alive < l.size && l.lost <= l.maxLost && !l.closed {
		l.add()
	}
}

// add starts a worker; l.mu is held.
func (l *lane) add() {
	l.alive++
	l.workers.Add(1)
	go func() {
		defer l.workers.Done()
		l.start()
	}()
}

// close lets the workers go when they have finished what they do, and waits for
// them, at most d: not for those that hang.
func (l *lane) close(d time.Duration) {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.quit)
		l.pace.close()
	}
	l.mu.Unlock()
	gone := make(chan struct{})
	go func() {
		l.workers.Wait()
		close(gone)
	}()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-gone:
	case <-timer.C:
	}
}
