package keystore

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hyok/internal/clock"
	"hyok/proxy/xks"
)

func TestAConnectedExternalKeyStoreComesBackConnected(t *testing.T) {
	e, f, k := usable(t)
	blob, err := e.encrypt(k, "plaintext")
	if err != nil {
		t.Fatal(err)
	}
	f.Close() // the state says nothing of the proxy's health
	e.restart()
	if d := e.describe(k.StoreID); d.ConnectionState != "CONNECTED" || !e.Connected(k.StoreID) {
		t.Errorf("after the restart the key store is %+v", d)
	}
	_, err = e.decrypt(k, blob)
	refused(t, err, "KMSInvalidStateException", msgUnreachable)
}

func TestTransientStatesGoOnAfterARestart(t *testing.T) {
	for state, next := range map[string]string{"CONNECTING": "CONNECTED", "DISCONNECTING": "DISCONNECTED"} {
		for _, kind := range []string{"XKS", "CHS"} {
			t.Run(state+"/"+kind, func(t *testing.T) {
				s := newSubject(t, kind)
				s.reach(state)
				s.restart()
				if got := s.describe(s.id).ConnectionState; got != state {
					t.Fatalf("after the restart the state is %s", got)
				}
				s.passed(s.id, next)
			})
		}
	}
}

func TestStatesFollowEachOther(t *testing.T) {
	e := newEnv(t)
	f := newFakeProxy(t, e)
	id := e.connected(e.create(f.request("one")))
	e.disconnected(id)
	f.misbehave("*", refuses(xks.AuthenticationFailedException))
	e.connect(id)
	e.await(id, "FAILED")
	e.disconnected(id)
	if err := e.delete(id); err != nil {
		t.Fatal(err)
	}
	want := []string{"DISCONNECTED", "CONNECTING", "CONNECTED", "DISCONNECTING", "DISCONNECTED",
		"CONNECTING", "FAILED INVALID_CREDENTIALS", "DISCONNECTING", "DISCONNECTED", ""}
	if d := cmp.Diff(want, e.seen.history); d != "" {
		t.Error(d)
	}
}

// An armedClock counts the waits of one length, so that a test moves it only
// when somebody waits.
type armedClock struct {
	clock.Clock
	d     time.Duration
	seen  *recorder
	armed int
}

func (c *armedClock) AfterFunc(d time.Duration, f func()) func() bool {
	stop := c.Clock.AfterFunc(d, f)
	if d == c.d {
		c.seen.note(func() { c.armed++ })
	}
	return stop
}

func TestHealthIsCheckedWhileConnectedAndNotAfter(t *testing.T) { // guide 004:18927, 21397, 21656
	const interval = 3 * time.Minute
	var armed *armedClock
	e := newEnv(t, func(e *env) {
		armed = &armedClock{Clock: e.clock, d: interval, seen: e.seen}
		e.c.HealthInterval, e.c.Clock = interval, armed
	})
	f := newFakeProxy(t, e)
	id := e.connected(e.create(f.request("one")))
	checks := func() (n int) {
		for _, c := range f.asked(xks.OpGetHealthStatus) {
			if c.metadata["kmsOperation"] == "KmsHealthCheck" {
				n++
			}
		}
		return n
	}
	wait := 0
	next := func() {
		t.Helper()
		wait++
		e.until("the wait for a check", func() bool { return armed.armed == wait })
		if err := e.clock.Advance(interval); err != nil {
			t.Fatal(err)
		}
	}
	f.misbehave(xks.OpGetHealthStatus, answers(health(xks.HealthDegraded, xks.HealthUnavailable)))
	next()
	next()
	f.misbehave(xks.OpGetHealthStatus, refuses(xks.InternalException))
	next()
	e.until("the wait after a failing check", func() bool { return armed.armed == wait+1 })
	if n := checks(); n != 3 {
		t.Errorf("%d checks in three intervals", n)
	}
	if got := e.seen.managers[id]; got != (Managers{Degraded: 1, Unavailable: 1}) {
		t.Errorf("the managers are %+v", got)
	}
	if got := e.describe(id).ConnectionState; got != "CONNECTED" {
		t.Errorf("a failing check made the state %s", got)
	}
	e.disconnected(id)
	if err := e.clock.Advance(100 * interval); err != nil {
		t.Fatal(err)
	}
	e.connect(id)
	e.await(id, "FAILED")
	if n := checks(); n != 3 {
		t.Errorf("%d checks while it was not connected", n-3)
	}
}

