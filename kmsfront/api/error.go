package api

import (
	"fmt"
	"net/http"
)

// Error codes that belong to every AWS service and so are not in the model.
const (
	CodeAccessDeniedException               = "AccessDeniedException"
	CodeIncompleteSignatureException        = "IncompleteSignatureException"
	CodeInternalFailure                     = "InternalFailure"
	CodeInvalidSignatureException           = "InvalidSignatureException"
	CodeMissingAuthenticationTokenException = "MissingAuthenticationTokenException"
	CodeRequestEntityTooLargeException      = "RequestEntityTooLargeException"
	CodeSerializationException              = "SerializationException"
	CodeServiceUnavailableException         = "ServiceUnavailableException"
	CodeThrottlingException                 = "ThrottlingException"
	CodeUnknownOperationException           = "UnknownOperationException"
	CodeUnrecognizedClientException         = "UnrecognizedClientException"
	CodeValidationException                 = "ValidationException"
)

// Error is an answer that is no success, as the caller sees it.
type Error struct {
	Code    string // the exception's name, one of the Code constants
	Message string // empty: the answer has no message member
	Status  int    // HTTP status; 0: the code's own, which is 400 for most
}

// Error gives code and message.
func (e *Error) Error() string {
	if e.Message == "" {
		return e.Code
	}
	return e.Code + ": " + e.Message
}

// Errorf makes an Error with the code's own HTTP status.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// statuses are the codes whose HTTP status is not 400, beside the model's faults.
var statuses = map[string]int{
	CodeInternalFailure:                http.StatusInternalServerError,
	CodeRequestEntityTooLargeException: http.StatusRequestEntityTooLarge,
	CodeServiceUnavailableException:    http.StatusServiceUnavailable,
}

// HTTPStatus is the status of the answer.
func (e *Error) HTTPStatus() int {
	if e.Status != 0 {
		return e.Status
	}
	if s, ok := statuses[e.Code]; ok {
		return s
	}
	if faults[e.Code] {
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}
