package cluster

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"hyok/hsm"
	"hyok/proxy/xks"
)

// operation is what a path ends in: it decodes its request and does it.
type operation func(c *Cluster, ctx context.Context, body []byte) (any, error)

// operations are all that a cluster does.
var operations = map[string]operation{
	xks.ClusterOpDescribe:   decode((*Cluster).describe),
	xks.ClusterOpAttach:     decode((*Cluster).attach),
	xks.ClusterOpDetach:     decode((*Cluster).detach),
	xks.ClusterOpConnect:    decode((*Cluster).connect),
	xks.ClusterOpDisconnect: decode((*Cluster).disconnect),
	xks.ClusterOpCreateKey:  decode((*Cluster).createKey),
	xks.ClusterOpDeleteKey:  decode((*Cluster).deleteKey),
	xks.ClusterOpListKeys:   decode((*Cluster).listKeys),
	xks.ClusterOpRandom:     decode((*Cluster).random),
	xks.ClusterOpEncrypt:    decode((*Cluster).encrypt),
	xks.ClusterOpDecrypt:    decode((*Cluster).decrypt),
}

// decode makes an operation of a method that takes its request decoded.
func decode[In, Out any](do func(*Cluster, context.Context, *In) (*Out, error)) operation {
	return func(c *Cluster, ctx context.Context, body []byte) (any, error) {
		in := new(In)
		if err := xks.Unmarshal(body, in); err != nil {
			return nil, refuse(xks.ClusterInvalidRequest, "the body is not a request of this operation")
		}
		return do(c, ctx, in)
	}
}

func refuse(name xks.ClusterErrorName, message string) error {
	return &xks.ClusterError{Name: name, Message: message}
}

// deviceErrors maps what the token says to what the cluster answers; the first
// row that matches counts, and what none matches is ClusterInternal.
var deviceErrors = []struct {
	err     error
	name    xks.ClusterErrorName
	message string
}{
	{hsm.ErrPIN, xks.ClusterWrongPassword, "kmsuser could not log in"},
	{hsm.ErrNotLoggedIn, xks.ClusterNotLoggedIn, "kmsuser is not logged in"},
	{hsm.ErrKeyNotFound, xks.ClusterKeyNotFound, "the cluster has no key with this label"},
	{hsm.ErrKeyExists, xks.ClusterKeyExists, "the cluster has a key with this label"},
	{hsm.ErrAmbiguous, xks.ClusterKeyUnusable, "several keys have this label"},
	{hsm.ErrKeyDisabled, xks.ClusterKeyUnusable, "the key is disabled"},
	{hsm.ErrKeyUsage, xks.ClusterKeyUnusable, "the key does not allow this use"},
	{hsm.ErrInvalidCiphertext, xks.ClusterInvalidCiphertext, "the ciphertext or its additional data is not valid"},
	{hsm.ErrBadInput, xks.ClusterInvalidRequest, "a member has a length that the token does not take"},
	{hsm.ErrTimeout, xks.ClusterNoSession, "no PKCS#11 session became free in time"},
	{hsm.ErrUnavailable, xks.ClusterUnavailable, "the HSMs do not answer"},
	{hsm.ErrClosed, xks.ClusterUnavailable, "the HSMs are switched off"},
}

// answerFor makes an error the one that the caller sees.
func answerFor(err error) *xks.ClusterError {
	var e *xks.ClusterError
	if errors.As(err, &e) {
		return e
	}
	var own *Error
	if errors.As(err, &own) && own.Kind == NotFound {
		return &xks.ClusterError{Name: xks.ClusterNotFound, Message: own.Message}
	}
	if locked(err) {
		return &xks.ClusterError{Name: xks.ClusterLockedOut, Message: "kmsuser is locked out"}
	}
	for _, row := range deviceErrors {
		if errors.Is(err, row.err) {
			return &xks.ClusterError{Name: row.name, Message: row.message}
		}
	}
	return &xks.ClusterError{Name: xks.ClusterInternal, Message: "the cluster failed"}
}

// locked tells a locked user from a wrong password, which are one error to hsm.
func locked(err error) bool {
	const pinLocked = 0xA4 // CKR_PIN_LOCKED
	var code *hsm.CodeError
	return errors.As(err, &code) && code.Code == pinLocked
}

func (c *Cluster) serve(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	out, err := c.handle(r)
	level, status, outcome := slog.LevelInfo, http.StatusOK, "ok"
	if err != nil {
		e := answerFor(err)
		out, status, outcome = e, xks.ClusterErrorStatus[e.Name], string(e.Name)
		if status >= http.StatusInternalServerError {
			level = slog.LevelWarn
		}
	}
	c.f.c.Log.LogAttrs(r.Context(), level, "cluster request", slog.String("cluster", c.id),
		slog.String("operation", c.operationName(r)), slog.String("outcome", outcome),
		slog.Duration("took", time.Since(start)), cause(err))
	body, err := json.Marshal(out)
	if err != nil {
		status, body = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone when this fails
}

// cause is the error behind an answer, which the answer does not tell.
func cause(err error) slog.Attr {
	if err == nil {
		return slog.Attr{}
	}
	return slog.String("cause", err.Error())
}

// handle does what r asks for. Its order lets a stranger learn nothing: method
// and size, then the signature, then everything else.
func (c *Cluster) handle(r *http.Request) (any, error) {
	if r.Method != http.MethodPost {
		return nil, refuse(xks.ClusterNoSuchOperation, "the method must be POST")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, xks.ClusterMaxBody+1))
	if err != nil {
		return nil, refuse(xks.ClusterInvalidRequest, "the body could not be read")
	}
	if len(body) > xks.ClusterMaxBody {
		return nil, refuse(xks.ClusterTooLarge, "the body is too large")
	}
	if _, err := c.f.verifier.Verify(r, body, c.f.now()); err != nil {
		return nil, refuse(xks.ClusterAuthenticationFailed, "the signature is not valid")
	}
	if c.gone {
		return nil, refuse(xks.ClusterNotFound, "there is no such cluster")
	}
	do, ok := operations[c.operationName(r)]
	if !ok {
		return nil, refuse(xks.ClusterNoSuchOperation, "there is no such operation")
	}
	return do(c, r.Context(), body)
}

// operationName is the name in r's path when the cluster has such an
// operation, so that no log holds what a stranger chose; else it is empty.
func (c *Cluster) operationName(r *http.Request) string {
	name, _ := strings.CutPrefix(r.URL.Path, xks.ClusterPathPrefix+c.id+xks.ClusterVersion)
	if _, ok := operations[name]; !ok {
		return ""
	}
	return name
}
