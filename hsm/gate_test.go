package hsm

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestGateClosesWhenTheLastOneHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		g.enter()
		g.enter()
		time.AfterFunc(time.Second, g.leave)
		time.AfterFunc(2*time.Second, g.leave)
		start := time.Now()
		if !g.close(3 * time.Second) {
			t.Fatal("it did not close")
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("it closed after %s", took)
		}
	})
}

func TestGateOpensAgainWhenSomebodyStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		g.enter()
		if g.close(time.Second) {
			t.Fatal("it closed with somebody inside")
		}
		g.enter() // would wait for ever if it had stayed shut
		g.leave()
		g.leave()
		if !g.close(0) {
			t.Error("it does not close when empty")
		}
	})
}

func TestShutGateKeepsEverybodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		if !g.close(0) {
			t.Fatal("it did not close")
		}
		var entered sync.WaitGroup
		start := time.Now()
		for range 10 {
			entered.Go(func() {
				g.enter()
				if waited := time.Since(start); waited != time.Minute {
					t.Errorf("somebody entered after %s", waited)
				}
				g.leave()
			})
		}
		time.AfterFunc(time.Minute, g.open)
		entered.Wait()
	})
}

func TestNobodyIsInsideAShutGate(t *testing.T) {
	var g gate
	var inside int // unguarded: the gate must do
	var hands sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		hands.Go(func() {
			for {
				g.enter()
				_ = inside
				g.leave()
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for range 200 {
		if !g.close(10 * time.Second) {
			t.Error("it did not close")
			break
		}
		inside++
		g.open()
	}
	close(stop)
	hands.Wait()
}
