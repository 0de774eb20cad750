package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"hyok/kmsfront/store"
)

// BenchmarkCommit is durable commits of a record of 800 bytes, as CreateKey makes.
func BenchmarkCommit(b *testing.B) {
	for _, committers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("%dcommitters", committers), func(b *testing.B) {
			s := openBolt(b, filepath.Join(b.TempDir(), "store"), newRoot(b))
			value := make([]byte, 800)
			var next atomic.Int64
			var all sync.WaitGroup
			for range committers {
				all.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						key := fmt.Sprintf("keys/%016x", uint64(i)*0x9e3779b97f4a7c15)
						_, err := s.Commit(context.Background(), []store.Check{{Key: key}}, []store.Write{{Key: key, Value: value}})
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
		})
	}
}

// BenchmarkUpdate is BenchmarkCommit through a transaction on a table.
func BenchmarkUpdate(b *testing.B) {
	for _, committers := range []int{16, 64} {
		b.Run(fmt.Sprintf("%dcommitters", committers), func(b *testing.B) {
			f := newFixture(b)
			var next atomic.Int64
			var all sync.WaitGroup
			for range committers {
				all.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						f.put(b, fmt.Sprintf("%016x", uint64(i)*0x9e3779b97f4a7c15), account{"ann", 1})
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
		})
	}
}

// BenchmarkTable reads a table of 100,000 records with keys as KMS keys have them,
// and opens it.
func BenchmarkTable(b *testing.B) {
	const n = 100_000
	f := newFixture(b)
	keys := make([]string, n)
	writes := make([]store.Write, 0, n)
	for i := range keys {
		x := uint64(i+1) * 0x9e3779b97f4a7c15
		keys[i] = fmt.Sprintf("111122223333/us-east-1/%08x-%04x-4000-8000-%012x", x>>32, x&0xffff, x>>16)
		writes = append(writes, store.Write{Key: "accounts/" + keys[i], Value: []byte(`{"Owner":"ann","Balance":1}`)})
	}
	if _, err := f.store.Commit(b.Context(), nil, writes); err != nil {
		b.Fatal(err)
	}
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			f.accounts = openTable(b, f.store)
		}
	})
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := rand.IntN(n); pb.Next(); i = (i + 7919) % n {
				if _, _, ok := f.accounts.Get(keys[i]); !ok {
					b.Error("not there")
					return
				}
			}
		})
	})
	b.Run("getSame", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				f.accounts.Get(keys[0])
			}
		})
	})
}
