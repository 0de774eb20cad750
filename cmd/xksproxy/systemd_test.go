package main

import (
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestSystemdIsToldHowTheDaemonFares(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", name)
	t.Setenv("WATCHDOG_USEC", "2000000")
	c := startChild(t)
	told := func(want string) {
		t.Helper()
		b := make([]byte, 512)
		for {
			_ = socket.SetReadDeadline(time.Now().Add(20 * time.Second))
			n, err := socket.Read(b)
			if err != nil {
				t.Fatalf("waiting for %s: %v", want, err)
			}
			if strings.HasPrefix(string(b[:n]), want) {
				return
			}
		}
	}
	told("READY=1")
	told("WATCHDOG=1")
	c.signal(t, syscall.SIGHUP)
	told("RELOADING=1")
	told("READY=1")
	told("WATCHDOG=1")
	c.signal(t, syscall.SIGTERM)
	told("STOPPING=1")
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}
