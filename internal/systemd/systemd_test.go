package systemd_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hyok/internal/systemd"
)

// listen is systemd's side of the socket, at name.
func listen(t *testing.T, name string) *net.UnixConn {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	return c
}

// receive gives the next message, or "" when none comes within limit.
func receive(t *testing.T, c *net.UnixConn, limit time.Duration) string {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 512)
	n, err := c.Read(b)
	if err != nil {
		return ""
	}
	return string(b[:n])
}

func TestEachStateIsOneMessage(t *testing.T) {
	for kind, name := range map[string]string{
		"path":     filepath.Join(t.TempDir(), "notify"),
		"abstract": fmt.Sprintf("@hyok-test-%d", os.Getpid()),
	} {
		for _, c := range []struct {
			name, want string
			send       func() error
		}{
			{"ready", `^READY=1$`, systemd.Ready},
			{"stopping", `^STOPPING=1$`, systemd.Stopping},
			{"reloading", `^RELOADING=1\nMONOTONIC_USEC=[0-9]+$`, systemd.Reloading},
		} {
			t.Run(kind+"/"+c.name, func(t *testing.T) {
				socket := listen(t, name)
				defer socket.Close()
				if err := c.send(); err != nil {
					t.Fatal(err)
				}
				if got := receive(t, socket, 10*time.Second); !regexp.MustCompile(c.want).MatchString(got) {
					t.Errorf("got %q, want %s", got, c.want)
				}
				_ = os.Remove(name)
			})
		}
	}
}

func TestReloadingGivesTheMachinesMonotonicClock(t *testing.T) {
	socket := listen(t, filepath.Join(t.TempDir(), "notify"))
	before := monotonic(t)
	if err := systemd.Reloading(); err != nil {
		t.Fatal(err)
	}
	var got int64
	if _, err := fmt.Sscanf(receive(t, socket, 10*time.Second), "RELOADING=1\nMONOTONIC_USEC=%d", &got); err != nil {
		t.Fatal(err)
	}
	if after := monotonic(t); got < before || got > after {
		t.Errorf("got %d, not between %d and %d", got, before, after)
	}
}

// monotonic is the machine's clock in microseconds.
func monotonic(t *testing.T) int64 {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	return now.Nano() / 1000
}

func TestNothingIsSentOutsideOfSystemd(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	if err := systemd.Ready(); err != nil {
		t.Error(err)
	}
	never := func() bool { t.Error("checked without a watchdog"); return true }
	if err := systemd.Watchdog(t.Context(), never); err != nil {
		t.Error(err)
	}
}

func TestASocketThatIsGoneIsAnError(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	if err := systemd.Ready(); err == nil {
		t.Error("no error")
	}
}

func TestTheWatchdogIsFedWhileTheCheckReturnsTrue(t *testing.T) {
	socket := listen(t, filepath.Join(t.TempDir(), "notify"))
	t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
	t.Setenv("WATCHDOG_USEC", "40000")
	ctx, cancel := context.WithCancel(t.Context())
	answers := make(chan bool)
	ended := make(chan error, 1)
	go func() { ended <- systemd.Watchdog(ctx, func() bool { return <-answers }) }()
	for range 3 {
		answers <- true
		if got := receive(t, socket, 10*time.Second); got != "WATCHDOG=1" {
			t.Fatalf("got %q", got)
		}
	}
	answers <- false
	if got := receive(t, socket, 200*time.Millisecond); got != "" { // and the next check hangs
		t.Errorf("got %q from a check that failed or hangs", got)
	}
	cancel()
	close(answers)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestWhoseWatchdogItIs(t *testing.T) {
	for name, c := range map[string]struct {
		limit, pid string
		fails      bool
	}{
		"another process's": {"40000", "1", false},
		"no number":         {"soon", "", true},
		"zero":              {"0", "", true},
		"too large":         {"9223372036854775807", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("WATCHDOG_USEC", c.limit)
			t.Setenv("WATCHDOG_PID", c.pid)
			err := systemd.Watchdog(t.Context(), func() bool { t.Error("checked"); return true })
			if (err != nil) != c.fails {
				t.Errorf("got %v", err)
			}
		})
	}
}
