package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"hyok/internal/sigv4"
)

// serviceFunc is a Service of one function.
type serviceFunc func(context.Context, *Call) (any, error)

func (f serviceFunc) Do(ctx context.Context, c *Call) (any, error) { return f(ctx, c) }

var (
	alice   = sigv4.Credential{AccessKeyID: "AKIAALICE00000000000", Secret: "alices-secret"}
	session = sigv4.Credential{AccessKeyID: "ASIASESSION000000000", Secret: "sessions-secret", SessionToken: "token"}
)

func authenticate(id string) (secret, token string, caller Caller, ok bool) {
	caller = Caller{Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/alice", Type: "IAMUser", UserName: "alice"}
	for _, c := range []sigv4.Credential{alice, session} {
		if c.AccessKeyID == id {
			return c.Secret, c.SessionToken, caller, true
		}
	}
	return "", "", Caller{}, false
}

// serve runs the handler of a service on a real connection.
func serve(t testing.TB, do serviceFunc, change ...func(*HandlerConfig)) *httptest.Server {
	c := HandlerConfig{Service: do, Authenticate: authenticate}
	for _, f := range change {
		f(&c)
	}
	s := httptest.NewServer(NewHandler(c))
	t.Cleanup(s.Close)
	return s
}

// listKeys is a service that answers ListKeys.
func listKeys(context.Context, *Call) (any, error) {
	return &ListKeysResponse{Keys: []*KeyListEntry{{KeyId: "k"}}}, nil
}

// A message is what one test sends. Its zero value is a good ListKeys request.
type message struct {
	method, path, target, contentType, body string
	as                                      sigv4.Credential
	region, service                         string
	at                                      time.Time             // zero: now
	signed                                  http.Header           // further headers that are signed
	spoil                                   func(r *http.Request) // after signing; nil: nothing
}

func or(s, byDefault string) string {
	if s == "" {
		return byDefault
	}
	return s
}

func (m message) request(t testing.TB, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(or(m.method, http.MethodPost), url+or(m.path, "/"), strings.NewReader(m.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", or(m.target, targetPrefix+OpListKeys))
	r.Header.Set("Content-Type", or(m.contentType, "application/x-amz-json-1.1"))
	if m.as == (sigv4.Credential{}) {
		m.as = alice
	}
	if m.at.IsZero() {
		m.at = time.Now()
	}
	var o sigv4.Options
	for name, values := range m.signed {
		r.Header[name] = values
		o.SignedHeaders = append(o.SignedHeaders, name)
	}
	err = sigv4.Sign(r, []byte(m.body), m.as, or(m.region, "us-east-1"), or(m.service, signingName), m.at, o)
	if err != nil {
		t.Fatal(err)
	}
	if m.spoil != nil {
		m.spoil(r)
	}
	return r
}

// An answer is what came back.
type answer struct {
	status  int
	header  http.Header
	body    string
	Code    string `json:"__type"`
	Message string `json:"message"`
}

func (m message) send(t testing.TB, s *httptest.Server) answer {
	t.Helper()
	resp, err := s.Client().Do(m.request(t, s.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, body: string(body)}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &a); err != nil {
			t.Fatalf("%v\n%s", err, body)
		}
	}
	return a
}

func TestGoodRequestIsAnswered(t *testing.T) {
	a := message{body: `{"Limit":1}`}.send(t, serve(t, listKeys))
	if want := `{"Keys":[{"KeyId":"k"}],"Truncated":false}`; a.status != 200 || a.body != want {
		t.Errorf("%d %s, want 200 %s", a.status, a.body, want)
	}
	for name, want := range map[string]string{
		"Content-Type":   "application/x-amz-json-1.1",
		"Content-Length": "42",
		"Cache-Control":  "no-cache, no-store, must-revalidate, private",
		"Expires":        "0",
		"Pragma":         "no-cache",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if _, err := http.ParseTime(a.header.Get("Date")); err != nil {
		t.Error(err)
	}
}

func TestTypesThatAreReadAlike(t *testing.T) {
	s := serve(t, listKeys)
	for _, contentType := range []string{
		"application/x-amz-json-1.0", "application/json", "Application/X-Amz-Json-1.1; charset=utf-8",
	} {
		if a := (message{contentType: contentType}).send(t, s); a.status != 200 {
			t.Errorf("%s: %d %s", contentType, a.status, a.body)
		}
	}
}

func TestServiceErrorsOnTheWire(t *testing.T) {
	for name, tt := range map[string]struct {
		err    error
		status int
		body   string
	}{
		"declared exception":  {Errorf(CodeNotFoundException, "Key %s is not found.", "k"), 400, `{"__type":"NotFoundException","message":"Key k is not found."}`},
		"wrapped exception":   {errors.Join(errors.New("x"), Errorf(CodeDisabledException, "d")), 400, `{"__type":"DisabledException","message":"d"}`},
		"no message":          {&Error{Code: CodeInvalidCiphertextException}, 400, `{"__type":"InvalidCiphertextException"}`},
		"throttling":          {Errorf(CodeThrottlingException, "slow"), 400, `{"__type":"ThrottlingException","message":"slow"}`},
		"fault of the model":  {Errorf(CodeKeyUnavailableException, "k"), 500, `{"__type":"KeyUnavailableException","message":"k"}`},
		"internal failure":    {Errorf(CodeInternalFailure, "i"), 500, `{"__type":"InternalFailure","message":"i"}`},
		"service unavailable": {Errorf(CodeServiceUnavailableException, "s"), 503, `{"__type":"ServiceUnavailableException","message":"s"}`},
		"status of its own":   {&Error{Code: "X", Status: 418}, 418, `{"__type":"X"}`},
		"any other error":     {errors.New("disk on fire"), 500, `{"__type":"KMSInternalException","message":"An internal error occurred; the request can be retried."}`},
	} {
		t.Run(name, func(t *testing.T) {
			a := message{}.send(t, serve(t, func(context.Context, *Call) (any, error) { return nil, tt.err }))
			if a.status != tt.status || a.body != tt.body {
				t.Errorf("%d %s, want %d %s", a.status, a.body, tt.status, tt.body)
			}
		})
	}
}
