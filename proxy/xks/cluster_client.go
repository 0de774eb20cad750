package xks

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"

	"hyok/internal/fault"
	"hyok/internal/sigv4"
)

// DefaultClusterTimeout limits one attempt of a ClusterClient. The 250 ms of
// the XKS protocol do not hold here: a cluster is reached inside a VPC, and its
// logins are slow on purpose.
const DefaultClusterTimeout = 2 * time.Second

// ClusterClientConfig configures a ClusterClient.
type ClusterClientConfig struct {
	// Endpoint is https://host or https://host:port; ClusterID goes into the path.
	Endpoint, ClusterID string
	// Credential signs every request; Region is the signer's.
	Credential sigv4.Credential
	Region     string
	// TLS, Resolve, Faults and Now are as in ClientConfig. Faults that are for
	// Encrypt or Decrypt, or for all operations, meet the cluster's as well.
	TLS     *tls.Config
	Resolve map[string]string
	Faults  *fault.Set
	Now     func() time.Time
	// Timeout limits each attempt; 0: DefaultClusterTimeout.
	Timeout time.Duration
}

// A ClusterClient calls one simulated cluster. Its methods are safe for
// concurrent use and return *ClusterError for an error answer, *TransportError
// when there is no usable answer.
type ClusterClient struct {
	t    *transport
	base string
}

// NewClusterClient checks c and makes a ClusterClient; it does not connect.
func NewClusterClient(c ClusterClientConfig) (*ClusterClient, error) {
	if c.ClusterID == "" {
		return nil, errors.New("the cluster ID must not be empty")
	}
	t, err := newTransport(ClientConfig{
		Endpoint: c.Endpoint, Credential: c.Credential, Region: c.Region, TLS: c.TLS, Resolve: c.Resolve,
		Timeout: cmp.Or(c.Timeout, DefaultClusterTimeout), Faults: c.Faults, Now: c.Now,
	})
	if err != nil {
		return nil, err
	}
	return &ClusterClient{t: t, base: ClusterPathPrefix + c.ClusterID + ClusterVersion}, nil
}

// Close cuts the connections that are kept. Requests under way end as usual.
func (c *ClusterClient) Close() { c.t.close() }

// Describe tells what the cluster is and which HSMs it has.
func (c *ClusterClient) Describe(ctx context.Context) (*ClusterDescription, error) {
	return callCluster[ClusterDescription](ctx, c, ClusterOpDescribe, ClusterEmpty{})
}

// Attach makes the network interfaces of a key store in the cluster's subnets;
// those that are there already stay. ClusterSubnetNotFound, ClusterNoAddress.
func (c *ClusterClient) Attach(ctx context.Context, keyStoreID string) error {
	_, err := callCluster[ClusterEmpty](ctx, c, ClusterOpAttach, ClusterAttachRequest{keyStoreID})
	return err
}

// Detach removes what Attach made; that there is nothing is no error.
func (c *ClusterClient) Detach(ctx context.Context, keyStoreID string) error {
	_, err := callCluster[ClusterEmpty](ctx, c, ClusterOpDetach, ClusterAttachRequest{keyStoreID})
	return err
}

// Connect logs in as kmsuser with password, once, and then makes newPassword
// its password; "" leaves it. ClusterWrongPassword or ClusterLockedOut when the
// login is refused.
func (c *ClusterClient) Connect(ctx context.Context, password, newPassword string) error {
	_, err := callCluster[ClusterEmpty](ctx, c, ClusterOpConnect, ClusterConnectRequest{password, newPassword})
	return err
}

// Disconnect logs kmsuser out; that nobody was logged in is no error.
func (c *ClusterClient) Disconnect(ctx context.Context) error {
	_, err := callCluster[ClusterEmpty](ctx, c, ClusterOpDisconnect, ClusterEmpty{})
	return err
}

// CreateKey makes an AES-256 key that never leaves the cluster, with this label.
func (c *ClusterClient) CreateKey(ctx context.Context, label string) (*ClusterKey, error) {
	return callCluster[ClusterKey](ctx, c, ClusterOpCreateKey, ClusterKeyRequest{label})
}

