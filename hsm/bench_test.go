package hsm_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hyok/hsm"
	"hyok/hsm/hsmbench"
	"hyok/softhsm/softhsmtest"
)

// BenchmarkEncrypt16 has sixteen callers encrypt, each with a deadline, as the
// proxy does. BenchmarkCLoop is what it is compared with.
func BenchmarkEncrypt16(b *testing.B) {
	_, token := newToken(b, hsm.TokenConfig{})
	text, aad := make([]byte, hsmbench.TextSize), make([]byte, hsmbench.AADSize)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	b.ReportAllocs()
	b.ResetTimer()
	var left atomic.Int64
	left.Store(int64(b.N))
	var callers sync.WaitGroup
	for range 16 {
		callers.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := token.Encrypt(ctx, "k", text, aad); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	callers.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

// BenchmarkEncrypt1 has one caller, to show what handing over costs.
func BenchmarkEncrypt1(b *testing.B) {
	_, token := newToken(b, hsm.TokenConfig{})
	text, aad := make([]byte, hsmbench.TextSize), make([]byte, hsmbench.AADSize)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := token.Encrypt(ctx, "k", text, aad); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

func BenchmarkCLoop(b *testing.B) {
	r, _ := newToken(b, hsm.TokenConfig{})
	b.ResetTimer()
	rate, err := hsmbench.CLoop(r.path, r.label, softhsmtest.PIN, "k", b.N)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(rate, "ops/s")
}
