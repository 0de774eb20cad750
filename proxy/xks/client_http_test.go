package xks

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hyok/internal/sigv4"
)

// XKS facts 7, 18, 28 to 36: method, path, headers and signature.
func TestRequestsAreSignedAsKMSSigns(t *testing.T) {
	verifier := sigv4.NewVerifier(sigv4.VerifierConfig{
		Service: Service, Regions: []string{testRegion}, RawPath: true,
		Lookup: func(id string) (string, bool) { return testCredential.Secret, id == testCredential.AccessKeyID },
	})
	seen := make(chan string, 4)
	p := startProxy(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if _, err := verifier.Verify(r, body, time.Now()); err != nil {
			t.Errorf("%s: %v", r.RequestURI, err)
		}
		if got := r.Header.Get("Authorization"); !strings.Contains(got, " SignedHeaders=host;x-amz-date, ") {
			t.Errorf("Authorization is %q", got)
		}
		if r.Header.Get("Content-Type") != "application/json" || r.Host != "example.com" || r.ProtoMajor != 1 {
			t.Errorf("content type %q, host %q, %s", r.Header.Get("Content-Type"), r.Host, r.Proto)
		}
		seen <- r.Method + " " + r.RequestURI
		writeTestError(w, ThrottlingException)
	}, nil)
	c := p.client(t, nil)
	ctx := context.Background()
	for _, row := range []struct {
		want string
		call func() error
	}{
		{"/keys/./metadata", func() error { _, err := c.GetKeyMetadata(ctx, ".", &GetKeyMetadataRequest{}); return err }},
		{"/keys/../encrypt", func() error { _, err := c.Encrypt(ctx, "..", &EncryptRequest{}); return err }},
		{"/keys/A_b-1.c/decrypt", func() error { _, err := c.Decrypt(ctx, "A_b-1.c", &DecryptRequest{}); return err }},
		{"/health", func() error { _, err := c.GetHealthStatus(ctx, &GetHealthStatusRequest{}); return err }},
	} {
		var answered *Error
		if err := row.call(); !errors.As(err, &answered) || answered.Name != ThrottlingException {
			t.Errorf("%s: %v", row.want, err)
		}
		if got := <-seen; got != "POST "+testPath+row.want {
			t.Errorf("got %s", got)
		}
	}
}

func writeTestError(w http.ResponseWriter, name ErrorName) {
	w.WriteHeader(name.Status())
	_, _ = w.Write(mustMarshal(&Error{Name: name, Message: "because"}))
}

func TestEveryErrorAnswerIsReturnedAsItIs(t *testing.T) {
	for _, row := range errorRows {
		p := startProxy(t, func(w http.ResponseWriter, _ *http.Request) { writeTestError(w, row.name) }, nil)
		_, err := encryptOnce(p.client(t, nil), "x")
		var answered *Error
		if !errors.As(err, &answered) || *answered != (Error{row.name, "because"}) {
			t.Errorf("%s: got %v", row.name, err)
		}
		if n := p.requests.Load(); n != 1 { // guide 004:21427
			t.Errorf("%s was asked for %d times", row.name, n)
		}
	}
}

