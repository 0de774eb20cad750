package hsm

import (
	"testing"
	"time"
)

func TestMeanFollowsTheLatestCalls(t *testing.T) {
	var m mean
	m.add(time.Millisecond, 1)
	if got := m.load(); got != time.Millisecond {
		t.Errorf("the first call gives %s", got)
	}
	for range 100 {
		m.add(20*time.Microsecond, 2)
	}
	if got := m.load(); got < 10*time.Microsecond || got > 12*time.Microsecond {
		t.Errorf("after 200 calls of 10 µs the mean is %s", got)
	}
	m.add(320*time.Millisecond, 32)
	if got := m.load(); got != 10*time.Millisecond {
		t.Errorf("a round longer than the memory of the mean gives %s, want its own", got)
	}
}
