package clock_test

import (
	"testing"
	"testing/synctest"
	"time"

	"hyok/internal/clock"
)

func TestAdvanceRunsWhatHasBecomeDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m clock.Movable
		var ran []string
		m.AfterFunc(time.Hour, func() { ran = append(ran, "hour") })
		m.AfterFunc(30*24*time.Hour, func() { ran = append(ran, "month") })
		if err := m.Advance(2 * time.Hour); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(ran) != 1 || ran[0] != "hour" {
			t.Fatalf("after two hours ran %v, want the hour's timer alone", ran)
		}
		if err := m.Advance(30 * 24 * time.Hour); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(ran) != 2 || ran[1] != "month" {
			t.Fatalf("after a month ran %v, want both timers, each once", ran)
		}
	})
}

func TestTimersRunWithTheRealClockToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m clock.Movable
		start := time.Now()
		done := make(chan time.Time, 1)
		m.AfterFunc(time.Minute, func() { done <- time.Now() })
		if got := (<-done).Sub(start); got != time.Minute {
			t.Fatalf("ran after %s, want a minute", got)
		}
	})
}

func TestStoppedTimerNeverRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m clock.Movable
		stop := m.AfterFunc(time.Second, func() { t.Error("a stopped timer ran") })
		if !stop() {
			t.Error("stop reported that the timer had run")
		}
		if stop() {
			t.Error("the second stop reported that it stopped something")
		}
		if err := m.Advance(time.Hour); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
	})
}

func TestClockNeverGoesBack(t *testing.T) {
	var m clock.Movable
	if err := m.Advance(-time.Second); err == nil {
		t.Error("a negative advance was accepted")
	}
	if m.Offset() != 0 {
		t.Errorf("offset is %s after a refused advance", m.Offset())
	}
}

func TestResetReturnsToTheRealTime(t *testing.T) {
	var m clock.Movable
	if err := m.Advance(time.Hour); err != nil {
		t.Fatal(err)
	}
	m.Reset()
	if d := time.Since(m.Now()).Abs(); d > time.Second {
		t.Errorf("after reset the clock is %s off", d)
	}
}