func TestConnectionsAreKeptAndUsedAgain(t *testing.T) {
	p := startProxy(t, echoEncrypt, nil)
	c := p.client(t, nil)
	for range 30 {
		if _, err := encryptOnce(c, "x"); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.connections.Load(); n != 1 {
		t.Errorf("30 requests took %d connections", n)
	}
}

func TestAConnectionThatTheProxyClosedIsNotUsed(t *testing.T) {
	p := startProxy(t, echoEncrypt, nil)
	var observed Observation
	c := p.client(t, func(c *ClientConfig) { c.Observe = func(o Observation) { observed = o } })
	for i := range 20 {
		if _, err := encryptOnce(c, "x"); err != nil || observed.Attempts != 1 {
			t.Fatalf("request %d: %v, %+v", i, err, observed)
		}
		p.CloseClientConnections() // returns when the connections are closed
	}
	if n := p.requests.Load(); n != 20 {
		t.Errorf("20 calls reached the proxy as %d requests", n)
	}
}

func TestConnectionCloseIsHeeded(t *testing.T) {
	p := startProxy(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		echoEncrypt(w, r)
	}, nil)
	c := p.client(t, nil)
	for range 5 {
		if _, err := encryptOnce(c, "x"); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.connections.Load(); n != 5 {
		t.Errorf("5 requests took %d connections", n)
	}
}

// A request whose connection is cut is not repeated, kept connection or new.
func TestACutConnectionIsUnreachableAndNotTriedAgain(t *testing.T) {
	var cut atomic.Bool
	p := startProxy(t, func(w http.ResponseWriter, r *http.Request) {
		if cut.Load() {
			panic(http.ErrAbortHandler)
		}
		echoEncrypt(w, r)
	}, nil)
	c := p.client(t, nil)
	for _, kept := range []bool{true, false} {
		if kept {
			if _, err := encryptOnce(c, "x"); err != nil {
				t.Fatal(err)
			}
		}
		cut.Store(true)
		before := p.requests.Load()
		_, err := encryptOnce(c, "x")
		wantTransport(t, err, Unreachable, 1)
		if n := p.requests.Load() - before; n != 1 {
			t.Errorf("kept %t: one call reached the proxy as %d requests", kept, n)
		}
	}
}

func TestAnAnswerThatEndsEarlyIsUnreachable(t *testing.T) {
	p := startProxy(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "{")
	}, nil)
	_, err := encryptOnce(p.client(t, nil), "x")
	wantTransport(t, err, Unreachable, 1)
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	p := startProxy(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, testPath+"/health", http.StatusTemporaryRedirect)
	}, nil)
	_, err := encryptOnce(p.client(t, nil), "x")
	wantTransport(t, err, InvalidResponse, 1)
	if n := p.requests.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestTheEnvironmentsProxyIsNotUsed(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	p := startProxy(t, echoEncrypt, nil)
	if _, err := encryptOnce(p.client(t, nil), "x"); err != nil {
		t.Error(err)
	}
}

// rawAnswer lets the handler write the answer byte by byte.
func rawAnswer(t *testing.T, text string) *testProxy {
	return startProxy(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString(text)
		_ = rw.Flush()
	}, func(s *httptest.Server) { s.EnableHTTP2 = false })
}

func TestAnswersOfHTTP(t *testing.T) {
	body := string(mustMarshal(&EncryptResponse{
		Ciphertext: []byte("x"), InitializationVector: make([]byte, IVSize), AuthenticationTag: make([]byte, TagSize)}))
	huge := strings.Repeat(" ", maxAnswer+1)
	for _, row := range []struct {
		name, text string
		kind       TransportKind // 0: a good answer
	}{
		{"informational answers before", "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body, 0},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n" + body[:3] + "\r\n" +
			"f0\r\n" + body[3:] + strings.Repeat(" ", 0xf0-len(body)+3) + "\r\n0\r\n\r\n", 0},
		{"too many informational answers", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", maxInformational+1), InvalidResponse},
		{"not HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", InvalidResponse},
		{"too large, announced", "HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + huge, InvalidResponse},
		{"too large, not announced", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + huge, InvalidResponse},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", InvalidResponse},
		{"no answer", "", Unreachable},
		{"half a header", "HTTP/1.1 200 OK\r\nConte", Unreachable},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := encryptOnce(rawAnswer(t, row.text).client(t, nil), "x")
			if row.kind != 0 {
				wantTransport(t, err, row.kind, 1)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// A proxy that answers twice must not have its second answer taken for another
// request's.
func TestBytesNobodyAskedForEndTheConnection(t *testing.T) {
	p := startProxy(t, func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		echoEncrypt(answer, r)
		text := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", answer.Body.Len(), answer.Body)
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString(text + text)
		_ = rw.Flush()
		_, _ = bufio.NewReader(conn).ReadByte() // until the client ends it
	}, func(s *httptest.Server) { s.EnableHTTP2 = false })
	c := p.client(t, nil)
	for _, plaintext := range []string{"one", "two", "three"} {
		got, err := encryptOnce(c, plaintext)
		if err != nil || string(got.Ciphertext) != plaintext {
			t.Errorf("asked for %s, got %+v, %v", plaintext, got, err)
		}
	}
	if n := p.connections.Load(); n != 3 {
		t.Errorf("%d connections", n)
	}
}
