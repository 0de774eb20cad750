package serve

import (
	"net"
	"syscall"
	"testing"
	"time"
)

func TestShareOfTheDescriptors(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	all := min(limit.Cur, mostDescriptors)
	for share, want := range map[int]uint64{0: all / 10, 10: all / 10, 70: all * 7 / 10} {
		if got := connections(share); uint64(got) != max(1, want) {
			t.Errorf("%d percent of %d are %d, want %d", share, all, got, want)
		}
	}
}

func TestFurtherConnectionsWaitUntilOneEnds(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := limitConnections(inner, 2)
	accepted := make(chan net.Conn)
	ended := make(chan error, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				ended <- err
				return
			}
			accepted <- c
		}
	}()
	for range 4 {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	one, two := <-accepted, <-accepted
	select {
	case <-accepted:
		t.Error("a third connection was accepted")
	case <-time.After(100 * time.Millisecond):
	}
	one.Close()
	one.Close() // gives one place back, not two
	three := <-accepted
	select {
	case <-accepted:
		t.Error("a fourth connection was accepted")
	case <-time.After(100 * time.Millisecond):
	}
	l.Close()
	if err := <-ended; err == nil {
		t.Error("Accept went on after Close")
	}
	two.Close()
	three.Close()
}
