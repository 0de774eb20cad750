package proxy

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// beginTrace begins the span of the request, if traces are wanted. KMS sends no
// trace of its own to be a part of.
func (x *exchange) beginTrace() {
	if x.tracer == nil {
		return
	}
	x.traced, x.span = x.tracer.Start(context.Background(), "xks "+x.op.name,
		trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(x.start))
}

// traceDevice adds a span for time in and waiting for the device.
func (x *exchange) traceDevice(start, end time.Time) {
	if x.span == nil {
		return
	}
	_, span := x.tracer.Start(x.traced, "device", trace.WithTimestamp(start))
	span.End(trace.WithTimestamp(end))
}

// endTrace ends the span of the request. It shows no more than the access log.
func (x *exchange) endTrace(outcome string, f *refusal) {
	if x.span == nil {
		return
	}
	x.span.SetAttributes(
		attribute.String("kms.request_id", head(x.metadata.KMSRequestID, maxLogged)),
		attribute.String("kms.operation", head(x.metadata.KMSOperation, maxLogged)),
		attribute.String("xks.operation", x.op.name),
		attribute.String("xks.outcome", outcome),
		attribute.String("xks.store", x.store.PathPrefix),
		attribute.String("xks.key", x.keyID))
	if x.decision.Policy != "" {
		x.span.SetAttributes(attribute.String("xks.policy", x.decision.Policy), attribute.Bool("xks.policy_would_deny", x.wouldDeny()))
	}
	if f != nil && f.Name.Retryable() || outcome == outcomeAborted {
		x.span.SetStatus(codes.Error, outcome)
	}
	x.span.End()
}
