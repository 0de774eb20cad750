package hsm

import (
	"context"
	"sync"
	"time"
)

// probeEvery keeps the probes that failed decryptions ask for at two hundred a
// second: whoever sends forged ciphertexts waits, and the device does not.
const probeEvery = 5 * time.Millisecond

// A prober probes the token for callers who need a probe that began after they
// asked. All who wait share the next one.
type prober struct {
	t *Token

	mu   sync.Mutex
	next *probeRun // not begun yet; nil: none
	last time.Time // when the latest began
}

type probeRun struct {
	done chan struct{}
	err  error
}

// probe gives the outcome of a probe that begins after the call.
func (p *prober) probe(ctx context.Context) error {
	p.mu.Lock()
	run := p.next
	if run == nil {
		run = &probeRun{done: make(chan struct{})}
		p.next = run
		go p.run(run, probeEvery-time.Since(p.last))
	}
	p.mu.Unlock()
	select {
	case <-run.done:
		return run.err
	case <-ctx.Done():
		return timedOut(ctx)
	}
}

func (p *prober) run(run *probeRun, pause time.Duration) {
	defer close(run.done)
	if pause > 0 && !p.t.sleep(pause) {
		run.err = ErrClosed
		return
	}
	p.mu.Lock()
	p.next, p.last = nil, time.Now()
	p.mu.Unlock()
	run.err = p.t.do(context.Background(), p.t.quick, opProbe, func(w *worker) error { return w.t.probe(w.conn, w.session) }, nil)
}
