package hsm

import (
	"testing"
	"testing/synctest"
	"time"
)

// pacedWorkers are workers of one lane that do nothing but keep the pace.
func pacedWorkers(n int) (*pace, []*worker) {
	l := &lane{pace: newPace()}
	workers := make([]*worker, n)
	for i := range workers {
		workers[i] = newWorker(nil, l)
	}
	return l.pace, workers
}

// round has w do a round that takes d.
func (p *pace) round(t *testing.T, w *worker, d time.Duration) {
	t.Helper()
	if !p.await(w) {
		t.Error("the pace is closed")
	}
	alone := p.begin(w)
	<-time.After(d)
	p.end(w, alone, d)
}

// hurry makes the pace that of a quick device, with w at work.
func (p *pace) hurry(t *testing.T, w *worker) {
	t.Helper()
	for range quickRow + 1 {
		p.round(t, w, quickCall/2)
	}
	if !p.quick || p.alone != w {
		t.Fatalf("quick is %v after %d quick rounds", p.quick, quickRow+1)
	}
}

func TestWorkersOfASlowDeviceGoSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, w := pacedWorkers(2)
		start := time.Now()
		for range 2 * quickRow {
			done := make(chan struct{})
			go func() {
				p.round(t, w[0], quickCall)
				close(done)
			}()
			p.round(t, w[1], quickCall)
			<-done
		}
		if took := time.Since(start); took != 2*quickRow*quickCall {
			t.Errorf("the rounds took %s, want %s", took, 2*quickRow*quickCall)
		}
	})
}

func TestOneWorkerOfAQuickDeviceGoesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, w := pacedWorkers(2)
		p.hurry(t, w[0])
		came := false
		go func() { came = p.await(w[1]) }()
		synctest.Wait()
		p.round(t, w[0], patience/2)
		if synctest.Wait(); came {
			t.Error("a second worker came")
		}
		p.leave(w[0])
		if synctest.Wait(); !came {
			t.Error("the first worker left, and the second did not come")
		}
	})
}

func TestACallThatHangsLetsTheOthersGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, w := pacedWorkers(3)
		p.hurry(t, w[0])
		start := time.Now()
		hung := make(chan struct{})
		go func() {
			p.round(t, w[0], time.Hour)
			close(hung)
		}()
		synctest.Wait()
		for _, other := range w[1:] {
			p.round(t, other, 0)
		}
		if waited := time.Since(start); waited != patience {
			t.Errorf("the others came after %s, want %s", waited, patience)
		}
		<-hung
		p.hurry(t, w[0]) // and the device can be quick again
	})
}

func TestAClosedPaceKeepsNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, w := pacedWorkers(2)
		p.hurry(t, w[0])
		time.AfterFunc(time.Second, p.close)
		if p.await(w[1]) {
			t.Error("it came in turn")
		}
	})
}
