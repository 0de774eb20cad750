// Package cloudhsmv2 serves a cluster.Fleet as the AWS CloudHSM v2 API: AWS
// JSON 1.1, with the signature of an access key on every request.
//
// Requests are held to the API model (model/), which is read at run time: member
// by member, in AWS's words. The account is the access key's, the Region the
// signature's; each sees its own clusters and backups. Operations of the model
// that are not simulated answer CloudHsmServiceException and name themselves.
//
// Limits: every caller of the account may do everything. Times stand still in
// a state such as CREATE_IN_PROGRESS only as long as the fleet's delay says.
// Backups do not expire by a retention policy.
package cloudhsmv2

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"hyok/internal/sigv4"
	"hyok/proxy/cluster"
)

const (
	signingName  = "cloudhsm" // the service in a credential scope
	targetPrefix = "BaldrApiService."
	maxBody      = 256 << 10
)

// Config configures a handler. Fleet and Authenticate are needed.
type Config struct {
	Fleet *cluster.Fleet
	// Authenticate gives the secret, the session token (empty: none is wanted)
	// and the account of an access key.
	Authenticate func(accessKeyID string) (secret, sessionToken, account string, ok bool)
	Regions      []string     // that are served; nil: any
	Log          *slog.Logger // gets one line a request at level Info; nil: nothing is logged
}

// New makes the handler of the API. It takes POST requests whatever their path.
func New(c Config) http.Handler {
	h := &handler{Config: c}
	if h.Log == nil {
		h.Log = slog.New(slog.DiscardHandler)
	}
	h.verifier = sigv4.NewVerifier(sigv4.VerifierConfig{
		Service: signingName, Regions: c.Regions,
		Lookup: func(id string) (string, bool) {
			secret, _, _, ok := c.Authenticate(id)
			return secret, ok
		},
	})
	return h
}

type handler struct {
	Config
	verifier *sigv4.Verifier
}

// Codes of errors. The model's own begin with CloudHsm.
const (
	codeInvalid       = "CloudHsmInvalidRequestException"
	codeNotFound      = "CloudHsmResourceNotFoundException"
	codeService       = "CloudHsmServiceException"
	codeInternal      = "CloudHsmInternalFailureException"
	codeSerialization = "SerializationException"
	codeUnknown       = "UnknownOperationException"
)

// A fault is an answer that is no success.
type fault struct {
	Code    string `json:"__type"`
	Message string `json:"Message"`
}

func (f *fault) Error() string { return f.Code + ": " + f.Message }

func invalid(format string, args ...any) error {
	return &fault{Code: codeInvalid, Message: fmt.Sprintf(format, args...)}
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	name, out, err := h.answer(r)
	status, outcome := http.StatusOK, "ok"
	if err != nil {
		f := h.faultOf(name, err)
		out, outcome, status = f, f.Code, http.StatusBadRequest
		if f.Code == codeInternal {
			status = http.StatusInternalServerError
		}
	}
	h.Log.LogAttrs(r.Context(), slog.LevelInfo, "CloudHSM request", slog.String("operation", name),
		slog.String("outcome", outcome), slog.Duration("took", time.Since(start)))
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out) // the client is gone if it fails
}

// faultOf is what the caller sees of an error; the log has the rest.
func (h *handler) faultOf(operation string, err error) *fault {
	var f *fault
	var refused *cluster.Error
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &refused) && refused.Kind == cluster.NotFound:
		return &fault{codeNotFound, refused.Message}
	case errors.As(err, &refused):
		return &fault{codeInvalid, refused.Message}
	}
	h.Log.Error("a CloudHSM operation failed", slog.String("operation", operation), slog.Any("error", err))
	return &fault{codeInternal, "The request could not be completed because of an internal failure."}
}

// answer does what r asks for. The name is that of an operation of the model.
func (h *handler) answer(r *http.Request) (name string, out any, err error) {
	asked, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)
	if _, known := theModel().Operations[asked]; !ok || !known || r.Method != http.MethodPost {
		return "", nil, &fault{codeUnknown, "X-Amz-Target names no operation of the API."}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil || len(body) > maxBody {
		return asked, nil, &fault{codeSerialization, "The request's body is too large, or ended early."}
	}
	o, err := h.authenticate(r, body)
	if err != nil {
		return asked, nil, err
	}
	do, ok := operations[asked]
	if !ok {
		return asked, nil, &fault{codeService, asked + " is not simulated by this version of hyok."}
	}
	out, err = do(h.Fleet, r.Context(), o, body)
	return asked, out, err
}

// refusals are what a signature that is not taken is answered with.
var refusals = map[sigv4.Reason]fault{
	sigv4.Missing:    {"MissingAuthenticationTokenException", "Missing Authentication Token"},
	sigv4.Incomplete: {"IncompleteSignatureException", ""},
	sigv4.UnknownKey: {"UnrecognizedClientException", "The security token included in the request is invalid."},
	sigv4.Mismatch:   {"InvalidSignatureException", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method."},
}

// authenticate verifies the signature and gives whose clusters the request is about.
func (h *handler) authenticate(r *http.Request, body []byte) (cluster.Owner, error) {
	result, err := h.verifier.Verify(r, body, time.Now())
	var s *sigv4.Error
	if errors.As(err, &s) {
		f, ok := refusals[s.Reason]
		if !ok {
			f.Code = "InvalidSignatureException"
		}
		if f.Message == "" {
			f.Message = strings.ReplaceAll(s.Detail, `"`, "'")
		}
		return cluster.Owner{}, &f
	}
	if err != nil {
		return cluster.Owner{}, err
	}
	_, token, account, ok := h.Authenticate(result.AccessKeyID)
	if !ok || subtle.ConstantTimeCompare([]byte(token), []byte(result.SessionToken)) == 0 {
		f := refusals[sigv4.UnknownKey]
		return cluster.Owner{}, &f
	}
	if !regionForm().MatchString(result.Region) {
		return cluster.Owner{}, invalid("there is no Region %q", result.Region)
	}
	return cluster.Owner{Account: account, Region: result.Region}, nil
}
