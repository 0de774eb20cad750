package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A manager takes what the daemon tells systemd.
type manager struct{ *net.UnixConn }

func listenAsManager(t *testing.T) manager {
	t.Helper()
	name := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	return manager{socket}
}

// told waits for a message that begins so, and gives the rest of it.
func (m manager) told(t *testing.T, want string) string {
	t.Helper()
	b := make([]byte, 512)
	for {
		_ = m.SetReadDeadline(time.Now().Add(20 * time.Second))
		n, err := m.Read(b)
		if err != nil {
			t.Fatalf("waiting for %s: %v", want, err)
		}
		if rest, ok := strings.CutPrefix(string(b[:n]), want); ok {
			return rest
		}
	}
}

func TestSystemdIsToldHowTheDaemonFares(t *testing.T) {
	m := listenAsManager(t)
	t.Setenv("WATCHDOG_USEC", "2000000")
	c := startChild(t)
	m.told(t, "READY=1")
	m.told(t, "WATCHDOG=1")
	c.signal(t, syscall.SIGHUP)
	m.told(t, "RELOADING=1")
	m.told(t, "READY=1")
	m.told(t, "WATCHDOG=1")
	c.signal(t, syscall.SIGTERM)
	m.told(t, "STOPPING=1")
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

// monotonic is the machine's clock, in microseconds, that systemd compares with.
func monotonic(t *testing.T) int64 {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	return now.Nano() / 1000
}

// secretBy has the credential's secret printed by a script.
func (c *child) secretBy(t *testing.T, script string) {
	t.Helper()
	c.rewrite(t, credentialsOf(first),
		fmt.Sprintf("    credentials: [{access_key_id: %s, secret: {command: [sh, -c, %q]}}]\n", first.AccessKeyID, script))
}

// TestSystemdIsToldThatAReloadBegins holds up the reading of the configuration,
// and sends the signal again meanwhile: each has a message of a later time.
func TestSystemdIsToldThatAReloadBegins(t *testing.T) {
	m := listenAsManager(t)
	c := startChild(t)
	m.told(t, "READY=1")
	gate := filepath.Join(c.dir, "gate")
	if err := syscall.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	began := monotonic(t)
	c.secretBy(t, "read go < gate; echo "+first.Secret)
	for range 2 {
		c.signal(t, syscall.SIGHUP)
		rest := m.told(t, "RELOADING=1\n")
		c.signal(t, syscall.SIGHUP) // wanted once more, after this one
		µs, ok := strings.CutPrefix(rest, "MONOTONIC_USEC=")
		at, err := strconv.ParseInt(µs, 10, 64)
		if !ok || err != nil || at < began || at > monotonic(t) {
			t.Errorf("got %q, want a time from %d on", rest, began)
		}
		began = at + 1
		if err := os.WriteFile(gate, []byte("go\n"), 0); err != nil { // waits for the script
			t.Fatal(err)
		}
		m.told(t, "READY=1")
	}
	m.told(t, "RELOADING=1\n")
	if err := os.WriteFile(gate, []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	m.told(t, "READY=1")
	c.signal(t, syscall.SIGTERM)
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

// TestASignalWhileItStartsDoesNotEndTheDaemon has a secret's command send SIGHUP,
// before anything is served. It is obeyed later.
func TestASignalWhileItStartsDoesNotEndTheDaemon(t *testing.T) {
	c := startChild(t)
	c.signal(t, syscall.SIGTERM)
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	c.secretBy(t, "[ -e sent ] || kill -HUP $PPID; touch sent; echo "+first.Secret)
	c.start(t)
	c.until(t, "the key stores were reloaded")
	if err := c.encrypt(t, first); err != nil {
		t.Error(err)
	}
}

// TestASecondSignalEndsTheDelayOfTheEnd does not wait for the delay.
func TestASecondSignalEndsTheDelayOfTheEnd(t *testing.T) {
	m := listenAsManager(t)
	c := startChild(t, "drain_delay: 1h")
	c.signal(t, syscall.SIGTERM)
	m.told(t, "STOPPING=1")
	if err := c.encrypt(t, first); err != nil {
		t.Errorf("in the delay: %v", err)
	}
	c.signal(t, syscall.SIGTERM)
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("it has not ended")
	}
}
