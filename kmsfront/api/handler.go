package api

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"hyok/internal/metrics"
	"hyok/internal/sigv4"
)

// MaxBody is the largest request body that is read, in bytes. Beyond it the
// answer is RequestEntityTooLargeException with HTTP status 413, and the
// connection closes when the client keeps sending.
const MaxBody = 256 << 10

// HandlerConfig is what NewHandler needs.
type HandlerConfig struct {
	Service      Service           // required
	Authenticate Authenticator     // required
	Regions      []string          // Regions served; empty: any
	Log          *slog.Logger      // nil: nothing is logged
	Metrics      *metrics.Registry // nil: nothing is counted; serves one handler
	Now          func() time.Time  // nil: time.Now; the real clock, signatures follow it
}

// NewHandler serves the API at POST /. It verifies each request's signature,
// decodes it, calls the service and encodes what that answers. Every answer is
// JSON and carries x-amzn-RequestId. A panic of the service is logged and
// answered with KMSInternalException.
func NewHandler(c HandlerConfig) http.Handler {
	h := &handler{HandlerConfig: c}
	if h.Log == nil {
		h.Log = slog.New(slog.DiscardHandler)
	}
	if h.Now == nil {
		h.Now = time.Now
	}
	if c.Metrics != nil {
		h.requests = c.Metrics.Requests("kms", "operation")
	}
	h.verifier = sigv4.NewVerifier(sigv4.VerifierConfig{
		Service: signingName,
		// Unsigned, the header could be added by anybody on the way.
		MustSign: []string{"X-Hyok-On-Behalf-Of"},
		Regions:  c.Regions,
		Lookup: func(id string) (string, bool) {
			secret, _, _, ok := c.Authenticate(id)
			return secret, ok
		},
	})
	return h
}

const (
	signingName  = "kms"           // the service in a credential scope
	targetPrefix = "TrentService." // of X-Amz-Target
)

type handler struct {
	HandlerConfig
	verifier *sigv4.Verifier
	requests *metrics.Requests // nil: nothing is counted
}

// buffers are the bodies of one exchange, used again by later ones.
type buffers struct{ in, out []byte }

var pool = sync.Pool{New: func() any {
	return &buffers{in: make([]byte, 0, 2<<10), out: make([]byte, 0, 2<<10)}
}}

// keptBuffer is the largest buffer worth keeping: the rare large body should
// not stay in memory.
const keptBuffer = 32 << 10

func (b *buffers) release() {
	clear(b.in[:cap(b.in)]) // plaintext must not wait in a pool
	clear(b.out[:cap(b.out)])
	if cap(b.in) <= keptBuffer && cap(b.out) <= keptBuffer {
		pool.Put(b)
	}
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b := pool.Get().(*buffers)
	defer b.release()
	e := exchange{handler: h, r: r, id: newRequestID(), start: h.Now()}
	refusal := e.route()
	e.end = h.begin(e.op)
	if refusal == nil {
		refusal = e.answer(b)
	}
	status, outcome := http.StatusOK, "ok"
	if refusal != nil {
		status, outcome = refusal.HTTPStatus(), refusal.Code
		b.out = appendError(b.out[:0], refusal)
	}
	e.end(outcome)
	writeAnswer(w, e.id, status, b.out)
}

// begin counts a request of op, nil if it is not known which.
func (h *handler) begin(op *Operation) func(outcome string) {
	if h.requests == nil {
		return func(string) {}
	}
	if op == nil {
		return h.requests.Begin("Unknown")
	}
	return h.requests.Begin(op.Name)
}

// read appends r's body to b.
func read(b []byte, r *http.Request) ([]byte, *Error) {
	if r.ContentLength > MaxBody {
		return b, errTooLarge
	}
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if len(b) > MaxBody {
			return b, errTooLarge
		}
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, &Error{Code: CodeSerializationException, Message: "The request's body ended early"}
		}
	}
}

var errTooLarge = &Error{Code: CodeRequestEntityTooLargeException, Message: "The request's body is larger than 262144 bytes"}

// isJSONType tells whether a request may have this type. AWS JSON 1.1 is what
// the SDKs send; the others are read alike, so that hand-made requests need not
// know the version.
func isJSONType(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	switch strings.ToLower(strings.TrimSpace(media)) {
	case "application/x-amz-json-1.1", "application/x-amz-json-1.0", "application/json", "":
		return true
	}
	return false
}
