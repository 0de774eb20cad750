package cluster

import "fmt"

// Kind says whose turn it is after an Error.
type Kind int

// Kinds of errors.
const (
	Invalid  Kind = iota // the request cannot be met as things are
	NotFound             // it names something that is not there
)

// Error is a refusal of a Fleet, in words for its caller.
type Error struct {
	Kind    Kind
	Message string
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

func invalid(format string, args ...any) error {
	return &Error{Invalid, fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return &Error{NotFound, fmt.Sprintf(format, args...)}
}
