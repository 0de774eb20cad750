package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"hyok/internal/metrics"
)

// What the export of traces may take; requests never wait for it.
const (
	traceTimeout = 5 * time.Second
	traceFlush   = 2 * time.Second // at the end
)

// startTracing makes the tracer, if the file wants traces. Spans are sent in
// batches in the background, and dropped when the receiver is away.
func (p *process) startTracing(ctx context.Context) error {
	if p.file.Tracing.Endpoint == "" {
		return nil
	}
	endpoint, err := url.Parse(p.file.Tracing.Endpoint)
	if err != nil {
		return err // not after the check of the file
	}
	if endpoint.Path == "" || endpoint.Path == "/" {
		endpoint.Path = "/v1/traces"
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint.String()), otlptracehttp.WithTimeout(traceTimeout),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: false}))
	if err != nil {
		return fmt.Errorf("preparing traces: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		p.log.Warn("traces were lost", "cause", err)
	}))
	p.traces = sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(resource.NewSchemaless(
		attribute.String("service.name", "xksproxy"), attribute.String("service.version", metrics.Version()))))
	p.tracer = p.traces.Tracer("hyok/proxy")
	return nil
}

// endTracing sends what is left, and no longer than traceFlush.
func (p *process) endTracing() {
	if p.traces == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), traceFlush)
	defer cancel()
	if err := p.traces.Shutdown(ctx); err != nil {
		p.log.Warn("traces were lost", "cause", err)
	}
}
