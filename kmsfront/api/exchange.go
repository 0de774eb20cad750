package api

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// An exchange is one request and its answer.
type exchange struct {
	*handler
	r     *http.Request
	op    *Operation // nil until route knows it
	id    string
	start time.Time
	end   func(outcome string) // counts the request out
}

// route finds the operation.
func (e *exchange) route() *Error {
	if e.r.Method != http.MethodPost || e.r.URL.Path != "/" {
		return Errorf(CodeUnknownOperationException, "Requests are POST /")
	}
	if !isJSONType(e.r.Header.Get("Content-Type")) {
		return Errorf(CodeUnknownOperationException, "Content-Type must be application/x-amz-json-1.1")
	}
	name, ok := strings.CutPrefix(e.r.Header.Get("X-Amz-Target"), targetPrefix)
	if !ok {
		return Errorf(CodeUnknownOperationException, "X-Amz-Target must be "+targetPrefix+"<operation>")
	}
	if e.op = Operations[name]; e.op == nil {
		return Errorf(CodeUnknownOperationException, "X-Amz-Target names no operation of the API")
	}
	return nil
}

// answer does everything between route and the answer's first byte: it leaves
// the body in b.out or gives the error to send. A panic becomes an error.
func (e *exchange) answer(b *buffers) (refusal *Error) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				e.end("aborted")
				panic(p)
			}
			e.Log.Error("panic while answering", e.attrs(slog.Any("panic", p), slog.String("stack", string(debug.Stack())))...)
			refusal = errInternal
		}
	}()
	if b.in, refusal = read(b.in[:0], e.r); refusal != nil {
		return refusal
	}
	caller, region, refusal := e.authenticate(b.in)
	if refusal != nil {
		return refusal
	}
	in, err := Decode(e.op, b.in)
	if err != nil {
		return e.refusal(err)
	}
	c := e.call(in, caller, region)
	out, err := e.Service.Do(WithCall(e.r.Context(), c), c)
	if err != nil {
		return e.refusal(err)
	}
	if b.out, err = appendOutput(b.out[:0], out); err != nil {
		return e.refusal(err)
	}
	return nil
}

func (e *exchange) call(in any, caller Caller, region string) *Call {
	ip, _, err := net.SplitHostPort(e.r.RemoteAddr)
	if err != nil {
		ip = e.r.RemoteAddr // a listener that is no TCP one
	}
	return &Call{
		Op:         e.op,
		In:         in,
		Caller:     caller,
		OnBehalfOf: e.r.Header.Get("X-Hyok-On-Behalf-Of"),
		RequestID:  e.id,
		Region:     region,
		SourceIP:   ip,
		UserAgent:  e.r.UserAgent(),
		Host:       e.r.Host,
		TLS:        e.r.TLS,
		Start:      e.start,
	}
}

// refusal is what the caller sees of err: an *Error as it is, anything else as
// an internal exception. The log has the rest, unless the caller has gone.
func (e *exchange) refusal(err error) *Error {
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	if e.r.Context().Err() == nil {
		e.Log.Error("operation failed", e.attrs(slog.Any("error", err))...)
	}
	return errInternal
}

func (e *exchange) attrs(more ...any) []any {
	return append([]any{slog.String("operation", e.op.Name), slog.String("request_id", e.id)}, more...)
}

var errInternal = &Error{Code: CodeKMSInternalException, Message: "An internal error occurred; the request can be retried."}

// newRequestID makes a random UUID. It is no secret, so the fast generator will do.
func newRequestID() string {
	var id uuid.UUID
	binary.LittleEndian.PutUint64(id[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(id[8:], rand.Uint64())
	id[6] = id[6]&0x0f | 0x40 // version 4
	id[8] = id[8]&0x3f | 0x80 // variant of RFC 9562
	return id.String()
}

// appendError writes an answer's body, e.g.
// {"__type":"NotFoundException","message":"..."}.
func appendError(b []byte, e *Error) []byte {
	b = appendString(append(b, '{'), `"__type":`, e.Code)
	b = appendOptString(b, `"message":`, e.Message)
	return append(b, '}')
}

// Header values that are the same on every answer, those of KMS's own endpoint.
// They are shared: nothing may change them in place.
var (
	headerType    = []string{"application/x-amz-json-1.1"}
	headerCache   = []string{"no-cache, no-store, must-revalidate, private"}
	headerExpires = []string{"0"}
	headerPragma  = []string{"no-cache"}
)

// writeAnswer sends the answer. A client that is gone is no error here.
func writeAnswer(w http.ResponseWriter, id string, status int, body []byte) {
	h := w.Header()
	h["Content-Type"] = headerType
	h["Cache-Control"] = headerCache
	h["Expires"] = headerExpires
	h["Pragma"] = headerPragma
	h["X-Amzn-Requestid"] = []string{id}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
