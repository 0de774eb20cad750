package proxy_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"hyok/internal/fault"
	"hyok/proxy"
	"hyok/proxy/xks"
)

// A load is what became of many requests.
type load struct {
	mu       sync.Mutex
	accepted []time.Duration
	refused  []time.Duration
	others   []error
}

func (l *load) count(took time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var answered *xks.Error
	switch {
	case err == nil:
		l.accepted = append(l.accepted, took)
	case errors.As(err, &answered) && (answered.Name == xks.ThrottlingException || answered.Name == xks.DependencyTimeoutException):
		l.refused = append(l.refused, took)
	default:
		l.others = append(l.others, err)
	}
}

// p99 sorts d.
func p99(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[len(d)*99/100]
}

// A slow device is the limit: five milliseconds a call, two workers, two calls
// for an Encrypt with its integrity value.
func overloaded(t *testing.T) *xks.Client {
	r := newRig(t, func(c *proxy.Config) {
		c.Stores[0].Deadline, c.Log = 0, slog.New(slog.DiscardHandler)
	})
	if _, err := r.faults.Add(fault.Rule{At: fault.HSM, Op: "*", Latency: 5 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	return r.client(t, short)
}

func timed(l *load, c *xks.Client) {
	start := time.Now()
	_, err := c.Encrypt(context.Background(), "good", &xks.EncryptRequest{
		RequestMetadata: xks.RequestMetadata{
			AWSPrincipalArn: "arn:aws:iam::123456789012:user/Alice", KMSOperation: "Encrypt", KMSRequestID: "4112f4d6-db54-4af4-ae30-c55a22a8dfae",
			KMSKeyArn: "arn:aws:kms:us-east-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"},
		Plaintext: make([]byte, 60), EncryptionAlgorithm: xks.AlgorithmAESGCM,
		CiphertextDataIntegrityValueAlgorithm: xks.AlgorithmSHA256,
	})
	l.count(time.Since(start), err)
}

// At three times what the device can do, what is accepted is answered in time,
// the device stays busy with it, and the rest is refused at once.
func TestOverloadIsShedBeforeItHurts(t *testing.T) {
	const phase = 3 * time.Second
	c := overloaded(t)

	var best load
	var callers sync.WaitGroup
	end := time.Now().Add(phase)
	for range 8 {
		callers.Go(func() {
			for time.Now().Before(end) {
				timed(&best, c)
			}
		})
	}
	callers.Wait()
	rate := float64(len(best.accepted)) / phase.Seconds()

	var over load
	interval := time.Duration(float64(time.Second) / (3 * rate))
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for start := time.Now(); time.Since(start) < phase; {
		<-ticker.C
		callers.Go(func() { timed(&over, c) })
	}
	callers.Wait()

	goodput := float64(len(over.accepted)) / phase.Seconds()
	t.Logf("best %.0f a second; at three times that %.0f accepted a second (%.2f), p99 %s; %d refused, p99 %s",
		rate, goodput, goodput/rate, p99(over.accepted), len(over.refused), p99(over.refused))
	if len(best.others)+len(over.others) > 0 {
		t.Errorf("other failures: %v", append(best.others, over.others...)[0])
	}
	if goodput < 0.8*rate {
		t.Errorf("under overload %.0f requests a second are done, of %.0f", goodput, rate)
	}
	if p := p99(over.accepted); p > 150*time.Millisecond {
		t.Errorf("p99 of accepted requests is %s", p)
	}
	if p := p99(over.refused); p > 50*time.Millisecond || len(over.refused) == 0 {
		t.Errorf("%d requests were refused, p99 %s", len(over.refused), p)
	}
}
