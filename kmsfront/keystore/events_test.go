package keystore

import (
	"encoding/json"

	"net/http"
	"strings"
	"testing"
	"time"

	"hyok/certs"
	"hyok/certs/certstest"
	"hyok/kmsfront/api"
	"hyok/kmsfront/material"
	"hyok/proxy/xks"
)

// provoked lets a proxy do what an event is, by what really causes it.
var provoked = map[event]func(e *env, f *fakeProxy){
	evAccessDenied: refusing(xks.AccessDeniedException),
	evAuthentication: func(_ *env, f *fakeProxy) {
		f.change(func() { f.creds = map[string]string{accessKey: strings.Repeat("other", 10)} })
	},
	evDependency:  refusing(xks.DependencyTimeoutException),
	evInternal:    refusing(xks.InternalException),
	evCiphertext:  refusing(xks.InvalidCiphertextException),
	evKeyUsage:    refusing(xks.InvalidKeyUsageException),
	evKeyState:    refusing(xks.InvalidStateException),
	evURIPath:     func(_ *env, f *fakeProxy) { f.change(func() { f.path = "/moved" + xks.BasePath }) },
	evKeyNotFound: refusing(xks.KeyNotFoundException),
	evThrottling:  refusing(xks.ThrottlingException),
	evUnsupported: refusing(xks.UnsupportedOperationException),
	evValidation:  refusing(xks.ValidationException),
	evUnreachable: func(_ *env, f *fakeProxy) { f.Close() },
	evNetwork:     func(_ *env, f *fakeProxy) { f.change(func() { f.reset = true }); f.CloseClientConnections() },
	evTimedOut:    func(_ *env, f *fakeProxy) { f.misbehave("*", sleeps) },
	evTLS:         expired,
	evUnreadable:  func(_ *env, f *fakeProxy) { f.misbehave("*", html) },
	evUnhealthy: func(_ *env, f *fakeProxy) {
		f.misbehave(xks.OpGetHealthStatus, answers(health(xks.HealthUnavailable, xks.HealthUnavailable)))
	},
	evInner: func(_ *env, f *fakeProxy) { f.misbehave(xks.OpDecrypt, answersWrongPlaintext) },
}

func refusing(name xks.ErrorName) func(*env, *fakeProxy) {
	return func(_ *env, f *fakeProxy) { f.misbehave("*", refuses(name)) }
}

