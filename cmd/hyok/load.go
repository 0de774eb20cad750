package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// A target is one request that is sent again and again.
type target struct {
	url     string
	headers http.Header
	body    []byte
}

// shoot sends the request once, and fails unless the answer is 200.
func (t *target) shoot(ctx context.Context, c *http.Client) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(t.body))
	if err != nil {
		return err
	}
	req.Header = t.headers
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(resp.Body)
	if cerr := resp.Body.Close(); err == nil {
		err = cerr
	}
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, answer)
	}
	return err
}

// closedLoop lets n callers send one request after the other for a time, and
// gives the requests a second. The first error ends it.
func closedLoop(ctx context.Context, n int, d time.Duration, call func(ctx context.Context) error) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var (
		wg     sync.WaitGroup
		counts = make([]int, n)
		failed = make(chan error, n)
	)
	start := time.Now()
	for i := range n {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := call(context.WithoutCancel(ctx)); err != nil {
					failed <- err
					cancel()
					return
				}
				counts[i]++
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	select {
	case err := <-failed:
		return 0, err
	default:
	}
	total := 0
	for _, c := range counts {
		total += c
	}
	return float64(total) / took.Seconds(), nil
}

// paced is the result of requests at a constant rate.
type paced struct {
	Name                string
	Sent, Errors        int
	P50, P99, P999, Max time.Duration
	FirstError          string
	Wanted              time.Duration // of P99
}

// openLoop sends requests at a constant rate whether or not the earlier ones
// were answered. A latency counts from the moment the request was due, so that
// a stall is not hidden by the requests that it held back.
func openLoop(ctx context.Context, rate int, d time.Duration, call func(ctx context.Context) error) paced {
	var (
		mu        sync.Mutex
		wg        sync.WaitGroup
		latencies = make([]time.Duration, 0, rate*int(d/time.Second))
		result    paced
	)
	start := time.Now()
	total := int(float64(rate) * d.Seconds())
	for i := range total {
		due := start.Add(time.Duration(i) * time.Second / time.Duration(rate))
		if pause(ctx, time.Until(due)) != nil {
			break
		}
		result.Sent++
		wg.Go(func() {
			err := call(ctx)
			took := time.Since(due)
			mu.Lock()
			defer mu.Unlock()
			latencies = append(latencies, took)
			if err != nil {
				if result.Errors++; result.Errors == 1 {
					result.FirstError = err.Error()
				}
			}
		})
	}
	wg.Wait()
	slices.Sort(latencies)
	result.P50, result.P99 = percentile(latencies, 0.50), percentile(latencies, 0.99)
	result.P999, result.Max = percentile(latencies, 0.999), percentile(latencies, 1)
	return result
}

// percentile of sorted values; 1 is the largest.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	i := int(p*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	if len(s) == 0 {
		return 0
	}
	return s[len(s)/2]
}
