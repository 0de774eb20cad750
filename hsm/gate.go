package hsm

import (
	"sync"
	"time"
)

// A gate lets calls into a module, any number at a time, or one hand alone who
// finalises and initialises it. It is a read-write lock whose writer gives up:
// to call C_Finalize while another call runs is undefined (guide hsm.md §2,
// trap 15), and a call that hangs cannot be waited for.
type gate struct {
	mu     sync.Mutex
	inside int
	shut   chan struct{} // not nil while shut; closed when the gate opens
	empty  chan struct{} // closed when the last one leaves a shut gate
}

// enter waits while the gate is shut.
func (g *gate) enter() {
	g.mu.Lock()
	for g.shut != nil {
		opened := g.shut
		g.mu.Unlock()
		<-opened
		g.mu.Lock()
	}
	g.inside++
	g.mu.Unlock()
}

func (g *gate) leave() {
	g.mu.Lock()
	g.inside--
	if g.inside == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
	g.mu.Unlock()
}

// close shuts the gate and waits at most d until nobody is inside. If somebody
// stays it opens the gate again and gives false. One hand at a time may close.
func (g *gate) close(d time.Duration) bool {
	g.mu.Lock()
	g.shut = make(chan struct{})
	if g.inside == 0 {
		g.mu.Unlock()
		return true
	}
	empty := make(chan struct{})
	g.empty = empty
	g.mu.Unlock()

	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-empty:
		return true
	case <-timer.C:
	}
	select {
	case <-empty: // at the last moment
		return true
	default:
		g.open()
		return false
	}
}

// open lets everybody in again.
func (g *gate) open() {
	g.mu.Lock()
	close(g.shut)
	g.shut, g.empty = nil, nil
	g.mu.Unlock()
}
