package xks

import "fmt"

// ErrorName is one of the twelve error names of the protocol (XKS facts 1.11).
type ErrorName string

// The error names.
const (
	ValidationException           ErrorName = "ValidationException"
	InvalidStateException         ErrorName = "InvalidStateException"
	InvalidCiphertextException    ErrorName = "InvalidCiphertextException"
	InvalidKeyUsageException      ErrorName = "InvalidKeyUsageException"
	AuthenticationFailedException ErrorName = "AuthenticationFailedException"
	AccessDeniedException         ErrorName = "AccessDeniedException"
	KeyNotFoundException          ErrorName = "KeyNotFoundException"
	InvalidUriPathException       ErrorName = "InvalidUriPathException"
	ThrottlingException           ErrorName = "ThrottlingException"
	UnsupportedOperationException ErrorName = "UnsupportedOperationException"
	DependencyTimeoutException    ErrorName = "DependencyTimeoutException"
	InternalException             ErrorName = "InternalException"
)

// An errorRow is what the protocol says of one error name.
type errorRow struct {
	status    int  // of the HTTP answer
	retryable bool // counts against the proxy's reliability (XKS fact 87)
}

// errorTable is the table of XKS facts 1.11, a row per name.
var errorTable = map[ErrorName]errorRow{
	ValidationException:           {400, false},
	InvalidStateException:         {400, false},
	InvalidCiphertextException:    {400, false},
	InvalidKeyUsageException:      {400, false},
	AuthenticationFailedException: {401, false},
	AccessDeniedException:         {403, false},
	KeyNotFoundException:          {404, false},
	InvalidUriPathException:       {404, false},
	ThrottlingException:           {429, true},
	UnsupportedOperationException: {501, false},
	DependencyTimeoutException:    {503, true},
	InternalException:             {500, true},
}

// Valid reports whether n is a name of the protocol.
func (n ErrorName) Valid() bool {
	_, ok := errorTable[n]
	return ok
}

// Status is the HTTP status of n; 500 for a name that is not in the protocol.
func (n ErrorName) Status() int {
	if row, ok := errorTable[n]; ok {
		return row.status
	}
	return errorTable[InternalException].status
}

// Retryable reports whether KMS counts n as a retryable error (XKS fact 87).
func (n ErrorName) Retryable() bool { return errorTable[n].retryable }

// An Error is an error answer of the protocol: what the proxy answers with, and
// what the client returns for a well-formed one. KMS shows neither name nor
// message to its callers (XKS facts 1.11); both are for logs.
type Error struct {
	Name    ErrorName `json:"errorName"`
	Message string    `json:"errorMessage,omitzero"`
}

// Error is the name and the message.
func (e *Error) Error() string {
	if e.Message == "" {
		return string(e.Name)
	}
	return string(e.Name) + ": " + e.Message
}

// TransportKind says at what an attempt to reach the proxy failed.
type TransportKind int

// The kinds of failure that are not an error answer.
const (
	// Unreachable: no TCP connection (no such host, refused, or none within
	// the time, twice), or a connection cut before the answer was complete.
	Unreachable TransportKind = iota + 1
	// TimedOut: connected, but no complete answer within the time.
	TimedOut
	// TLS: the handshake failed, or the certificate is not good for the host.
	TLS
	// InvalidResponse: the answer is not one of the protocol.
	InvalidResponse
)

// String is the kind in words, for logs and metrics.
func (k TransportKind) String() string {
	switch k {
	case Unreachable:
		return "Unreachable"
	case TimedOut:
		return "TimedOut"
	case TLS:
		return "TLS"
	case InvalidResponse:
		return "InvalidResponse"
	}
	return fmt.Sprintf("TransportKind(%d)", int(k))
}

// A TransportError is a request without a usable answer.
type TransportError struct {
	Kind     TransportKind
	Attempts int   // one or two
	Err      error // what happened, never nil
}

// Error says what happened and how often it was tried.
func (e *TransportError) Error() string {
	return fmt.Sprintf("calling the external key store proxy (%s, attempts: %d): %v", e.Kind, e.Attempts, e.Err)
}

// Unwrap gives what happened.
func (e *TransportError) Unwrap() error { return e.Err }
