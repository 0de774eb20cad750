package api

import (
	"crypto/subtle"
	"errors"
	"strconv"
	"strings"
	"time"

	"hyok/internal/sigv4"
)

// The fixed messages of signature errors, AWS's own, which SDKs and people's
// scripts look for.
const (
	messageNoToken  = "Missing Authentication Token"
	messageBadToken = "The security token included in the request is invalid."
	messageMismatch = "The request signature we calculated does not match the signature you provided. " +
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
)

// authenticate verifies the signature and gives who made it, for which Region.
func (e *exchange) authenticate(body []byte) (Caller, string, *Error) {
	result, err := e.verifier.Verify(e.r, body, e.start)
	if err != nil {
		return Caller{}, "", e.signatureError(err)
	}
	_, token, caller, ok := e.Authenticate(result.AccessKeyID)
	if !ok || subtle.ConstantTimeCompare([]byte(token), []byte(result.SessionToken)) == 0 {
		return Caller{}, "", Errorf(CodeUnrecognizedClientException, messageBadToken)
	}
	caller.AccessKeyID = result.AccessKeyID
	return caller, result.Region, nil
}

// signatureError is the answer to a request that Verify refused.
func (e *exchange) signatureError(err error) *Error {
	s, ok := errors.AsType[*sigv4.Error](err)
	if !ok {
		return e.refusal(err)
	}
	switch s.Reason {
	case sigv4.Missing:
		return &Error{Code: CodeMissingAuthenticationTokenException, Message: messageNoToken}
	case sigv4.Incomplete:
		return &Error{Code: CodeIncompleteSignatureException, Message: apostrophes(s.Detail)}
	case sigv4.UnknownKey:
		return &Error{Code: CodeUnrecognizedClientException, Message: messageBadToken}
	case sigv4.Mismatch:
		return &Error{Code: CodeInvalidSignatureException, Message: mismatchMessage(s)}
	case sigv4.Expired:
		return &Error{Code: CodeInvalidSignatureException, Message: expiredMessage(s.Detail, e.start)}
	}
	return &Error{Code: CodeInvalidSignatureException, Message: apostrophes(s.Detail)}
}

// apostrophes puts what a message quotes between the signs that AWS uses.
func apostrophes(detail string) string { return strings.ReplaceAll(detail, `"`, "'") }

// expiredMessage adds the server's own time and the window to what is wrong
// with the request's, as AWS does: clients correct their clock by it.
func expiredMessage(detail string, now time.Time) string {
	sign := "+"
	if strings.HasPrefix(detail, "Signature expired") {
		sign = "-"
	}
	minutes := strconv.Itoa(int(sigv4.DefaultWindow / time.Minute))
	return strings.TrimSuffix(detail, ".") + " (" + now.UTC().Format("20060102T150405Z") + " " + sign + " " + minutes + " min.)"
}

// mismatchMessage shows the signer what it should have signed, as AWS does.
func mismatchMessage(s *sigv4.Error) string {
	return messageMismatch +
		"\n\nThe Canonical String for this request should have been\n'" + s.CanonicalRequest +
		"'\n\nThe String-to-Sign should have been\n'" + s.StringToSign + "'\n"
}
