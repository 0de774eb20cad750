package proxy

import (
	"errors"
	"net/http"
	"strconv"

	"hyok/hsm"
	"hyok/proxy/xks"
)

// A refusal is what the caller is told, and why, which only the log
// is told.
type refusal struct {
	xks.Error
	cause error // nil: the message says it all
}

// failure makes a refusal without further cause. The message is printable
// ASCII below 512 characters and holds nothing of the request.
func failure(name xks.ErrorName, message string) *refusal {
	return &refusal{Error: xks.Error{Name: name, Message: message}}
}

// because is failure with a cause for the log.
func because(cause error, name xks.ErrorName, message string) *refusal {
	return &refusal{Error: xks.Error{Name: name, Message: message}, cause: cause}
}

// A deviceRow says what an error of the device is to the caller.
type deviceRow struct {
	err     error
	name    xks.ErrorName
	message string
}

// deviceErrors is the one way from an error of hsm to one of the protocol. The
// first row that fits counts; an error in no row is an InternalException.
// A fault of the device is never told as one of the caller, nor the other way
// round (XKS fact 87).
var deviceErrors = []deviceRow{
	{hsm.ErrTimeout, xks.DependencyTimeoutException, "the external key manager did not answer in time"},
	{hsm.ErrUnavailable, xks.InternalException, "the external key manager is not available"},
	{hsm.ErrKeyNotFound, xks.KeyNotFoundException, "the external key manager has no such key"},
	{hsm.ErrKeyDisabled, xks.InvalidStateException, "the external key is disabled in the external key manager"},
	{hsm.ErrKeyUsage, xks.InvalidKeyUsageException, "the external key does not allow this operation"},
	{hsm.ErrInvalidCiphertext, xks.InvalidCiphertextException, messageInvalidCiphertext},
	{hsm.ErrBadInput, xks.ValidationException, "the external key manager does not accept the lengths of the input"},
	{hsm.ErrAmbiguous, xks.InternalException, "more than one key of the external key manager has this name"},
	{hsm.ErrPIN, xks.InternalException, "the external key manager refused the proxy's login"},
	{hsm.ErrNotLoggedIn, xks.InternalException, "the proxy is not logged in to the external key manager"},
}

const (
	messageInvalidCiphertext = "ciphertext, initializationVector, authenticationTag, ciphertextMetadata or additionalAuthenticatedData is not what Encrypt gave"
	messageInternal          = "the external key store proxy failed"
)

// deviceFailure is the row of err.
func deviceFailure(err error) *refusal {
	for _, row := range deviceErrors {
		if errors.Is(err, row.err) {
			return because(err, row.name, row.message)
		}
	}
	return because(err, xks.InternalException, messageInternal)
}

// writeFailure answers with f and the status of its name.
func writeFailure(w http.ResponseWriter, f *refusal) { writeError(w, f.Name.Status(), f) }

func writeError(w http.ResponseWriter, status int, f *refusal) {
	body, err := xks.Marshal(&f.Error)
	if err != nil { // the messages are ours and ASCII
		panic(err)
	}
	writeJSON(w, status, body)
}

// contentType is shared by all answers, and not written to.
var contentType = []string{"application/json"}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h["Content-Type"] = contentType
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone: nobody to tell
}
