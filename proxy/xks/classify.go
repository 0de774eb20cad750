package xks

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// An attemptError is why one attempt has no usable answer.
type attemptError struct {
	kind TransportKind
	// setup: the connection could not be set up in the time. Nothing was sent,
	// and the attempt may be made once more (guide 004:21444).
	setup bool
	err   error
}

// connectError classes an error before there is a TCP connection.
func connectError(ctx context.Context, err error) *attemptError {
	return &attemptError{kind: Unreachable, setup: outOfTime(ctx, err), err: err}
}

// handshakeError classes an error of the TLS handshake. A connection that is
// cut without an alert says nothing of TLS.
func handshakeError(ctx context.Context, err error) *attemptError {
	switch {
	case outOfTime(ctx, err):
		return &attemptError{kind: TimedOut, setup: true, err: err}
	case isCut(err):
		return &attemptError{kind: Unreachable, err: err}
	}
	return &attemptError{kind: TLS, err: err}
}

// exchangeError classes an error after the connection was there.
func exchangeError(ctx context.Context, c *conn, err error) *attemptError {
	switch {
	case c.readErr == nil: // the connection is well, the answer is not
		return &attemptError{kind: InvalidResponse, err: err}
	case outOfTime(ctx, c.readErr):
		return &attemptError{kind: TimedOut, err: err}
	case isAlert(c.readErr):
		// With TLS 1.3 a refused client certificate shows only now.
		return &attemptError{kind: TLS, err: err}
	}
	return &attemptError{kind: Unreachable, err: err}
}

// outOfTime reports whether err comes from a deadline or the context's end.
func outOfTime(ctx context.Context, err error) bool {
	var ne net.Error
	return ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, context.DeadlineExceeded) || errors.As(err, &ne) && ne.Timeout()
}

// isCut reports whether err is the other side's end of the connection.
func isCut(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// isAlert reports whether err is an alert of TLS, sent or received; crypto/tls
// has no other sign for it.
func isAlert(err error) bool {
	var oe *net.OpError
	return errors.As(err, &oe) && (oe.Op == "remote error" || oe.Op == "local error")
}
