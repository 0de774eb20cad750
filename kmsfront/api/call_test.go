package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Whoever stands in between could add the header to a signed request.
func TestUnsignedOnBehalfOfIsRefused(t *testing.T) {
	s := serve(t, func(context.Context, *Call) (any, error) {
		t.Error("the service was called")
		return &Empty{}, nil
	})
	a := message{spoil: func(r *http.Request) { r.Header.Set("X-Hyok-On-Behalf-Of", "arn:aws:iam::111122223333:role/r") }}.send(t, s)
	if a.status != 400 || !strings.Contains(a.body, CodeIncompleteSignatureException) {
		t.Errorf("%d %s, want IncompleteSignatureException", a.status, a.body)
	}
}

func TestCallSaysWhoAsksForWhat(t *testing.T) {
	var got *Call
	start := time.Now()
	s := serve(t, func(ctx context.Context, c *Call) (any, error) {
		got = CallFrom(ctx)
		if got != c {
			t.Error("the context belongs to another call")
		}
		return &Empty{}, nil
	}, func(c *HandlerConfig) { c.Now = func() time.Time { return start } })
	a := message{target: "TrentService.DisableKey", body: `{"KeyId":"k"}`, as: session, region: "eu-west-1",
		signed: http.Header{"X-Hyok-On-Behalf-Of": {"arn:aws:iam::111122223333:role/r"}},
		spoil:  func(r *http.Request) { r.Header.Set("User-Agent", "test/1") },
	}.send(t, s)
	if a.status != 200 || a.body != "" || a.header.Get("Content-Length") != "0" {
		t.Errorf("%d %q, want 200 and no body", a.status, a.body)
	}
	want := &Call{
		Op: Operations[OpDisableKey],
		In: &DisableKeyRequest{KeyId: "k"},
		Caller: Caller{Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/alice", Type: "IAMUser",
			UserName: "alice", AccessKeyID: session.AccessKeyID},
		OnBehalfOf: "arn:aws:iam::111122223333:role/r",
		RequestID:  a.header.Get("x-amzn-RequestId"),
		Region:     "eu-west-1",
		SourceIP:   "127.0.0.1",
		UserAgent:  "test/1",
		Host:       strings.TrimPrefix(s.URL, "http://"),
		Start:      start,
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Operation{}, "New", "NewOutput")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestCallFromAContextWithoutOne(t *testing.T) {
	if c := CallFrom(t.Context()); c != nil {
		t.Errorf("got %+v", c)
	}
}

// logTo makes the handler log into b.
func logTo(b *bytes.Buffer) func(*HandlerConfig) {
	return func(c *HandlerConfig) { c.Log = slog.New(slog.NewTextHandler(b, nil)) }
}

func TestPanicIsAnsweredLoggedAndTheConnectionStays(t *testing.T) {
	var log bytes.Buffer
	s := serve(t, func(ctx context.Context, c *Call) (any, error) {
		if c.Op.Name == OpListAliases {
			panic("no such luck")
		}
		return listKeys(ctx, c)
	}, logTo(&log))
	a := message{target: "TrentService.ListAliases"}.send(t, s)
	if a.status != 500 || a.Code != CodeKMSInternalException || strings.Contains(a.body, "luck") {
		t.Errorf("%d %s", a.status, a.body)
	}
	id := a.header.Get("x-amzn-RequestId")
	for _, want := range []string{"no such luck", "call_test.go", "operation=ListAliases", "request_id=" + id} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log.String())
		}
	}
	r := message{}.request(t, s.URL)
	var reused bool
	r = r.WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused },
	}))
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 || !reused {
		t.Errorf("next request: %d, connection reused: %v", resp.StatusCode, reused)
	}
}

func TestAbortedAnswerCutsTheConnection(t *testing.T) {
	s := serve(t, func(context.Context, *Call) (any, error) { panic(http.ErrAbortHandler) })
	resp, err := s.Client().Do(message{}.request(t, s.URL))
	if !errors.Is(err, io.EOF) {
		t.Errorf("response %v, error %v, want EOF", resp, err)
	}
}

func TestUnknownErrorsAreLoggedAndNotShown(t *testing.T) {
	for name, do := range map[string]serviceFunc{
		"error":                  func(context.Context, *Call) (any, error) { return nil, errors.New("disk on fire") },
		"output of no operation": func(context.Context, *Call) (any, error) { return "disk on fire", nil },
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			a := message{}.send(t, serve(t, do, logTo(&log)))
			if a.status != 500 || a.Code != CodeKMSInternalException || strings.Contains(a.body, "fire") {
				t.Errorf("%d %s", a.status, a.body)
			}
			if !strings.Contains(log.String(), "operation=ListKeys") {
				t.Errorf("log: %s", log.String())
			}
		})
	}
}

func TestRefusalsAreNotLogged(t *testing.T) {
	var log bytes.Buffer
	s := serve(t, func(context.Context, *Call) (any, error) { return nil, Errorf(CodeNotFoundException, "no") }, logTo(&log))
	message{}.send(t, s)
	message{spoil: deleteHeader("Authorization")}.send(t, s)
	if log.Len() > 0 {
		t.Errorf("log: %s", log.String())
	}
}

func TestErrorsAfterTheCallerHasGoneAreNotLogged(t *testing.T) {
	var log bytes.Buffer
	ctx, leave := context.WithCancel(t.Context())
	c := HandlerConfig{Authenticate: authenticate, Service: serviceFunc(func(ctx context.Context, _ *Call) (any, error) {
		leave()
		return nil, ctx.Err()
	})}
	logTo(&log)(&c)
	r := message{}.request(t, "http://kms.local").WithContext(ctx)
	r.RequestURI = "/"
	w := httptest.NewRecorder()
	NewHandler(c).ServeHTTP(w, r)
	if w.Code != 500 || log.Len() > 0 {
		t.Errorf("%d, log: %s", w.Code, log.String())
	}
}

// chunked hides a body's length.
type chunked struct{ io.Reader }

func TestBodiesWithoutLength(t *testing.T) {
	s := serve(t, listKeys)
	for name, tt := range map[string]struct {
		size   int
		status int
	}{
		"largest":   {MaxBody, 200},
		"too large": {MaxBody + 1, 413},
	} {
		t.Run(name, func(t *testing.T) {
			body := "{" + strings.Repeat(" ", tt.size-2) + "}"
			a := message{body: body, spoil: func(r *http.Request) {
				r.Body, r.ContentLength = io.NopCloser(chunked{strings.NewReader(body)}), -1
			}}.send(t, s)
			if a.status != tt.status {
				t.Errorf("%d %.100s, want %d", a.status, a.body, tt.status)
			}
		})
	}
}
