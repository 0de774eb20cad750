package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"go.opentelemetry.io/otel/trace"

	"hyok/internal/fault"
	"hyok/proxy/xks"
)

// maxBody is the longest request body read. Legal ones stay under 24 KiB (XKS
// fact 56); a longer one is answered with UnsupportedOperationException.
const maxBody = 128 << 10

// keptBuffer is the largest body whose memory is kept for the next request.
const keptBuffer = 64 << 10

// An operation is one of the four of the protocol.
type operation struct {
	name  string
	route string // after xks.BasePath
	// serve decodes the body and does the work; its answer is in x.out.
	serve func(x *exchange) *refusal
	// device: each request has the device work.
	device bool
}

var operations = []*operation{
	{xks.OpGetKeyMetadata, "/keys/{keyID}/metadata", (*exchange).getKeyMetadata, false},
	{xks.OpEncrypt, "/keys/{keyID}/encrypt", (*exchange).encrypt, true},
	{xks.OpDecrypt, "/keys/{keyID}/decrypt", (*exchange).decrypt, true},
	{xks.OpGetHealthStatus, "/health", (*exchange).getHealthStatus, false},
}

// An exchange is a request and what is known of it so far.
type exchange struct {
	*Server
	store *store
	op    *operation
	r     *http.Request
	keyID string // "" for GetHealthStatus

	ctx  context.Context // ends with the deadline
	body []byte          // its memory is used again, like aad's
	aad  []byte          // what the device authenticates
	out  []byte          // the answer
	// aadLent: a call of the device failed, and may go on reading aad.
	aadLent bool

	start    time.Time
	signer   string // access key ID, once the signature was verified
	metadata xks.RequestMetadata
	hsmTime  time.Duration

	traced context.Context // of span
	span   trace.Span      // nil: not traced
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// release keeps the buffers of x, unless they are unusually large.
func (x *exchange) release() {
	var kept exchange
	if cap(x.body) <= keptBuffer {
		kept.body = x.body[:0]
	}
	if !x.aadLent {
		kept.aad = x.aad[:0]
	}
	*x = kept
	exchanges.Put(x)
}

// serve is the handler of an operation of a store.
func (s *Server) serve(st *store, op *operation) http.HandlerFunc {
	meter := st.meters[op.name]
	return func(w http.ResponseWriter, r *http.Request) {
		x := exchanges.Get().(*exchange)
		defer x.release()
		x.Server, x.store, x.op, x.r = s, st, op, r
		x.start, x.ctx = time.Now(), r.Context()
		x.keyID = chi.URLParam(r, "keyID")
		if op.name != xks.OpGetHealthStatus && !xks.ValidKeyID(x.keyID) {
			s.notFound(w, r)
			return
		}
		end := meter.begin()
		x.beginTrace()
		var refused *refusal
		outcome := outcomeAborted // unless run returns
		defer func() {
			if outcome == outcomeAborted {
				_ = x.record(outcome) // there is no answer to fail
			}
			end(outcome, x.hsmTime)
			x.logAccess(outcome, refused)
			x.endTrace(outcome, refused)
		}()
		refused = x.run()
		outcome = x.outcome(refused)
		if f := x.record(outcome); f != nil {
			refused, outcome = f, x.outcome(f)
		}
		if refused == nil {
			writeJSON(w, http.StatusOK, x.out)
		} else {
			writeFailure(w, refused)
		}
	}
}

// run takes the request along the road that all operations share.
func (x *exchange) run() *refusal {
	if x.store.limits.underWay.Load() >= x.store.concurrency {
		return errTooMany // before the body is read, which is work too
	}
	if f := x.readBody(); f != nil {
		return f
	}
	// Only now does the request count: clients that send slowly must not take
	// the places of others.
	defer x.store.limits.underWay.Add(-1)
	if x.store.limits.underWay.Add(1) > x.store.concurrency {
		return errTooMany
	}
	if f := x.authenticate(); f != nil {
		return f
	}
	if !x.store.limits.rate.Allow() {
		return errTooFast
	}
	if f := x.sufferFaults(); f != nil {
		return f
	}
	if x.op.device && x.store.Token.Backlog() > x.store.deadline/shedAt {
		return errBusy
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), x.store.deadline)
	defer cancel()
	x.ctx = ctx
	return x.op.serve(x)
}

