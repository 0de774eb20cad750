package quota

import "testing"

func BenchmarkRequest(b *testing.B) {
	q := newQuotas(b, Config{})
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_ = q.Request(account, "us-east-1", Class("Encrypt", "SYMMETRIC_DEFAULT"))
		}
	})
}

func BenchmarkRequestOff(b *testing.B) {
	q := newQuotas(b, Config{Off: true})
	for b.Loop() {
		_ = q.Request(account, "us-east-1", Class("Encrypt", "SYMMETRIC_DEFAULT"))
	}
}
