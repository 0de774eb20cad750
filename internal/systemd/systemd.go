// Package systemd tells systemd how a service fares: sd_notify(3) over the
// datagram socket in NOTIFY_SOCKET, and its watchdog.
//
// Outside of systemd, where the variable is not set, everything does nothing.
package systemd

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Ready says that the service is up, or that a reload has ended.
func Ready() error { return notify("READY=1") }

// Stopping says that the service has begun to end.
func Stopping() error { return notify("STOPPING=1") }

// Reloading says that the configuration is being read again; Ready ends it.
func Reloading() error {
	var now unix.Timespec // systemd wants the clock of the machine, which Go does not show
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return fmt.Errorf("reading the monotonic clock: %w", err)
	}
	return notify(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000))
}

// Watchdog runs check and then tells systemd that the service is alive, twice in
// the time that systemd allows (WATCHDOG_USEC), until ctx ends. A check that does
// not return, or gives false, leaves the message out, so that systemd restarts the
// service. It returns at once when systemd has set no watchdog for this process.
func Watchdog(ctx context.Context, check func() bool) error {
	limit, err := watchdogLimit()
	if err != nil || limit == 0 {
		return err
	}
	ticker := time.NewTicker(limit / 2)
	defer ticker.Stop()
	for {
		if check() {
			if err := notify("WATCHDOG=1"); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// watchdogLimit is what WATCHDOG_USEC allows; 0: there is no watchdog, or it is
// meant for another process.
func watchdogLimit() (time.Duration, error) {
	text := os.Getenv("WATCHDOG_USEC")
	if pid := os.Getenv("WATCHDOG_PID"); text == "" || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0, nil
	}
	µs, err := strconv.ParseInt(text, 10, 64)
	if err != nil || µs <= 0 || µs > int64(24*time.Hour/time.Microsecond) {
		return 0, fmt.Errorf("WATCHDOG_USEC is %q, not a number of microseconds up to a day", text)
	}
	return time.Duration(µs) * time.Microsecond, nil
}

// notify sends one message. A name that begins with @ is an abstract socket.
func notify(state string) error {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notifying systemd: %w", err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(state)); err != nil {
		return fmt.Errorf("notifying systemd: %w", err)
	}
	return nil
}