func html(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>busy</html>")) }

// expired gives the proxy a certificate whose time is over.
func expired(e *env, f *fakeProxy) {
	l := certstest.Server()
	l.NotBefore, l.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
	withCertificate(e, f, l)
}

func withCertificate(e *env, f *fakeProxy, l certs.Leaf) {
	cert := e.kit.Issue(e.t, l)
	f.change(func() { f.cert = &cert })
	f.CloseClientConnections()
}

// answersWrongPlaintext opens nothing and gives as many bytes as were sent.
func answersWrongPlaintext(w http.ResponseWriter, r *http.Request) {
	var in fakeRequest
	_ = json.NewDecoder(r.Body).Decode(&in)
	answers(xks.DecryptResponse{Plaintext: make([]byte, len(in.Cipher))})(w, r)
}

// guide is §10 of custom-key-stores once more, in words, with messages by their
// number, and what the metric XksProxyErrors has (contradictions 12, 13). "-"
// stands for what cannot be: the event does not come there.
const guide = `
event           Create/Update                                       CreateKey                                 crypto                    connect                              message  ErrorType      ExceptionName
AccessDenied    XksProxyInvalidConfigurationException               CustomKeyStoreInvalidStateException       KMSInvalidStateException  XKS_PROXY_ACCESS_DENIED              M-10     Non-retryable  AccessDeniedException
Authentication  XksProxyIncorrectAuthenticationCredentialException  CustomKeyStoreInvalidStateException       KMSInvalidStateException  INVALID_CREDENTIALS                  M-09     Non-retryable  AuthenticationFailedException
Dependency      XksProxyUriUnreachableException                     CustomKeyStoreInvalidStateException       KMSInvalidStateException  XKS_PROXY_TIMED_OUT                  M-08     Retryable      DependencyTimeoutException
Internal        XksProxyInvalidResponseException                    CustomKeyStoreInvalidStateException       KMSInvalidStateException  XKS_PROXY_INVALID_RESPONSE           M-04     Retryable      InternalException
Ciphertext      XksProxyInvalidResponseException:M-19               CustomKeyStoreInvalidStateException:M-19  KMSInvalidStateException  XKS_PROXY_INVALID_RESPONSE           M-17     Non-retryable  InvalidCiphertextException
KeyUsage        XksProxyInvalidResponseException:M-19               XksKeyInvalidConfigurationException       KMSInvalidStateException  XKS_PROXY_INVALID_RESPONSE           M-15     Non-retryable  InvalidKeyUsageException
KeyState        XksProxyInvalidResponseException:M-19               XksKeyInvalidConfigurationException       KMSInvalidStateException  XKS_PROXY_INVALID_RESPONSE           M-16     Non-retryable  InvalidStateException
URIPath         XksProxyInvalidConfigurationException               CustomKeyStoreInvalidStateException       KMSInvalidStateException  XKS_PROXY_INVALID_CONFIGURATION      M-02     Non-retryable  InvalidUriPathException
KeyNotFound     XksProxyInvalidResponseException:M-19               XksKeyNotFoundException                   KMSInvalidStateException  XKS_PROXY_INVALID_RESPONSE           M-11     Non-retryable  KeyNotFoundException
Throttling      XksProxyUriUnreachableException                     CustomKeyStoreInvalidStateException       KMSInvalidStateException  XKS_PROXY_TIMED_OUT                  M-05     Retryable      ThrottlingException
Unsupported     XksProxyInvalidResponseException:M-19               UnsupportedOperationException             KMSInvalidStateException  XKS_PROXY_INVALID_RESPONSE           M-20     Non-retryable  UnsupportedOperationException
Validation      XksProxyInvalidResponseException                    CustomKeyStoreInvalidStateException       KMSInvalidStateException  XKS_PROXY_INVALID_RESPONSE           M-19     Non-retryable  ValidationException
Unreachable     XksProxyUriUnreachableException                     CustomKeyStoreInvalidStateException       KMSInvalidStateException  XKS_PROXY_NOT_REACHABLE              M-06     Retryable      XksProxyUnreachableException
Network         XksProxyUriUnreachableException                     CustomKeyStoreInvalidStateException       KMSInvalidStateException  NETWORK_ERRORS                       M-06     Retryable      XksProxyUnreachableException
TimedOut        XksProxyUriUnreachableException                     CustomKeyStoreInvalidStateException       KMSInvalidStateException  XKS_PROXY_TIMED_OUT                  M-07     Retryable      XksProxyUnreachableException
TLS             XksProxyInvalidConfigurationException               CustomKeyStoreInvalidStateException       KMSInvalidStateException  XKS_PROXY_INVALID_TLS_CONFIGURATION  M-03     Retryable      XksProxyUnreachableException
Unreadable      XksProxyInvalidResponseException                    CustomKeyStoreInvalidStateException       KMSInvalidStateException  XKS_PROXY_INVALID_RESPONSE           M-19     Non-retryable  XksProxyInvalidResponseException
Unhealthy       XksProxyUriUnreachableException                     -                                         -                         XKS_PROXY_NOT_REACHABLE              M-18     N/A            None
Inner           -                                                   -                                         KMSInvalidStateException  -                                    M-23     N/A            None
`

// messages are the guide's texts, each by a part that no other has.
var messages = map[string]string{
	"M-02": "because of an invalid URI path", "M-03": "cannot establish a TLS connection",
	"M-04": "cannot communicate with the external key manager", "M-05": "due to a very high request rate",
	"M-06": "might be a transient network issue. If you see this error repeatedly, verify that your external key store proxy is active",
	"M-07": "AWS KMS rejected the request because the external key store proxy did not respond in time.",
	"M-08": "did not respond to the request in the time allotted", "M-09": "could not authenticate AWS KMS",
	"M-10": "denied access to the operation", "M-11": "could not find the external key",
	"M-15": "does not support the requested operation", "M-16": "is not enabled in the external key manager",
	"M-17": "the specified ciphertext or additional authenticated data is corrupted", "M-18": "is in an unhealthy state",
	"M-19": "cannot interpret the response", "M-20": "does not support the requested cryptographic operation",
	"M-23": "The ciphertext that the external key store proxy submitted for decryption",
}

func TestEachEventBecomesWhatTheGuideSays(t *testing.T) { // contradictions 9, 10, 28
	rows := strings.Split(strings.TrimSpace(guide), "\n")[1:]
	if len(rows) != len(eventTable) || len(provoked) != len(eventTable) {
		t.Fatalf("the table has %d rows, the guide %d, and %d are provoked", len(eventTable), len(rows), len(provoked))
	}
	for i, line := range rows {
		cells := strings.Fields(line)
		row := eventTable[i]
		if row.event != event(i) {
			t.Fatalf("row %d of the table is out of place", i)
		}
		for c, column := range []string{"Create", "Update", "CreateKey", "crypto", "connect"} {
			want := cells[max(1, c)]
			t.Run(cells[0]+"/"+column, func(t *testing.T) {
				t.Parallel()
				if want == "-" {
					return // the guide has the event nowhere in this column
				}
				code, message, own := strings.Cut(want, ":")
				if !own {
					message = cells[5]
				}
				e := eventCase{event: row.event, code: code, message: messages[message], metric: cells[6] + " " + cells[7]}
				columns[column](t, e)
			})
		}
	}
}

// An eventCase is a row of the guide in one column.
type eventCase struct {
	event         event
	code, message string
	metric        string // ErrorType and ExceptionName
}

// env is one in which the event does not take long.
func (c eventCase) env(e *env) {
	if c.event == evTimedOut {
		brief(e)
	}
}

// brief is for tests of what takes a proxy too long.
func brief(e *env) { e.c.ProxyTimeout = time.Second }

// observed checks the last data point.
func (c eventCase) observed(e *env) {
	e.t.Helper()
	e.seen.mu.Lock()
	defer e.seen.mu.Unlock()
	last := e.seen.calls[len(e.seen.calls)-1]
	if got := last.ErrorType + " " + last.ExceptionName; got != c.metric {
		e.t.Errorf("the metric has %s, want %s", got, c.metric)
	}
}

// columns do an operation with a proxy that misbehaves, and check what comes.
var columns = map[string]func(t *testing.T, c eventCase){
	"Create": func(t *testing.T, c eventCase) {
		e := newEnv(t, c.env)
		f := newFakeProxy(t, e)
		in := f.request("one")
		provoked[c.event](e, f)
		_, err := e.Create(ctxOf("CreateCustomKeyStore"), alice, in)
		refusedWith(t, err, c.code, c.message)
		if n := e.stores.Len() + e.claims.Len(); n != 0 {
			t.Errorf("%d records are left behind", n)
		}
		if len(e.seen.calls) != 0 {
			t.Errorf("there are data points of no key store: %+v", e.seen.calls)
		}
	},
	"Update": func(t *testing.T, c eventCase) {
		e := newEnv(t, c.env)
		f := newFakeProxy(t, e)
		id := e.create(f.request("one"))
		before, _ := e.Get(id)
		provoked[c.event](e, f)
		_, err := e.Update(ctxOf("UpdateCustomKeyStore"), alice, &api.UpdateCustomKeyStoreRequest{
			CustomKeyStoreId: id, NewCustomKeyStoreName: "two", XksProxyUriPath: xks.BasePath})
		refusedWith(t, err, c.code, c.message)
		if after, _ := e.Get(id); after != before {
			t.Error("a failed update has changed the record")
		}
		c.observed(e)
	},
	"CreateKey": func(t *testing.T, c eventCase) {
		e, f, k := usable(t, c.env)
		provoked[c.event](e, f)
		_, err := e.prepare(k)
		refusedWith(t, err, c.code, c.message)
		c.observed(e)
	},
	"crypto": func(t *testing.T, c eventCase) {
		e, f, k := usable(t, c.env)
		blob, err := e.encrypt(k, "plaintext")
		if err != nil {
			t.Fatal(err)
		}
		provoked[c.event](e, f)
		_, err = e.decrypt(k, blob)
		refusedWith(t, err, c.code, c.message)
		c.observed(e)
		if c.event != evInner {
			_, err = e.encrypt(k, "plaintext")
			refusedWith(t, err, c.code, c.message)
			c.observed(e)
		}
		if d := e.describe(k.StoreID); d.ConnectionState != "CONNECTED" {
			t.Errorf("the failure has made the key store %s", d.ConnectionState)
		}
	},
	"connect": func(t *testing.T, c eventCase) {
		e := newEnv(t, c.env)
		connects(e, provoked[c.event], c.code)
		c.observed(e)
	},
}

// connects tries to connect to a proxy that misbehaves.
func connects(e *env, provoke func(*env, *fakeProxy), code string) {
	e.t.Helper()
	f := newFakeProxy(e.t, e)
	id := e.create(f.request("one"))
	provoke(e, f)
	e.connect(id)
	e.await(id, "FAILED")
	if got := e.describe(id).ConnectionErrorCode; got != code {
		e.t.Errorf("ConnectionErrorCode is %s, want %s", got, code)
	}
	e.disconnected(id)
	if got := e.describe(id).ConnectionErrorCode; got != "" {
		e.t.Errorf("DISCONNECTED shows the code %s", got) // contradiction 15
	}
}

// usable is a connected key store and a key in it.
func usable(t *testing.T, adjust ...func(*env)) (*env, *fakeProxy, *material.Key) {
	t.Helper()
	e := newEnv(t, adjust...)
	f := newFakeProxy(t, e)
	id := e.connected(e.create(f.request("one")))
	return e, f, e.key(id, "external-1")
}

func refusedWith(t *testing.T, err error, code, part string) {
	t.Helper()
	refused(t, err, code, "")
	if part == "" || !strings.Contains(err.Error(), part) {
		t.Errorf("got %v\nwant a message with %q", err, part)
	}
	if strings.Contains(err.Error(), "own words") {
		t.Error("the proxy's words reach the caller")
	}
}

func TestAProxyWithoutAServerNameOrPortIsNotReachable(t *testing.T) {
	e := newEnv(t, func(e *env) { e.c.Resolve = map[string]string{"gone.example.com": "127.0.0.1:1"} })
	in := (&fakeProxy{Server: newFakeProxy(t, e).Server}).request("one")
	for _, endpoint := range []string{"https://gone.example.com", "https://nowhere.invalid"} {
		in.XksProxyUriEndpoint = endpoint
		_, err := e.Create(ctxOf("CreateCustomKeyStore"), alice, in)
		refusedWith(t, err, "XksProxyUriUnreachableException", messages["M-06"])
	}
}
