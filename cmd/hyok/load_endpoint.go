package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"hyok/certs"
	"hyok/internal/sigv4"
)

// A loadEndpoint is where hyok load sends. The AWS SDK says where that is, who
// calls and prepares keys; the load itself is signed and sent here, since the
// SDK takes several times the processor time for each request.
type loadEndpoint struct {
	url    string // of the API, ends in /
	region string
	own    bool // a hyok on this machine, where keys may be made unasked
	kms    *kms.Client
	who    aws.CredentialsProvider
	client *http.Client
}

// openLoadEndpoint takes the hyok in dir; without dir what the AWS variables and
// profiles name, unless they name no endpoint and a hyok runs in .hyok.
func openLoadEndpoint(ctx context.Context, dir string, connections int) (*loadEndpoint, error) {
	named := os.Getenv("AWS_ENDPOINT_URL_KMS") != "" || os.Getenv("AWS_ENDPOINT_URL") != ""
	if _, err := os.Stat(filepath.Join(defaultDir, "env")); dir == "" && !named && err == nil {
		dir = defaultDir
	}
	var c aws.Config
	if dir != "" {
		env, err := (&remote{Dir: dir}).variables()
		if err != nil {
			return nil, err
		}
		c = aws.Config{Region: env["AWS_REGION"], BaseEndpoint: aws.String(env["AWS_ENDPOINT_URL_KMS"]),
			Credentials: credentials.NewStaticCredentialsProvider(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], "")}
	} else {
		var err error
		if c, err = config.LoadDefaultConfig(ctx); err != nil {
			return nil, fmt.Errorf("reading the AWS configuration: %w", err)
		}
	}
	if c.Region == "" {
		return nil, errors.New("no Region is set: set AWS_REGION, or name a running hyok with --dir")
	}
	e := &loadEndpoint{region: c.Region, kms: kms.NewFromConfig(c), who: c.Credentials}
	if _, err := e.who.Retrieve(ctx); err != nil {
		return nil, fmt.Errorf("no AWS credentials (%w): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a running hyok with --dir", err)
	}
	if err := e.locate(ctx); err != nil {
		return nil, err
	}
	e.own = dir != "" || os.Getenv("HYOK_ADMIN_URL") != "" && isLoopback(e.url)
	return e, e.makeClient(connections)
}

// locate finds the URL that the SDK would send to.
func (e *loadEndpoint) locate(ctx context.Context) error {
	o := e.kms.Options()
	found, err := o.EndpointResolverV2.ResolveEndpoint(ctx, kms.EndpointParameters{
		Region: aws.String(e.region), Endpoint: o.BaseEndpoint,
		UseFIPS:      aws.Bool(o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled),
		UseDualStack: aws.Bool(o.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled),
	})
	if err != nil {
		return fmt.Errorf("finding the endpoint: %w", err)
	}
	e.url = strings.TrimSuffix(found.URI.String(), "/") + "/"
	return nil
}

func isLoopback(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// makeClient makes a client that keeps as many connections as may be wanted.
func (e *loadEndpoint) makeClient(connections int) error {
	secure := &tls.Config{}
	if file := os.Getenv("AWS_CA_BUNDLE"); file != "" {
		roots, err := certs.LoadPool(file)
		if err != nil {
			return fmt.Errorf("AWS_CA_BUNDLE: %w", err)
		}
		secure.RootCAs = roots
	}
	e.client = &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: secure, DisableCompression: true,
		MaxIdleConnsPerHost: connections, IdleConnTimeout: 90 * time.Second,
	}}
	return nil
}

// A kmsRequest is one request of the API. It is signed anew each second, which
// is as fine as the date in a signature.
type kmsRequest struct {
	endpoint  *loadEndpoint
	operation string
	body      []byte
	last      atomic.Pointer[signedAt]
}

type signedAt struct {
	second int64
	target *target
}

// do sends the request; an exception of KMS is an *exceptionError.
func (r *kmsRequest) do(ctx context.Context) error {
	t, err := r.sign(ctx, time.Now())
	if err != nil {
		return err
	}
	err = t.shoot(ctx, r.endpoint.client)
	if answer, ok := errors.AsType[*unexpected](err); ok {
		return newExceptionError(answer)
	}
	return err
}

func (r *kmsRequest) sign(ctx context.Context, now time.Time) (*target, error) {
	if s := r.last.Load(); s != nil && s.second == now.Unix() {
		return s.target, nil
	}
	who, err := r.endpoint.who.Retrieve(ctx) // remembered until it expires
	if err != nil {
		return nil, err
	}
	headers := http.Header{"X-Amz-Target": {"TrentService." + r.operation}, "Content-Type": {"application/x-amz-json-1.1"}}
	t, err := signed(r.endpoint.url, r.body, headers,
		sigv4.Credential{AccessKeyID: who.AccessKeyID, Secret: who.SecretAccessKey, SessionToken: who.SessionToken},
		r.endpoint.region, "kms", false)
	if err == nil {
		r.last.Store(&signedAt{now.Unix(), t})
	}
	return t, err
}

// An exceptionError is an exception of KMS.
type exceptionError struct{ name, message string }

func (e *exceptionError) Error() string { return e.message }

func newExceptionError(a *unexpected) error {
	var body struct {
		Type    string `json:"__type"`
		Message string `json:"message"` // or Message: names match in any case
	}
	if json.Unmarshal(a.body, &body) != nil || body.Type == "" {
		return &exceptionError{fmt.Sprintf("(status %d)", a.status), string(a.body)}
	}
	return &exceptionError{body.Type[strings.LastIndexByte(body.Type, '#')+1:], body.Message}
}

// errorName gives an error's row in the error table: the exception, or in
// brackets what became of the connection.
func errorName(err error) string {
	if e, ok := errors.AsType[*exceptionError](err); ok {
		return e.name
	}
	for _, row := range []struct {
		is   error
		name string
	}{
		{context.DeadlineExceeded, "(timed out)"},
		{syscall.ECONNREFUSED, "(connection refused)"},
		{syscall.ECONNRESET, "(connection reset)"},
		{io.ErrUnexpectedEOF, "(connection closed)"},
		{io.EOF, "(connection closed)"},
	} {
		if errors.Is(err, row.is) {
			return row.name
		}
	}
	return "(network)"
}
