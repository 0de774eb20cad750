package material

import "context"

// Request says on whose behalf key material is used. The external key store proxy is told (XKS spec, requestMetadata).
type Request struct {
	Operation    string // KMS operation, e.g. Encrypt
	RequestID    string
	PrincipalARN string
	KeyARN       string
	ViaService   string // empty: none
	SourceVpc    string // empty: none
	SourceVpce   string // empty: none
}

type requestKey struct{}

// WithRequest puts r into ctx.
func WithRequest(ctx context.Context, r Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

// RequestFrom gives what WithRequest put there; the zero Request when nothing was.
func RequestFrom(ctx context.Context) Request {
	r, _ := ctx.Value(requestKey{}).(Request)
	return r
}
