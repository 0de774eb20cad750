package proxy

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hyok/hsm"
)

// A device answers health checks as the test says.
type device struct {
	ok    atomic.Bool
	takes atomic.Int64 // a time.Duration
	calls atomic.Int32
}

func newDevice(takes time.Duration) *device {
	d := new(device)
	d.ok.Store(true)
	d.takes.Store(int64(takes))
	return d
}

func (d *device) health(ctx context.Context) hsm.Health {
	d.calls.Add(1)
	select {
	case <-time.After(time.Duration(d.takes.Load())):
		return hsm.Health{Serial: "1", OK: d.ok.Load()}
	case <-ctx.Done():
		return hsm.Health{Serial: "1", Err: ctx.Err()}
	}
}

// within runs f with a monitor of d that has made its first check.
func within(t *testing.T, d *device, f func(t *testing.T, m *monitor)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		m := newMonitor(ctx, d.health, func(hsm.Health) {})
		done := make(chan struct{})
		go func() { m.run(); close(done) }()
		synctest.Wait()
		f(t, m)
		cancel()
		<-done
	})
}

// ask asks with the time that a request has.
func ask(m *monitor) (hsm.Health, time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), DefaultDeadline)
	defer cancel()
	start := time.Now()
	return m.health(ctx), time.Since(start)
}

func TestHealthIsLiveWithinTheTime(t *testing.T) { // XKS fact 71
	d := newDevice(10 * time.Millisecond)
	within(t, d, func(t *testing.T, m *monitor) {
		if h, _ := ask(m); !h.OK {
			t.Error("a good device is not OK")
		}
		d.ok.Store(false)
		<-time.After(time.Second)
		if h, took := ask(m); h.OK || took != 10*time.Millisecond {
			t.Errorf("a device that failed a second ago is OK %t, after %s", h.OK, took)
		}
	})
}

// XKS fact 72: a slow device is told of from the cache, for a minute.
func TestHealthComesFromTheCacheForAMinute(t *testing.T) {
	d := newDevice(time.Second)
	within(t, d, func(t *testing.T, m *monitor) {
		<-time.After(2 * time.Second)
		if h, took := ask(m); !h.OK || took != DefaultDeadline {
			t.Errorf("got OK %t after %s, want the cached answer at the deadline", h.OK, took)
		}
		m.stop() // no check ends any more
		<-time.After(healthMaxAge - 5*time.Second)
		if h, _ := ask(m); !h.OK {
			t.Error("an answer of less than a minute ago is not used")
		}
		<-time.After(10 * time.Second)
		if h, _ := ask(m); h.OK || !errors.Is(h.Err, errStale) {
			t.Errorf("an answer of more than a minute ago is used: %+v", h)
		}
	})
}

func TestHealthIsCheckedInTheBackground(t *testing.T) {
	d := newDevice(0)
	within(t, d, func(t *testing.T, m *monitor) {
		<-time.After(10*time.Minute + time.Second)
		if want := 1 + int(10*time.Minute/healthInterval); int(d.calls.Load()) != want {
			t.Errorf("%d checks in ten minutes, want %d", d.calls.Load(), want)
		}
		if !m.cached().OK {
			t.Error("the cache is stale although the device answers")
		}
	})
}

func TestAHungDeviceIsUnavailableAfterAMinute(t *testing.T) {
	d := newDevice(0)
	within(t, d, func(t *testing.T, m *monitor) {
		d.takes.Store(int64(time.Hour))
		<-time.After(healthInterval + healthTimeout + time.Second)
		if m.cached().OK {
			t.Error("a check that timed out left the device OK")
		}
	})
}

func TestManyAskersShareAFewChecks(t *testing.T) {
	d := newDevice(50 * time.Millisecond)
	within(t, d, func(t *testing.T, m *monitor) {
		<-time.After(time.Second)
		before := d.calls.Load()
		answers := make(chan bool, 100)
		for range cap(answers) {
			go func() {
				h, _ := ask(m)
				answers <- h.OK
			}()
		}
		for range cap(answers) {
			if !<-answers {
				t.Error("not OK")
			}
		}
		if n := d.calls.Load() - before; n > 2 {
			t.Errorf("100 askers at once caused %d checks", n)
		}
	})
}
