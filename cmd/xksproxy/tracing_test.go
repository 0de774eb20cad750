package main

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// A receiver takes spans as OTLP over HTTP.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*otlp.Span
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := new(receiver)
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		var m collector.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &m); err != nil || q.URL.Path != "/v1/traces" || q.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%s %s: %v", q.URL, q.Header, err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, resource := range m.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				r.spans = append(r.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// named gives the spans of a name.
func (r *receiver) named(name string) (all []*otlp.Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.spans {
		if s.Name == name {
			all = append(all, s)
		}
	}
	return all
}

func TestRequestsAreTraced(t *testing.T) {
	r := newReceiver(t)
	c := startChild(t, "tracing: {endpoint: "+r.URL+"}")
	c.write(t, "keys.cedar", `@id("everybody") permit (principal, action, resource);`)
	c.rewrite(t, allKeys, allKeys+"    policy: {file: keys.cedar}\n")
	c.signal(t, syscall.SIGHUP)
	c.until(t, "the key stores were reloaded")
	if err := c.encrypt(t, first); err != nil {
		t.Fatal(err)
	}
	c.signal(t, syscall.SIGTERM)
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	requests, devices := r.named("xks Encrypt"), r.named("device")
	if len(requests) != 1 || len(devices) != 2 { // the second device call verifies
		t.Fatalf("%d requests, %d device calls", len(requests), len(devices))
	}
	got := map[string]string{}
	for _, a := range requests[0].Attributes {
		got[a.Key] = a.Value.GetStringValue()
	}
	for key, want := range map[string]string{"kms.request_id": "r", "kms.operation": "Encrypt", "xks.operation": "Encrypt", "xks.outcome": "ok", "xks.store": "/tenant", "xks.key": "key",
		"xks.policy": "everybody"} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
	for _, d := range devices {
		if hex.EncodeToString(d.ParentSpanId) != hex.EncodeToString(requests[0].SpanId) || hex.EncodeToString(d.TraceId) != hex.EncodeToString(requests[0].TraceId) {
			t.Error("a device call is not part of its request")
		}
		if d.StartTimeUnixNano < requests[0].StartTimeUnixNano || d.EndTimeUnixNano > requests[0].EndTimeUnixNano || d.EndTimeUnixNano <= d.StartTimeUnixNano {
			t.Error("a device call is not within its request")
		}
	}
}

// Without a receiver traces are lost, requests are not.
func TestNoRequestNeedsTheReceiverOfTraces(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	c := startChild(t, "tracing: {endpoint: "+gone.URL+"}")
	if err := c.encrypt(t, first); err != nil {
		t.Error(err)
	}
	c.signal(t, syscall.SIGTERM)
	c.until(t, "traces were lost")
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}
