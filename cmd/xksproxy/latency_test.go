package main

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// A keysLatency is what callers see of a proxy whose token has so many keys.
type keysLatency struct {
	keys                    int
	start                   time.Duration // from the start of the process to the first answer
	firstP50, firstP99      time.Duration // of Encrypt, the first use of each key
	p50, p99, p999, slowest time.Duration // of Encrypt, under keys that are in use
}

func (l keysLatency) String() string {
	us := func(d time.Duration) time.Duration { return d.Round(time.Microsecond) }
	return fmt.Sprintf("%d keys: first answer after %s; Encrypt, first use of each key p50 %s, p99 %s; in use p50 %s, p99 %s, p99.9 %s, slowest %s",
		l.keys, l.start.Round(time.Millisecond), us(l.firstP50), us(l.firstP99), us(l.p50), us(l.p99), us(l.p999), us(l.slowest))
}

// measureKeys encrypts once under each key, and then n times under ten of them.
func measureKeys(t testing.TB, keys, n int) keysLatency {
	t.Helper()
	c := startWithKeys(t, keys)
	client := c.client(t, first)
	defer client.Close()
	l := keysLatency{keys: keys}
	uses := make([]time.Duration, keys)
	for i := range uses {
		uses[i] = encryptUnder(t, client, i)
		if i == 0 {
			l.start = time.Since(c.started)
		}
	}
	took := make([]time.Duration, n)
	for i := range took {
		took[i] = encryptUnder(t, client, i%10*keys/10)
	}
	slices.Sort(uses)
	slices.Sort(took)
	l.firstP50, l.firstP99 = uses[keys/2], uses[keys*99/100]
	l.p50, l.p99, l.p999, l.slowest = took[n/2], took[n*99/100], took[n*999/1000], took[n-1]
	return l
}

// No request looks through the token for its key, or for newer versions of it: that
// takes 20 ms with 1,000 keys (guide hsm.md §1d).
func TestLatencyDoesNotGrowWithTheKeys(t *testing.T) {
	few, many := measureKeys(t, 10, 4000), measureKeys(t, 1000, 4000)
	t.Log(few)
	t.Log(many)
	const noise = 5 * time.Millisecond
	if many.p50 > 2*few.p50 || many.p99 > 2*few.p99+noise || many.firstP50 > 2*few.firstP50+noise {
		t.Error("requests take longer where there are more keys")
	}
}

// BenchmarkKeys is the same with 10,000; run it with -benchtime 20000x.
func BenchmarkKeys(b *testing.B) {
	for _, keys := range []int{10, 1000, 10000} {
		b.Run(fmt.Sprint(keys), func(b *testing.B) {
			l := measureKeys(b, keys, b.N)
			b.Log(l)
			b.ReportMetric(float64(l.p50.Microseconds()), "p50-µs")
			b.ReportMetric(float64(l.p99.Microseconds()), "p99-µs")
			b.ReportMetric(float64(l.start.Milliseconds()), "start-ms")
		})
	}
}
