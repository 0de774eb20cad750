package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
)

// A target is one request that is sent again and again.
type target struct {
	url     string
	headers http.Header
	body    []byte
}

// An unexpected is an answer that is not 200.
type unexpected struct {
	status int
	body   []byte
}

func (e *unexpected) Error() string { return fmt.Sprintf("status %d: %s", e.status, e.body) }

// shoot sends the request once. An answer other than 200 is an *unexpected.
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
		err = &unexpected{resp.StatusCode, answer}
	}
	return err
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	if len(s) == 0 {
		return 0
	}
	return s[len(s)/2]
}
