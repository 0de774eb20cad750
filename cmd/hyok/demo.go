package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/aws/smithy-go"

	"hyok/internal/durable"
	"hyok/internal/logging"
)

type demoCmd struct{}

// Help shows up behind `hyok demo --help`.
func (*demoCmd) Help() string {
	return `Starts what hyok up starts in a fresh temporary directory, and walks the story of
holding one's own key with the AWS SDK: keys of all three origins encrypt and
decrypt; then the external key is disabled, the proxy slow, stopped and black-holed,
the key store disconnected, the quota exceeded, each with the exception that the
caller sees. Exit status 1 if any step differs from what is expected.`
}

// A step is one row of the demo's table.
type step struct {
	name     string
	expected string // ok, or exception and message
	do       action
}

const ok = "ok"

// demo is what the steps share.
type demo struct {
	*road
	w     *workbench
	blobs map[string][]byte // ciphertext by origin
}

// demoQuota, in requests a second, can be exceeded on any machine by a caller
// that makes one call after the other.
const demoQuota = 40

// Run walks all steps and prints them.
func (c *demoCmd) Run(ctx context.Context, s streams) (err error) {
	dir, err := os.MkdirTemp("", "hyok-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	quotas := dir + "/quotas.yaml"
	if err := durable.WriteFile(quotas, fmt.Appendf(nil, "requests: {custom-key-store: %d}\n", demoQuota), 0o600); err != nil {
		return err
	}
	w, err := openWorkbench(ctx, dir, upOptions{
		KMSListen: "127.0.0.1:0", ProxyListen: "127.0.0.1:0", Quotas: quotas,
	}, logging.New(s.Err, slog.LevelError))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if err := w.start(ctx); err != nil {
		return err
	}
	d := &demo{road: newRoad(w.env), w: w, blobs: map[string][]byte{}}
	return d.walk(ctx, s.Out)
}

func (d *demo) walk(ctx context.Context, out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "STEP\tEXPECTED\tSEEN\tLATENCY")
	different := 0
	for _, st := range steps {
		start := time.Now()
		seen := outcome(st.do(ctx, d))
		took := time.Since(start)
		expected := strings.ReplaceAll(st.expected, externalKeyARN, d.keys[external])
		if seen != expected {
			different++
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", st.name, short(expected), short(seen), took.Round(10*time.Microsecond))
		if errors.Is(ctx.Err(), context.Canceled) {
			return ctx.Err()
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if different > 0 {
		return fmt.Errorf("%d of %d steps differ from what was expected", different, len(steps))
	}
	_, err := fmt.Fprintf(out, "\nall %d steps as expected\n", len(steps))
	return err
}

// outcome is what a caller sees of a call: ok, or the exception and its message.
func outcome(err error) string {
	var e smithy.APIError
	switch {
	case err == nil:
		return ok
	case errors.As(err, &e):
		return exception(e.ErrorCode(), e.ErrorMessage())
	}
	return err.Error()
}

func exception(code, message string) string { return code + ": " + message }

// short keeps a table's cell readable; whole texts are what is compared.
func short(s string) string {
	const most = 72
	if len(s) <= most {
		return s
	}
	return s[:most-1] + "…"
}
