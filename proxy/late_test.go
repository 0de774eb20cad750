package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hyok/internal/fault"
	"hyok/proxy"
	"hyok/proxy/audit"
	"hyok/proxy/xks"
)

// latest is when an answer is sent at the latest with the default deadline: KMS
// gives up after 250 ms (XKS fact 89).
const latest = 240 * time.Millisecond

// tries are made of each case until an answer is not late: a machine that is busy
// with something else makes some late, a road without its limit all.
const tries = 5

// A holdUp is a slog.Handler that holds up whoever begins a new file of the audit
// log, as a disk that hangs does, until release is closed.
type holdUp struct {
	slog.Handler
	release chan struct{}
}

func (h *holdUp) Enabled(context.Context, slog.Level) bool { return true }

func (h *holdUp) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "the audit log goes on in a new file" {
		<-h.release
	}
	return nil
}

// hangingAudit gives the store an audit log that hangs at its second line.
func hangingAudit(t *testing.T, c *proxy.Config) {
	t.Helper()
	h := &holdUp{slog.DiscardHandler, make(chan struct{})}
	log, err := audit.Open(audit.Config{Path: filepath.Join(t.TempDir(), "audit.jsonl"), MaxSize: 1, Log: slog.New(h)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		close(h.release)
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	c.Audit = log
}

// manyPolicies are as many as a file may hold, none of which lets Alice in.
func manyPolicies(t *testing.T, c *proxy.Config) {
	t.Helper()
	var text strings.Builder
	text.WriteString(`permit (principal == Principal::"nobody", action, resource);`)
	for i := 0; text.Len() < 63<<10; i++ {
		fmt.Fprintf(&text, "\nforbid (principal, action, resource) when { principal.arn like \"*x%d*y*z\" };", i)
	}
	guarded(t, text.String(), false)(c)
}

// TestNoAnswerIsLate has each thing that can take time take too much of it.
func TestNoAnswerIsLate(t *testing.T) {
	hang := fault.Rule{At: fault.HSM, Op: "*", Latency: time.Second}
	slow := fault.Rule{At: fault.HSM, Op: "*", Latency: 130 * time.Millisecond}
	encrypt := request{path: "/keys/good/encrypt", body: encryptBody()}
	metadata := request{path: "/keys/good/metadata", body: encryptBody()}
	health := request{path: "/health", body: encryptBody()}
	for _, row := range []struct {
		what    string
		change  func(*testing.T, *proxy.Config)
		fault   fault.Rule
		request request
		want    xks.ErrorName
	}{
		{"the device hangs, Encrypt", nil, hang, encrypt, xks.DependencyTimeoutException},
		{"the device hangs, Decrypt", nil, hang, request{path: "/keys/good/decrypt"}, xks.DependencyTimeoutException},
		{"the device hangs, GetKeyMetadata", nil, hang, metadata, xks.DependencyTimeoutException},
		{"the device hangs, GetHealthStatus", nil, hang, health, ""},
		{"the device is slow, and asked twice", nil, slow, encrypt, xks.DependencyTimeoutException},
		{"the audit log hangs", hangingAudit, fault.Rule{}, encrypt, xks.InternalException},
		{"the audit log hangs, a refusal", hangingAudit, fault.Rule{}, request{path: "/keys/off/encrypt", body: encryptBody()}, xks.InternalException},
		{"the device and the audit log hang", hangingAudit, hang, encrypt, xks.InternalException},
		{"the device and the audit log hang, GetHealthStatus", hangingAudit, hang, health, xks.InternalException},
		{"many policies", manyPolicies, fault.Rule{}, encrypt, xks.AccessDeniedException},
		{"many policies, and the device hangs", manyPolicies, hang, encrypt, xks.AccessDeniedException},
	} {
		t.Run(row.what, func(t *testing.T) {
			r := newRig(t, func(c *proxy.Config) {
				c.Stores[0].Deadline = 0
				if row.change != nil {
					row.change(t, c)
				}
			})
			if row.request.body == nil {
				_, row.request.body = r.sealed(t, "good")
			}
			r.do(t, request{path: "/keys/none/metadata", body: "{"}) // opens the connection
			if row.fault.Latency > 0 {
				if _, err := r.faults.Add(row.fault); err != nil {
					t.Fatal(err)
				}
			}
			notLate(t, func() time.Duration {
				start := time.Now()
				a := r.do(t, row.request)
				took := time.Since(start)
				a.want(t, row.what, row.want)
				return took
			})
		})
	}
}

// notLate tries until an answer comes in time.
func notLate(t *testing.T, try func() time.Duration) {
	t.Helper()
	var all []time.Duration
	for range tries {
		took := try()
		if all = append(all, took); took <= latest {
			t.Logf("answered after %s", all)
			return
		}
	}
	t.Errorf("answered after %s", all)
}

// TestNoAnswerIsLateWhenAllComeAtOnce has more requests than the store takes, for
// a device that hangs, each on a connection that is open already.
func TestNoAnswerIsLateWhenAllComeAtOnce(t *testing.T) {
	notLate(t, func() time.Duration { return allAtOnce(t) })
}

// allAtOnce gives the time of the last answer.
func allAtOnce(t *testing.T) time.Duration {
	t.Helper()
	const places, n = 64, 96
	r := newRig(t, func(c *proxy.Config) { c.Stores[0].Deadline, c.Stores[0].Concurrency = 0, places })
	if _, err := r.faults.Add(fault.Rule{At: fault.HSM, Op: "*", Latency: time.Second}); err != nil {
		t.Fatal(err)
	}
	var (
		mu    sync.Mutex
		names = make(map[xks.ErrorName]int)
		last  time.Duration
		all   sync.WaitGroup
		begin = make(chan struct{})
	)
	for range n {
		conn, req := r.dial(t), r.encryptRequest(t)
		all.Go(func() {
			<-begin
			start := time.Now()
			a, err := roundTrip(conn, req)
			mu.Lock()
			defer mu.Unlock()
			last = max(last, time.Since(start))
			if names[a.Name]++; err != nil {
				t.Error(err)
			}
		})
	}
	close(begin)
	all.Wait()
	t.Logf("%v", names)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for r.token.Stats().Lost > 0 { // another try needs the module without calls that hang
		<-tick.C
	}
	if names[xks.DependencyTimeoutException] < 2 || names[xks.DependencyTimeoutException]+names[xks.ThrottlingException]+names[xks.InternalException] != n {
		t.Errorf("got %v", names)
	}
	return last
}

// encryptRequest is a signed Encrypt.
func (r *rig) encryptRequest(t *testing.T) *http.Request {
	t.Helper()
	body, err := json.Marshal(encryptBody())
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, r.https.URL+prefix+xks.BasePath+"/keys/good/encrypt", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.sign(t, req, body, request{})
	return req
}

// roundTrip sends a request on a connection, and reads the answer.
func roundTrip(conn net.Conn, req *http.Request) (a answer, err error) {
	if err := req.Write(conn); err != nil {
		return a, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		return a, err
	}
	return a, xks.Unmarshal(a.body, &a.Error)
}