func TestNoConnectionOutlivesItsKeyStore(t *testing.T) {
	e := newEnv(t)
	f := newFakeProxy(t, e)
	id := e.create(f.request("one"))
	k := e.key(id, "external-1")
	for range 20 {
		e.connected(id)
		if _, err := e.encrypt(k, "p"); err != nil {
			t.Fatal(err)
		}
		e.disconnected(id)
	}
	e.until("the last connection to end", func() bool { return f.open == 0 })
}

// While a key store is connected, disconnected and changed again and again, a
// request succeeds or is told that the key is unavailable.
func TestRequestsMeetAKeyStoreThatChangesAllTheTime(t *testing.T) {
	e, _, k := usable(t)
	stop := make(chan struct{})
	errs := make(chan error)
	for range 4 {
		go func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					errs <- nil
					return
				default:
				}
				_, err := e.encrypt(k, "p")
				if err != nil && !strings.Contains(err.Error(), "is unavailable") {
					errs <- err
					return
				}
			}
		}()
	}
	for range 10 {
		e.disconnected(k.StoreID)
		e.connected(k.StoreID)
		in := updateOf(k.StoreID)
		in.XksProxyUriPath = xks.BasePath
		if err := e.update(in); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// Every request makes a point, successes too (contradiction 13), under the names
// Retryable, Non-retryable and N/A and the proxy's own (contradiction 12).
func TestEachProxyRequestIsObserved(t *testing.T) { // custom-key-stores §14
	e, f, k := usable(t, brief)
	e.roundTrip(k)
	_, err := e.prepare(k)
	if err != nil {
		t.Fatal(err)
	}
	f.misbehave(xks.OpEncrypt, refuses(xks.ThrottlingException))
	_, _ = e.encrypt(k, "p")
	f.misbehave(xks.OpEncrypt, refuses(xks.KeyNotFoundException))
	_, _ = e.encrypt(k, "p")
	f.misbehave(xks.OpEncrypt, html)
	_, _ = e.encrypt(k, "p")
	f.misbehave(xks.OpEncrypt, sleeps)
	_, _ = e.encrypt(k, "p")
	var got []ProxyCall
	for _, c := range e.seen.calls {
		if c.ExceptionName != "XksProxyUnreachableException" {
			if c.Latency <= 0 || c.Latency > e.c.ProxyTimeout {
				t.Errorf("%s took %s", c.XksOperation, c.Latency)
			}
			c.Latency = 0
		}
		got = append(got, c)
	}
	row := func(kms, op, spec, kind, name string, took time.Duration) ProxyCall {
		return ProxyCall{k.StoreID, kms, op, spec, kind, name, took}
	}
	want := []ProxyCall{
		row("ConnectCustomKeyStore", "GetHealthStatus", "", "N/A", "None", 0),
		row("Encrypt", "Encrypt", "SYMMETRIC_DEFAULT", "N/A", "None", 0),
		row("Decrypt", "Decrypt", "SYMMETRIC_DEFAULT", "N/A", "None", 0),
		row("CreateKey", "GetKeyMetadata", "SYMMETRIC_DEFAULT", "N/A", "None", 0),
		row("Encrypt", "Encrypt", "SYMMETRIC_DEFAULT", "Retryable", "ThrottlingException", 0),
		row("Encrypt", "Encrypt", "SYMMETRIC_DEFAULT", "Non-retryable", "KeyNotFoundException", 0),
		row("Encrypt", "Encrypt", "SYMMETRIC_DEFAULT", "Non-retryable", "XksProxyInvalidResponseException", 0),
		row("Encrypt", "Encrypt", "SYMMETRIC_DEFAULT", "Retryable", "XksProxyUnreachableException", e.c.ProxyTimeout),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// 250 ms for a request that timed out, about 500 for the two attempts of a network
// time-out, and never more (contradiction 11, guide 004:7695, 21444).
func TestLatencyOfTwoAttempts(t *testing.T) {
	o := xks.Observation{Operation: xks.OpEncrypt, Latency: 503 * time.Millisecond, Attempts: 2,
		Err: &xks.TransportError{Kind: xks.Unreachable, Attempts: 2, Err: http.ErrHandlerTimeout}}
	if c := observation("cks-1", o, xks.DefaultTimeout); c.Latency != 500*time.Millisecond || c.ErrorType != "Retryable" {
		t.Errorf("%+v", c)
	}
}

func TestThrottlingIsCountedForExternalKeyStoresOnly(t *testing.T) {
	e, c := withCluster(t)
	external, hsm := e.create(newFakeProxy(t, e).request("external")), e.create(c.request("hsm"))
	for _, id := range []string{external, hsm, "cks-00000000000000000"} {
		e.Throttled(id, "Encrypt")
	}
	if d := cmp.Diff([]string{external + " Encrypt"}, e.seen.limited); d != "" {
		t.Error(d)
	}
}