// DeleteKey destroys the key with this label.
func (c *ClusterClient) DeleteKey(ctx context.Context, label string) error {
	_, err := callCluster[ClusterEmpty](ctx, c, ClusterOpDeleteKey, ClusterKeyRequest{label})
	return err
}

// ListKeys gives the keys whose labels come after a label ("": from the
// first), in the order of their labels, a page at a time.
func (c *ClusterClient) ListKeys(ctx context.Context, after string) (*ClusterKeys, error) {
	return callCluster[ClusterKeys](ctx, c, ClusterOpListKeys, ClusterListKeysRequest{after})
}

// Random gives n bytes from the cluster's HSMs, 1 to ClusterMaxRandom.
func (c *ClusterClient) Random(ctx context.Context, n int) ([]byte, error) {
	r, err := callCluster[ClusterRandomResponse](ctx, c, ClusterOpRandom, ClusterRandomRequest{n})
	if err != nil {
		return nil, err
	}
	if len(r.Bytes) != n {
		return nil, badClusterAnswer(fmt.Errorf("%d random bytes came, %d were asked for", len(r.Bytes), n))
	}
	return r.Bytes, nil
}

// Encrypt encrypts under the key with req's label. The answer's lengths have
// been checked.
func (c *ClusterClient) Encrypt(ctx context.Context, req ClusterEncryptRequest) (*ClusterSealed, error) {
	r, err := callCluster[ClusterSealed](ctx, c, ClusterOpEncrypt, req)
	if err != nil {
		return nil, err
	}
	if len(r.IV) != IVSize || len(r.Tag) != TagSize || len(r.Ciphertext) != len(req.Plaintext) {
		return nil, badClusterAnswer(errors.New("IV, tag or ciphertext has a wrong length"))
	}
	return r, nil
}

// Decrypt opens what Encrypt gave.
func (c *ClusterClient) Decrypt(ctx context.Context, req ClusterDecryptRequest) ([]byte, error) {
	r, err := callCluster[ClusterDecryptResponse](ctx, c, ClusterOpDecrypt, req)
	if err != nil {
		return nil, err
	}
	if len(r.Plaintext) != len(req.Ciphertext) {
		return nil, badClusterAnswer(errors.New("the plaintext has a wrong length"))
	}
	return r.Plaintext, nil
}

func badClusterAnswer(err error) error {
	return &TransportError{Kind: InvalidResponse, Attempts: 1, Err: err}
}

// callCluster sends req to the operation op and reads the answer.
func callCluster[T any](ctx context.Context, c *ClusterClient, op string, req any) (*T, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("encoding a request to the cluster: %w", err)
	}
	k := &call{op: op, path: c.base + op, body: body}
	switch op { // faults know the proxy's names
	case ClusterOpEncrypt:
		k.op = OpEncrypt
	case ClusterOpDecrypt:
		k.op = OpDecrypt
	}
	a, attempts, aerr := c.t.roundTrip(ctx, k)
	if aerr != nil {
		return nil, &TransportError{Kind: aerr.kind, Attempts: attempts, Err: aerr.err}
	}
	if a.status != http.StatusOK {
		return nil, clusterError(a, attempts)
	}
	resp := new(T)
	if err := Unmarshal(a.body, resp); err != nil {
		return nil, &TransportError{Kind: InvalidResponse, Attempts: attempts, Err: err}
	}
	return resp, nil
}

// clusterError reads an error answer.
func clusterError(a answer, attempts int) error {
	e := new(ClusterError)
	if err := Unmarshal(a.body, e); err == nil {
		if _, known := ClusterErrorStatus[e.Name]; known {
			e.Message = PrintableMessage(e.Message)
			return e
		}
	}
	return &TransportError{Kind: InvalidResponse, Attempts: attempts,
		Err: fmt.Errorf("the answer has status %d and no error name of a cluster", a.status)}
}
