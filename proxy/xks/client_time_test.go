package xks

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// testTimeout is KMS's limit of an attempt (XKS fact 89).
const testTimeout = DefaultTimeout

// took runs f and checks that it took between n and n+1 time-outs.
func took(t *testing.T, n int, f func()) {
	t.Helper()
	start := time.Now()
	f()
	if d := time.Since(start); d < time.Duration(n)*testTimeout || d >= time.Duration(n+1)*testTimeout {
		t.Errorf("took %s, want %d times %s and not one more", d, n, testTimeout)
	}
}

// guide 004:21444-21446: a slow answer is given up after one attempt, and when
// it comes it is nobody's.
func TestASlowAnswerIsOneAttemptAndDiscarded(t *testing.T) {
	var slow atomic.Bool
	slow.Store(true)
	release := make(chan struct{})
	p := startProxy(t, func(w http.ResponseWriter, r *http.Request) {
		if slow.Load() {
			<-release
		}
		echoEncrypt(w, r)
	}, nil)
	c := p.client(t, func(c *ClientConfig) { c.Timeout = 0 })
	took(t, 1, func() {
		_, err := encryptOnce(c, "late")
		wantTransport(t, err, TimedOut, 1)
	})
	slow.Store(false)
	close(release)
	got, err := encryptOnce(c, "next")
	if err != nil || string(got.Ciphertext) != "next" {
		t.Errorf("got %+v, %v", got, err)
	}
	if n := p.requests.Load(); n != 2 {
		t.Errorf("two calls reached the proxy as %d requests", n)
	}
}

// stalled listens, and keeps connections without a word of TLS until there have
// been n of them; later ones go to next.
func stalled(t *testing.T, n int32, next func(net.Conn)) (addr string, accepted *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted = new(atomic.Int32)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			if accepted.Add(1) > n {
				go next(conn)
			}
		}
	}()
	t.Cleanup(func() { l.Close() })
	return l.Addr().String(), accepted
}

func at(addr string) func(*ClientConfig) {
	return func(c *ClientConfig) {
		c.Resolve = map[string]string{"example.com": addr}
		c.Timeout = 0
	}
}

func TestAHandshakeThatStallsIsTriedOnceMore(t *testing.T) {
	addr, accepted := stalled(t, 99, nil)
	c := newTestClient(t, at(addr))
	took(t, 2, func() { // guide 004:21444: about 500 ms
		_, err := encryptOnce(c, "x")
		wantTransport(t, err, TimedOut, 2)
	})
	if n := accepted.Load(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

func TestTheSecondAttemptCanSucceed(t *testing.T) {
	p := startProxy(t, echoEncrypt, nil)
	addr, _ := stalled(t, 1, func(conn net.Conn) { forward(t, conn, p.Listener.Addr().String()) })
	var seen Observation
	c := p.client(t, func(c *ClientConfig) {
		at(addr)(c)
		c.Observe = func(o Observation) { seen = o }
	})
	took(t, 1, func() {
		if _, err := encryptOnce(c, "x"); err != nil {
			t.Error(err)
		}
	})
	if seen.Attempts != 2 || seen.Err != nil || seen.Operation != OpEncrypt || seen.KMSOperation != "Encrypt" || seen.Latency < testTimeout {
		t.Errorf("observed %+v", seen)
	}
}

// forward connects conn and addr.
func forward(t *testing.T, conn net.Conn, addr string) {
	other, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return
	}
	go func() { _, _ = other.(*net.TCPConn).ReadFrom(conn) }()
	_, _ = conn.(*net.TCPConn).ReadFrom(other)
}

// A black hole on the way: SYNs stay without an answer, since the listener's
// queue is full.
func TestNoTCPConnectionInTimeIsUnreachableAfterTwoAttempts(t *testing.T) {
	c := newTestClient(t, at(fullListener(t)))
	took(t, 2, func() {
		_, err := encryptOnce(c, "x")
		wantTransport(t, err, Unreachable, 2)
	})
}

// fullListener is a socket that accepts nothing and has no room in its queue.
func fullListener(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	err = errors.Join(
		syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}),
		syscall.Listen(fd, 0))
	name, nameErr := syscall.Getsockname(fd)
	if err = errors.Join(err, nameErr); err != nil {
		t.Fatal(err)
	}
	addr := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}).String()
	for range 16 { // far more than fit
		conn, err := net.DialTimeout("tcp", addr, 50*time.Millisecond)
		if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
			return addr
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Fatal("the listener's queue does not fill")
	return ""
}

// guide TO-04: a refused connection, a name that is not found and a cut in the
// handshake are not time-outs.
func TestUnreachableWithoutTimeOutIsOneAttempt(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := l.Addr().String()
	l.Close()
	cut, _ := stalled(t, 0, func(conn net.Conn) { conn.Close() })
	for name, addr := range map[string]string{"refused": refused, "no such host": "no-such-host.invalid:443", "cut in the handshake": cut} {
		t.Run(name, func(t *testing.T) {
			_, err := encryptOnce(newTestClient(t, func(c *ClientConfig) {
				at(addr)(c)
				c.Timeout = 10 * time.Second
			}), "x")
			wantTransport(t, err, Unreachable, 1)
		})
	}
}

func TestTheCallersEndOfPatienceEndsTheCall(t *testing.T) {
	inHandler := make(chan struct{})
	p := startProxy(t, func(_ http.ResponseWriter, r *http.Request) {
		close(inHandler)
		<-r.Context().Done()
	}, nil)
	c := p.client(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-inHandler
		cancel()
	}()
	_, err := c.GetHealthStatus(ctx, &GetHealthStatusRequest{})
	wantTransport(t, err, TimedOut, 1)

	// Before the connection is there it is not tried again either.
	addr, accepted := stalled(t, 99, nil)
	short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err = newTestClient(t, at(addr)).GetHealthStatus(short, &GetHealthStatusRequest{})
	wantTransport(t, err, TimedOut, 1)
	if n := accepted.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestIdleConnectionsAreClosedInTime(t *testing.T) {
	p := startProxy(t, echoEncrypt, nil)
	c := p.client(t, nil)
	if _, err := encryptOnce(c, "x"); err != nil {
		t.Fatal(err)
	}
	c.t.closeExpired()
	if n := len(c.t.idle); n != 1 {
		t.Fatalf("a connection used just now is gone; %d are kept", n)
	}
	c.t.idle[0].lastUsed = time.Now().Add(-idleTime)
	c.t.closeExpired()
	if n := len(c.t.idle); n != 0 {
		t.Errorf("%d connections are kept beyond their time", n)
	}
	c.Close()
	if _, err := encryptOnce(c, "x"); err != nil || len(c.t.idle) != 0 {
		t.Errorf("after Close: %v, %d connections kept", err, len(c.t.idle))
	}
}

func TestSessionsAreResumed(t *testing.T) {
	var resumed atomic.Int32
	p := startProxy(t, func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.DidResume {
			resumed.Add(1)
		}
		w.Header().Set("Connection", "close")
		echoEncrypt(w, r)
	}, nil)
	c := p.client(t, func(c *ClientConfig) { c.TLS.MaxVersion = tls.VersionTLS12 })
	for range 3 {
		if _, err := encryptOnce(c, "x"); err != nil {
			t.Fatal(err)
		}
	}
	if n := resumed.Load(); n != 2 {
		t.Errorf("%d of the two later connections resumed the session", n)
	}
}
