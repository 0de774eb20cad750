package xks

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

// A conn is a connection to the proxy, used by one request at a time. It has no
// goroutine of its own: the caller writes the request and reads the answer,
// which saves two switches of goroutines a call.
type conn struct {
	tls *tls.Conn
	raw syscall.RawConn // under tls, to look for an end unnoticed so far
	in  *bufio.Reader   // over the conn itself
	out []byte          // the last request; its memory is used again

	probe    func(fd uintptr) bool // made once: it would escape at each call
	quiet    bool                  // what probe found
	readErr  error                 // why reading or writing stopped
	lastUsed time.Time
}

func newConn(t *tls.Conn) (*conn, error) {
	sc, ok := t.NetConn().(syscall.Conn)
	if !ok {
		return nil, net.UnknownNetworkError("not a socket")
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &conn{tls: t, raw: raw}
	c.in = bufio.NewReader(c)
	c.probe = func(fd uintptr) bool {
		var b [1]byte
		_, err := syscall.Read(int(fd), b[:])
		c.quiet = err == syscall.EAGAIN
		return true
	}
	return c, nil
}

// Read reads from the connection and keeps the error, so that a broken
// connection can be told from a broken answer.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.tls.Read(p)
	if err != nil {
		c.readErr = err
	}
	return n, err
}

// alive reports whether nothing has come in since the last answer: neither an
// end nor bytes nobody asked for. It needs a deadline in the future.
func (c *conn) alive() bool {
	c.quiet = false
	err := c.raw.Read(c.probe)
	return err == nil && c.quiet && c.in.Buffered() == 0
}

// abort ends all reading and writing at once, from another goroutine.
func (c *conn) abort() { _ = c.tls.SetDeadline(time.Unix(1, 0)) }

// close does not wait for the other side to hear of it.
func (c *conn) close() { _ = c.tls.NetConn().Close() }

// answer is an HTTP answer, read to its end.
type answer struct {
	status int
	body   []byte
	keep   bool // the connection can be used again
}

// exchange writes r with k's body and reads the answer.
func (c *conn) exchange(r *http.Request, k *call) (answer, error) {
	c.out = appendRequest(c.out[:0], r, k)
	if _, err := c.tls.Write(c.out); err != nil {
		c.readErr = err // an I/O error, like one of reading
		return answer{}, err
	}
	return c.readAnswer(r)
}

// readAnswer reads the answer to r. Its errors are I/O errors when c.readErr is
// set, else the answer is not HTTP or too large.
func (c *conn) readAnswer(r *http.Request) (answer, error) {
	for range maxInformational {
		resp, err := http.ReadResponse(c.in, r)
		if err != nil {
			return answer{}, err
		}
		if resp.StatusCode >= 100 && resp.StatusCode < 200 {
			continue
		}
		body, err := readBody(resp)
		if err != nil {
			return answer{}, err
		}
		keep := !resp.Close && c.in.Buffered() == 0 && c.readErr == nil
		return answer{resp.StatusCode, body, keep}, nil
	}
	return answer{}, errTooManyInformational
}

// readBody reads at most maxAnswer bytes. It leaves the body open: closing it
// would read the rest, and the connection is the caller's.
func readBody(resp *http.Response) ([]byte, error) {
	if n := resp.ContentLength; n >= 0 {
		if n > maxAnswer {
			return nil, errAnswerTooLarge
		}
		body := make([]byte, n)
		_, err := io.ReadFull(resp.Body, body)
		return body, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		return nil, errAnswerTooLarge
	}
	return body, err
}
