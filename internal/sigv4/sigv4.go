// Package sigv4 signs and verifies HTTP requests by AWS Signature Version 4,
// in the form that carries the signature in the Authorization header.
//
// Both sides share one canonical form, written by hand into pooled buffers: a
// signature is made for every call to a proxy and checked for every call to
// either server. Signing keys, which cost four HMACs, are kept per secret, day,
// Region and service in a bounded cache.
//
// The hash of the payload is always the hash of the body in hand; unsigned and
// streamed payloads do not exist here. Not supported: the query string form
// (presigned URLs), chunked signatures, and Signature Version 4A.
package sigv4

import (
	"strconv"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"

	dateFormat = "20060102T150405Z" // of X-Amz-Date
	dayLength  = len("20060102")    // of the scope: the head of X-Amz-Date

	// hexHash is the length of a SHA-256 hash or MAC in hexadecimal digits.
	hexHash = 64
)

// The names of headers that have a meaning of their own, as http.Header and as
// SignedHeaders write them.
const (
	headerAuthorization = "Authorization"
	headerDate          = "X-Amz-Date"
	headerToken         = "X-Amz-Security-Token"
	headerContentHash   = "X-Amz-Content-Sha256"
	headerTarget        = "X-Amz-Target"
	headerContentType   = "Content-Type"
	headerContentLength = "Content-Length"

	signedHost          = "host"
	signedDate          = "x-amz-date"
	signedToken         = "x-amz-security-token"
	signedContentHash   = "x-amz-content-sha256"
	signedTarget        = "x-amz-target"
	signedContentType   = "content-type"
	signedContentLength = "content-length"
)

// Credential is what a request is signed with. Printed or logged, it shows the
// access key ID only.
type Credential struct {
	AccessKeyID  string
	Secret       string `json:"-"`
	SessionToken string `json:"-"` // empty for long-term credentials
}

// String is the access key ID.
func (c Credential) String() string { return c.AccessKeyID }

// GoString is String.
func (c Credential) GoString() string { return "sigv4.Credential(" + c.AccessKeyID + ")" }

// Result is what a verified request says about its signer.
type Result struct {
	AccessKeyID, Region, Service string
	Time                         time.Time // of X-Amz-Date
	// SessionToken is the value of X-Amz-Security-Token, signed or not. The
	// caller compares it with the token that belongs to the access key.
	SessionToken string
}

// Reason classes the refusals of Verify.
type Reason uint8

// The reasons. All but UnknownKey and Mismatch are found before the secret is
// looked up, and depend on nothing secret.
const (
	Missing    Reason = iota + 1 // there is no Authorization header
	Incomplete                   // the header or what it names is malformed, doubled or absent
	UnknownKey                   // no secret belongs to the access key ID
	Expired                      // X-Amz-Date is outside the window, on either side
	Mismatch                     // another signature, or another hash in X-Amz-Content-Sha256
	WrongScope                   // date, Region, service or terminator of the credential's scope
)

var reasonNames = [...]string{
	Missing:    "missing",
	Incomplete: "incomplete",
	UnknownKey: "unknown-key",
	Expired:    "expired",
	Mismatch:   "mismatch",
	WrongScope: "wrong-scope",
}

// String is a short lower-case name, fit for a metric's label.
func (r Reason) String() string {
	if int(r) < len(reasonNames) && reasonNames[r] != "" {
		return reasonNames[r]
	}
	return "reason-" + strconv.Itoa(int(r))
}

// Error is every error of Verify.
type Error struct {
	Reason Reason
	// Detail is one line in the wording of AWS's own answers, where they have
	// one. It quotes at most quoteLimit bytes of the request.
	Detail string
	// CanonicalRequest and StringToSign are what the verifier computed, for
	// Mismatch and UnknownKey only. They hold the values of signed headers: give
	// them back to the caller who sent them, and keep them out of logs.
	CanonicalRequest, StringToSign string
}

// Error gives reason and detail.
func (e *Error) Error() string { return e.Reason.String() + ": " + e.Detail }

// quoteLimit is how much of a request's own text an error repeats, in bytes.
const quoteLimit = 64

func quote(s string) string {
	if len(s) > quoteLimit {
		s = s[:quoteLimit] + "..."
	}
	return strconv.QuoteToASCII(s)
}
