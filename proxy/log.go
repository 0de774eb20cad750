package proxy

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"hyok/proxy/xks"
)

// Outcomes of requests that are not an error name.
const (
	outcomeOK      = "ok"
	outcomeAborted = "aborted" // cut on purpose
	outcomeGone    = "gone"    // the client went before the answer
)

// outcome says in a word what became of the request.
func (x *exchange) outcome(f *refusal) string {
	switch {
	case f == nil:
		return outcomeOK
	case x.r.Context().Err() == context.Canceled:
		return outcomeGone
	}
	return string(f.Name)
}

// Longest strings of a request in the log. The protocol has no bounds for them
// but those of ARNs (XKS fact 47).
const (
	maxLogged    = 256
	maxLoggedARN = 2048
)

// logAccess writes the one line of a request (XKS fact 96). It holds nothing of
// plaintext, ciphertext or additional data.
func (x *exchange) logAccess(outcome string, f *refusal) {
	level, status := slog.LevelInfo, http.StatusOK
	if f != nil {
		status = f.Name.Status()
		if f.Name.Retryable() && outcome != outcomeGone {
			level = slog.LevelWarn
		}
	} else if outcome == outcomeOK && x.sample > 1 && x.logged.Add(1)%x.sample != 1 {
		level = slog.LevelDebug
	}
	if !x.log.Enabled(x.r.Context(), level) {
		return
	}
	m := &x.metadata
	attrs := make([]slog.Attr, 0, 16)
	attrs = append(attrs,
		slog.String("operation", x.op.name),
		slog.String("outcome", outcome),
		slog.Int("status", status),
		slog.Float64("latency_ms", milliseconds(time.Since(x.start))),
		slog.Float64("hsm_ms", milliseconds(x.hsmTime)),
		slog.String("store", x.store.PathPrefix),
		slog.String("key", x.keyID),
		slog.String("access_key_id", x.signer),
		slog.String("kms_request_id", head(m.KMSRequestID, maxLogged)),
		slog.String("kms_operation", head(m.KMSOperation, maxLogged)),
		slog.String("principal", head(m.AWSPrincipalArn, maxLoggedARN)),
		slog.String("kms_key", head(m.KMSKeyArn, maxLoggedARN)))
	if m.KMSViaService != "" {
		attrs = append(attrs, slog.String("via_service", head(m.KMSViaService, maxLogged)))
	}
	if m.AWSSourceVpc != "" || m.AWSSourceVpce != "" {
		attrs = append(attrs, slog.String("vpc", head(m.AWSSourceVpc, maxLogged)),
			slog.String("vpce", head(m.AWSSourceVpce, maxLogged)))
	}
	if f != nil {
		attrs = append(attrs, slog.String("message", f.Message))
		if f.cause != nil {
			attrs = append(attrs, slog.String("cause", xks.PrintableMessage(f.cause.Error())))
		}
	}
	x.log.LogAttrs(x.r.Context(), level, "request", attrs...)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// head is the beginning of s.
func head(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}
