package keystore

import (
	"testing"
	"time"

	"hyok/internal/clock"
	"hyok/internal/metrics"
	"hyok/kmsfront/cloudwatch"
)

// What both observers cost a request to the proxy.
func BenchmarkObservers(b *testing.B) {
	c := clock.System{}
	o := Observers{NewObserver(metrics.New("kmsfront", "v0"), c), NewPoints(cloudwatch.New(c), c)}
	o.State("cks-1", "CONNECTED", "")
	call := ProxyCall{"cks-1", "Encrypt", "Encrypt", keySpec, notAnError, noException, 3 * time.Millisecond}
	b.ReportAllocs()
	for b.Loop() {
		o.ProxyCall(call)
	}
}
