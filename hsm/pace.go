package hsm

import (
	"sync"
	"time"
)

// Figures of a pace. SoftHSM's calls take some 13 µs, or 36 µs two at a time: a
// second thread in it makes all slower, and each caller woken by itself costs
// as much as half a call. A device on a network takes a millisecond.
const (
	quickCall = 100 * time.Microsecond // a call that is shorter is quick
	quickRow  = 32                     // so many in a row make a quick device
	patience  = time.Millisecond       // a round that is longer makes a slow one
	roundTime = 400 * time.Microsecond // when a round ends, call by call
	roundSize = 32                     // calls in a round
)

// A pace has the workers of a lane go alone or side by side. On a quick device
// one of them works alone, in rounds: it answers the callers of a round
// together. On a slow one all work, and answer at once. A call that takes long
// on a quick device lets the others on their way.
type pace struct {
	mu     sync.Mutex
	turn   *sync.Cond
	quick  bool
	alone  *worker // who works, if quick; nil: whoever comes first
	row    int     // quick calls in a row on a slow device
	closed bool
}

func newPace() *pace {
	p := new(pace)
	p.turn = sync.NewCond(&p.mu)
	return p
}

// await waits until it is w's turn. It gives false when the pace is closed.
func (p *pace) await(w *worker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.quick && p.alone != nil && p.alone != w && !p.closed {
		p.turn.Wait()
	}
	if p.quick {
		p.alone = w
	}
	return !p.closed
}

// begin begins a round of w's, and tells whether w works alone.
func (p *pace) begin(w *worker) (alone bool) {
	p.mu.Lock()
	alone = p.quick && p.alone == w
	p.mu.Unlock()
	if alone {
		w.watch.Reset(patience)
	}
	return alone
}

// end ends a round of w's: alone is what begin gave, and took how long it was.
func (p *pace) end(w *worker, alone bool, took time.Duration) {
	if alone {
		w.watch.Stop()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if took >= quickCall {
		p.row = 0
		return
	}
	if p.row++; p.row >= quickRow {
		p.quick, p.row = true, 0
	}
}

// slow is for a round of w's that takes long.
func (p *pace) slow(w *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.alone == w {
		p.quick, p.alone, p.row = false, nil, 0
		p.turn.Broadcast()
	}
}

// leave is for a worker who goes.
func (p *pace) leave(w *worker) {
	w.watch.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.alone == w {
		p.alone = nil
		p.turn.Broadcast()
	}
}

// close ends all waiting.
func (p *pace) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.turn.Broadcast()
}