// shedAt is the part of the deadline that the device may be behind before more
// work for it is refused at once: an Encrypt waits for it twice, and what is
// answered late has cost the device as much as what is answered in time.
const shedAt = 4

var (
	errBusy    = failure(xks.ThrottlingException, "the external key manager is behind with its work")
	errTooMany = failure(xks.ThrottlingException, "too many requests are under way for this key store")
	errTooFast = failure(xks.ThrottlingException, "the request rate of this key store is exceeded")
	errTooBig  = failure(xks.UnsupportedOperationException, "the request body is larger than 131072 bytes")
)

// readBody reads the body to its end. The buffer grows as bytes come, so that
// a client cannot take memory by announcing them.
func (x *exchange) readBody() *refusal {
	if x.r.ContentLength > maxBody {
		return errTooBig
	}
	b := x.body[:0]
	for {
		if len(b) == cap(b) {
			b = append(b, make([]byte, max(2048, len(b)))...)[:len(b)]
		}
		n, err := x.r.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		x.body = b
		switch {
		case len(b) > maxBody:
			return errTooBig
		case err == io.EOF:
			return nil
		case err != nil:
			return because(err, xks.ValidationException, "the request body ended early")
		}
	}
}

// authenticate verifies the signature. The answer does not tell what is wrong
// with it, which would help in guessing.
func (x *exchange) authenticate() *refusal {
	who, err := x.store.verifier.Verify(x.r, x.body, x.now())
	if err != nil {
		return because(err, xks.AuthenticationFailedException,
			"the signature was not accepted; check credential, Region, clock, and that nothing rewrites the Host header")
	}
	x.signer = who.AccessKeyID
	return nil
}

// sufferFaults does what a fault rule wants of the proxy.
func (x *exchange) sufferFaults() *refusal {
	effect, ok := x.faults.Match(fault.Proxy, x.op.name)
	if !ok {
		return nil
	}
	var m xks.GetKeyMetadataRequest
	if xks.Unmarshal(x.body, &m) == nil {
		x.metadata = m.RequestMetadata // for the log
	}
	ctx := x.r.Context()
	if effect.Blackhole {
		<-ctx.Done()
	}
	if effect.Wait(ctx) != nil || effect.Reset || effect.Blackhole {
		panic(http.ErrAbortHandler) // cuts the connection
	}
	if effect.Error != "" {
		return failure(xks.ErrorName(effect.Error), "this error was injected on purpose")
	}
	return nil
}

// decode decodes the body into req, whose metadata is in m, and checks what all
// operations require of it. Base64 is a matter of the fields, which come later:
// late is its fault.
func (x *exchange) decode(req any, m *xks.RequestMetadata) (late, f *refusal) {
	err := xks.Unmarshal(x.body, req)
	if errors.Is(err, xks.ErrBase64) {
		late = failure(xks.ValidationException, "a member of bytes is not standard base64 with padding")
		// What comes after the member was not decoded: the metadata perhaps.
		var again xks.GetKeyMetadataRequest
		err = xks.Unmarshal(x.body, &again)
		*m = again.RequestMetadata
	}
	if err != nil {
		return nil, because(err, xks.ValidationException, "the request body is not JSON of the expected types")
	}
	x.metadata = *m
	if name := x.missingMetadata(); name != "" {
		return nil, failure(xks.ValidationException, "requestMetadata has no "+name)
	}
	return late, nil
}

// missingMetadata names the first member of requestMetadata that the operation
// requires and the request lacks (XKS facts 1.6). What the members hold is not
// validated: request IDs are opaque, principals not always ARNs.
func (x *exchange) missingMetadata() string {
	m := &x.metadata
	crypto := x.op.name == xks.OpEncrypt || x.op.name == xks.OpDecrypt
	switch {
	case m.KMSRequestID == "":
		return "kmsRequestId"
	case m.KMSOperation == "":
		return "kmsOperation"
	case m.AWSPrincipalArn == "" && x.op.name != xks.OpGetHealthStatus:
		return "awsPrincipalArn"
	case m.KMSKeyArn == "" && crypto:
		return "kmsKeyArn"
	}
	return ""
}

// answer makes the JSON of the answer.
func (x *exchange) answer(resp any) (f *refusal) {
	var err error
	if x.out, err = xks.Marshal(resp); err != nil {
		return because(err, xks.InternalException, messageInternal)
	}
	return nil
}
