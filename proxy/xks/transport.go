package xks

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"syscall"
	"time"

	"hyok/internal/fault"
	"hyok/internal/sigv4"
)

// Limits of the client's side of HTTP.
const (
	// maxAnswer is far above the largest answer (a plaintext of MaxPlaintext).
	maxAnswer = 64 << 10
	// maxInformational answers (1xx) may come before the final one.
	maxInformational = 5
	// idleTime is how long a connection is kept. It is below the time after
	// which proxies and balancers usually cut, so that they seldom do it first.
	idleTime = 50 * time.Second
	// maxIdle connections are kept; above the concurrency that KMS reaches with
	// its quota of 1800 a second (XKS fact 92) at 250 ms each.
	maxIdle = 512
)

var (
	errAnswerTooLarge       = errors.New("the answer is larger than 64 KiB")
	errTooManyInformational = errors.New("too many informational answers")
)

// A transport keeps connections to one endpoint and carries requests over them,
// one attempt at a time. It never repeats a request by itself, follows no
// redirect and asks no environment for a proxy.
type transport struct {
	host       string // host or host:port, as in the URL and as it is signed
	dialer     *dialer
	tls        *tls.Config
	timeout    time.Duration
	credential sigv4.Credential
	region     string
	now        func() time.Time
	faults     *fault.Set

	mu        sync.Mutex
	idle      []*conn // the one used last at the end
	waiting   []waiter
	dialing   int    // connections being made for requests
	connected uint64 // connections made so far
	sweep     *time.Timer
	closed    bool
}

// call is one request: the path is sent and signed exactly as it stands.
type call struct {
	op   string // for faults
	path string
	body []byte
}

// attempt sends k once. Its error is nil or an *attemptError.
func (t *transport) attempt(ctx context.Context, k *call) (answer, *attemptError) {
	deadline := time.Now().Add(t.timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if effect, ok := t.faults.Match(fault.Network, k.op); ok {
		if err := t.suffer(ctx, deadline, effect); err != nil {
			return answer{}, err
		}
	}
	r, err := t.sign(k)
	if err != nil {
		return answer{}, &attemptError{kind: Unreachable, err: fmt.Errorf("signing the request: %w", err)}
	}
	c, aerr := t.get(ctx, deadline)
	if aerr != nil {
		return answer{}, aerr
	}
	stop := context.AfterFunc(ctx, c.abort)
	a, err := c.exchange(r, k)
	// A connection whose abort may be under way must not meet another request.
	if keep := stop() && err == nil && a.keep; keep {
		t.put(c)
	} else {
		c.close()
	}
	if err != nil {
		return answer{}, exchangeError(ctx, c, err)
	}
	return a, nil
}

// roundTrip sends k, and once more when the connection could not be set up in
// the time, and in no other case (guide 004:21444, XKS fact 90). It also says
// how many attempts it made.
func (t *transport) roundTrip(ctx context.Context, k *call) (answer, int, *attemptError) {
	a, err := t.attempt(ctx, k)
	if err == nil || !err.setup || ended(ctx) {
		return a, 1, err
	}
	a, err = t.attempt(ctx, k)
	return a, 2, err
}

// ended reports whether ctx has ended, or is about to: sockets keep time on their
// own and can be a moment ahead of it.
func ended(ctx context.Context) bool {
	d, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && time.Until(d) <= 0
}

// sign makes the signed request; its body is k's.
func (t *transport) sign(k *call) (*http.Request, error) {
	r := &http.Request{
		Method: http.MethodPost,
		URL:    &url.URL{Scheme: "https", Host: t.host, Path: k.path},
		Host:   t.host,
		Header: make(http.Header, 4),
	}
	err := sigv4.Sign(r, k.body, t.credential, t.region, Service, t.now(), sigv4.Options{RawPath: true})
	return r, err
}

// appendRequest appends r in HTTP/1.1 form, so that one write sends all of it.
func appendRequest(b []byte, r *http.Request, k *call) []byte {
	b = append(b, "POST "...)
	b = append(b, k.path...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, r.Host...)
	b = append(b, "\r\nContent-Type: application/json\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(k.body)), 10)
	for name, values := range r.Header {
		for _, v := range values {
			b = append(b, "\r\n"...)
			b = append(b, name...)
			b = append(b, ": "...)
			b = append(b, v...)
		}
	}
	b = append(b, "\r\n\r\n"...)
	return append(b, k.body...)
}

// get takes a kept connection that is still good, or makes one.
func (t *transport) get(ctx context.Context, deadline time.Time) (*conn, *attemptError) {
	for {
		c, w := t.reserve()
		if w != nil {
			var err *attemptError
			if c, err = t.await(ctx, deadline, w); err != nil {
				return nil, err
			}
		}
		if c == nil {
			c, err := t.dial(ctx, deadline)
			t.dialed(err == nil)
			return c, err
		}
		if c.tls.SetDeadline(deadline) == nil && c.alive() {
			return c, nil
		}
		c.close()
	}
}

// await waits for a connection or the turn to make one.
func (t *transport) await(ctx context.Context, deadline time.Time, w waiter) (*conn, *attemptError) {
	t.mu.Lock()
	before := t.connected
	t.mu.Unlock()
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	select {
	case c := <-w:
		return c, nil
	case <-ctx.Done():
	}
	t.leave(w)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.connected == before { // the network is dead, for this request as for those before it
		return nil, connectError(ctx, fmt.Errorf("waiting for a connection: %w", ctx.Err()))
	}
	return nil, &attemptError{kind: TimedOut, err: fmt.Errorf("waiting for a connection: %w", ctx.Err())}
}

// dial makes a connection, TLS included.
func (t *transport) dial(ctx context.Context, deadline time.Time) (*conn, *attemptError) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	raw, addr, err := t.dialer.dial(ctx)
	if err != nil {
		return nil, connectError(ctx, err)
	}
	secure := tls.Client(raw, t.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		aerr := handshakeError(ctx, err)
		t.dialer.note(addr, aerr.kind == TLS)
		return nil, aerr
	}
	t.dialer.note(addr, true)
	c, err := newConn(secure)
	if err == nil {
		err = secure.SetDeadline(deadline)
	}
	if err != nil {
		_ = raw.Close()
		return nil, connectError(ctx, err)
	}
	return c, nil
}

// suffer does what a fault rule wants of the network.
func (t *transport) suffer(ctx context.Context, deadline time.Time, e fault.Effect) *attemptError {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	if e.Blackhole {
		t.closeIdle()
		<-ctx.Done()
		return connectError(ctx, fmt.Errorf("injected black hole: %w", context.Cause(ctx)))
	}
	if err := e.Wait(ctx); err != nil {
		return &attemptError{kind: TimedOut, err: fmt.Errorf("injected latency: %w", err)}
	}
	if e.Reset {
		if c := t.pop(); c != nil {
			c.close()
		}
		return &attemptError{kind: Unreachable, err: fmt.Errorf("injected reset: %w", syscall.ECONNRESET)}
	}
	return nil
}
