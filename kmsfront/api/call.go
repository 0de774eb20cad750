package api

import (
	"context"
	"crypto/tls"
	"time"
)

// Caller is who signed a request.
type Caller struct {
	Account     string // twelve digits
	ARN         string // of the user, root, role session or service
	Type        string // IAMUser, Root, AssumedRole or AWSService
	PrincipalID string // the unique ID that CloudTrail shows
	UserName    string // IAMUser: the name without path
	AccessKeyID string
}

// Call is one authenticated request, decoded and valid by the model.
type Call struct {
	Op         *Operation
	In         any // *<input structure of Op>
	Caller     Caller
	OnBehalfOf string // header X-Hyok-On-Behalf-Of, not judged yet; empty: absent
	RequestID  string // also in the answer's x-amzn-RequestId
	Region     string // of the credential scope
	SourceIP   string
	UserAgent  string
	Host       string               // the Host header
	TLS        *tls.ConnectionState // nil: plain HTTP
	Start      time.Time
}

// Authenticator gives the secret, the session token (empty: none is wanted) and
// the identity behind an access key ID; ok is false for one it does not know.
type Authenticator func(accessKeyID string) (secret, sessionToken string, caller Caller, ok bool)

// Service does what the operations say.
type Service interface {
	// Do answers one call with Op's output structure. An error that is no
	// *Error reaches the caller as KMSInternalException and the log in full.
	Do(ctx context.Context, c *Call) (out any, err error)
}

type callKey struct{}

// CallFrom gives the call that ctx belongs to, or nil.
func CallFrom(ctx context.Context) *Call {
	c, _ := ctx.Value(callKey{}).(*Call)
	return c
}

// WithCall gives a context that belongs to c.
func WithCall(ctx context.Context, c *Call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}
