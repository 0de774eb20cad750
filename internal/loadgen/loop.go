package loadgen

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// open sends what is due when it is due. What is still unsent one time-out after
// the end is left unsent.
func (g *generator) open(ctx context.Context) {
	ctx, cancel := context.WithDeadline(ctx, g.start.Add(g.Duration+g.Timeout))
	defer cancel()
	var (
		wg    sync.WaitGroup
		slots = make(chan struct{}, g.MaxInFlight)
		dice  = rand.New(rand.NewPCG(g.Seed, 0))
		total = max(1, int64(g.Rate*g.Duration.Seconds()+0.5))
		freed time.Time // when the last wait for a slot ended
	)
	for i := range total {
		due := g.start.Add(time.Duration(float64(i) / g.Rate * float64(time.Second)))
		if !g.sleepUntil(ctx, due) {
			g.recorder.notSent(g.dueBy(time.Now(), total) - i)
			break
		}
		// Lateness that comes of waiting for a slot is not the sender's.
		lag := time.Since(later(due, freed))
		waited, ok := take(ctx, slots)
		if !ok {
			g.recorder.notSent(g.dueBy(time.Now(), total) - i)
			break
		}
		if waited {
			freed = time.Now()
		}
		op := g.pick(dice)
		g.recorder.sent(op, lag, waited)
		wg.Go(func() {
			g.do(ctx, op, due)
			<-slots
		})
	}
	wg.Wait()
}

// dueBy counts the requests, of total, that are due at t or before.
func (g *generator) dueBy(t time.Time, total int64) int64 {
	return min(total, int64(g.Rate*t.Sub(g.start).Seconds())+1)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// take takes a slot and says whether that took waiting; ok is false when ctx ended.
func take(ctx context.Context, slots chan<- struct{}) (waited, ok bool) {
	select {
	case slots <- struct{}{}:
		return false, true
	default:
	}
	select {
	case slots <- struct{}{}:
		return true, true
	case <-ctx.Done():
		return true, false
	}
}

// closed has each caller send one request after the other.
func (g *generator) closed(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, g.Duration)
	defer cancel()
	var wg sync.WaitGroup
	for i := range g.Callers {
		dice := rand.New(rand.NewPCG(g.Seed, uint64(i)+1))
		wg.Go(func() {
			for ctx.Err() == nil {
				op := g.pick(dice)
				g.recorder.sent(op, 0, false)
				g.do(ctx, op, time.Now())
			}
		})
	}
	wg.Wait()
}

// do sends one request whose latency counts from since. That the run ends does
// not end it.
func (g *generator) do(ctx context.Context, op int, since time.Time) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.Timeout)
	defer cancel()
	err := g.Operations[op].Do(ctx)
	g.recorder.done(op, time.Now(), since, err)
}

// sleepUntil tells whether t came before ctx ended.
func (g *generator) sleepUntil(ctx context.Context, t time.Time) bool {
	early := time.Duration(0)
	if g.Precise {
		early = napBelow
	}
	if d := time.Until(t) - early; d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return false
		}
	}
	for d := time.Until(t); d > 0; d = time.Until(t) {
		nap(d)
	}
	return ctx.Err() == nil
}
