package xks

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"hyok/internal/fault"
	"hyok/internal/sigv4"
)

// DefaultTimeout limits one attempt (XKS fact 89, guide 004:20774).
const DefaultTimeout = 250 * time.Millisecond

// ClientConfig configures a Client.
type ClientConfig struct {
	// Endpoint is https://host or https://host:port; Path the prefix of the key
	// store and BasePath.
	Endpoint, Path string
	// Credential signs every request; Region is the signer's.
	Credential sigv4.Credential
	Region     string
	// TLS is cloned; nil: certs.ClientConfig with the system's roots. An empty
	// ServerName becomes the endpoint's host.
	TLS *tls.Config
	// Resolve maps "host" or "host:port" to the "host:port" to dial instead, or
	// to several with commas between; nil: none. Names that are not in it are
	// resolved to IPv4 addresses only, as KMS does (XKS fact 11). Connections go
	// to several addresses in turn.
	Resolve map[string]string
	// Timeout limits each attempt from the first byte out, connection set-up
	// included, to the last byte in; 0: DefaultTimeout.
	Timeout time.Duration
	// Faults are the failures made on purpose at fault.Network; nil: none.
	Faults *fault.Set
	// Observe is called once per request when it has ended; nil: not.
	Observe func(Observation)
	// Now dates the signatures; nil: time.Now.
	Now func() time.Time
}

// An Observation is what one request came to, both attempts together.
type Observation struct {
	Operation    string // the proxy's, such as OpEncrypt
	KMSOperation string
	Latency      time.Duration
	Attempts     int
	Err          error // nil, *Error or *TransportError
}

// A Client calls the proxy of one key store. Its methods are safe for
// concurrent use and return *Error for an error answer, *TransportError when
// there is no usable answer, and another error for a request that the protocol
// does not allow, which is not sent.
type Client struct {
	t              *transport
	endpoint, path string
	observe        func(Observation)
}

// NewClient checks c and makes a Client; it does not connect.
func NewClient(c ClientConfig) (*Client, error) {
	t, err := newTransport(c)
	if err != nil {
		return nil, err
	}
	if err := CheckPath(c.Path); err != nil {
		return nil, err
	}
	return &Client{t: t, endpoint: c.Endpoint, path: c.Path, observe: c.Observe}, nil
}

// Close cuts the connections that are kept. Requests under way end as usual.
func (c *Client) Close() { c.t.close() }

// GetKeyMetadata asks what the external key keyID can do.
func (c *Client) GetKeyMetadata(ctx context.Context, keyID string, req *GetKeyMetadataRequest) (*GetKeyMetadataResponse, error) {
	return do(ctx, c, OpGetKeyMetadata, keyID, &req.RequestMetadata, req, checkKeyMetadata)
}

// Encrypt encrypts under the external key keyID. The answer's lengths, and its
// integrity value when one was asked for, have been checked.
func (c *Client) Encrypt(ctx context.Context, keyID string, req *EncryptRequest) (*EncryptResponse, error) {
	return do(ctx, c, OpEncrypt, keyID, &req.RequestMetadata, req,
		func(resp *EncryptResponse) error { return checkEncrypt(req, resp) })
}

// Decrypt decrypts under the external key keyID. The plaintext is as long as
// the ciphertext was.
func (c *Client) Decrypt(ctx context.Context, keyID string, req *DecryptRequest) (*DecryptResponse, error) {
	return do(ctx, c, OpDecrypt, keyID, &req.RequestMetadata, req,
		func(resp *DecryptResponse) error { return checkDecrypt(req, resp) })
}

// GetHealthStatus asks how the proxy and its devices are.
func (c *Client) GetHealthStatus(ctx context.Context, req *GetHealthStatusRequest) (*GetHealthStatusResponse, error) {
	return do(ctx, c, OpGetHealthStatus, "", &req.RequestMetadata, req, checkHealth)
}

// do sends req, with the metadata m in it, to the operation op and takes the
// answer apart.
func do[T any](ctx context.Context, c *Client, op, keyID string, m *RequestMetadata, req any, check func(*T) error) (*T, error) {
	body, err := Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("encoding the request: %w", err)
	}
	path, err := operationPath(c.path, op, keyID)
	if err != nil {
		return nil, err
	}
	if n := len(c.endpoint) + len(path); n > MaxURI {
		return nil, fmt.Errorf("the URI of the request would have %d characters, at most %d are allowed", n, MaxURI)
	}
	start := time.Now()
	a, attempts, aerr := c.t.roundTrip(ctx, &call{op: op, path: path, body: body})
	resp := new(T)
	switch {
	case aerr != nil:
		err = &TransportError{Kind: aerr.kind, Attempts: attempts, Err: aerr.err}
	default:
		err = readResponse(a, attempts, resp, check)
	}
	if c.observe != nil {
		c.observe(Observation{op, m.KMSOperation, time.Since(start), attempts, err})
	}
	if err != nil {
		return nil, err
	}
	return resp, nil
}
