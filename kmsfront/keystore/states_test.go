package keystore

import (
	"strings"
	"testing"
	"time"

	"hyok/kmsfront/api"
	"hyok/proxy/xks"
)

// guideStates is §3 of custom-key-stores once more, in words: what each use comes
// to in each state. CKSISE and KISE are CustomKeyStoreInvalidStateException and
// KMSInvalidStateException.
const guideStates = `
state          type Connect Disconnect Edit   Reconfigure Delete CreateKey Random Crypto code
DISCONNECTED   XKS  ok      CKSISE     ok     ok          ok     CKSISE    -      KISE   no
DISCONNECTED   CHS  ok      CKSISE     ok     ok          ok     CKSISE    CKSISE KISE   no
CONNECTING     XKS  noop    ok         CKSISE CKSISE      CKSISE CKSISE    -      KISE   no
CONNECTING     CHS  noop    ok         CKSISE CKSISE      CKSISE CKSISE    CKSISE KISE   no
CONNECTED      XKS  noop    ok         ok     CKSISE      CKSISE ok        -      ok     no
CONNECTED      CHS  noop    ok         ok     CKSISE      CKSISE ok        ok     ok     no
DISCONNECTING  XKS  CKSISE  CKSISE     CKSISE CKSISE      CKSISE CKSISE    -      KISE   no
DISCONNECTING  CHS  CKSISE  CKSISE     CKSISE CKSISE      CKSISE CKSISE    CKSISE KISE   no
FAILED         XKS  CKSISE  ok         ok     CKSISE      CKSISE CKSISE    -      KISE   yes
FAILED         CHS  CKSISE  ok         CKSISE CKSISE      CKSISE CKSISE    CKSISE KISE   yes
`

// long is a delay that keeps a transient state until the clock is moved.
const long = 20 * time.Minute

// A subject is a key store that can be put into each state.
type subject struct {
	*env
	id      string
	storage func(name string) *api.CreateCustomKeyStoreRequest
	spoil   func() // lets the next connection fail
}

func newSubject(t *testing.T, kind string) *subject {
	t.Helper()
	s := &subject{}
	if kind == "XKS" {
		s.env = newEnv(t, func(e *env) { e.c.ConnectDelay = long })
		f := newFakeProxy(t, s.env)
		s.storage = f.request
		s.spoil = func() { f.misbehave("*", refuses(xks.InternalException)) }
	} else {
		s.env = newEnv(t, func(e *env) {
			e.c.ConnectDelay = long
			c := newCluster(e, clusterID)
			s.storage = c.request
			s.spoil = func() { c.misbehave(xks.ClusterOpConnect, clusterRefuses(xks.ClusterWrongPassword)) }
		})
	}
	s.id = s.create(s.storage("one"))
	return s
}

// reach puts the key store into a state, along the edges that there are.
func (s *subject) reach(state string) {
	s.t.Helper()
	switch state {
	case "CONNECTING":
		s.connect(s.id)
	case "CONNECTED":
		s.reach("CONNECTING")
		s.passed(s.id, state)
	case "FAILED":
		s.spoil()
		s.reach("CONNECTING")
		s.passed(s.id, state)
	case "DISCONNECTING":
		s.reach("CONNECTED")
		s.disconnect(s.id)
	}
	if got := s.describe(s.id).ConnectionState; got != state {
		s.t.Fatalf("the state is %s, not %s", got, state)
	}
}

// uses of a key store, and the state that each ends in when it goes on ("": as before).
var usesOf = []struct {
	name, next string
	do         func(s *subject, kind string) error
}{
	{"Connect", "CONNECTING", func(s *subject, _ string) error {
		_, err := s.Connect(ctxOf("ConnectCustomKeyStore"), alice, &api.ConnectCustomKeyStoreRequest{CustomKeyStoreId: s.id})
		return err
	}},
	{"Disconnect", "DISCONNECTING", func(s *subject, _ string) error {
		_, err := s.Disconnect(ctxOf("DisconnectCustomKeyStore"), alice, &api.DisconnectCustomKeyStoreRequest{CustomKeyStoreId: s.id})
		return err
	}},
	{"Edit", "", func(s *subject, _ string) error {
		return s.update(&api.UpdateCustomKeyStoreRequest{CustomKeyStoreId: s.id, NewCustomKeyStoreName: "two"})
	}},
	{"Reconfigure", "", func(s *subject, kind string) error {
		in := &api.UpdateCustomKeyStoreRequest{CustomKeyStoreId: s.id, KeyStorePassword: "another1"}
		if kind == "XKS" {
			in = &api.UpdateCustomKeyStoreRequest{CustomKeyStoreId: s.id, XksProxyUriEndpoint: s.describe(s.id).XksProxyConfiguration.UriEndpoint}
		}
		in.NewCustomKeyStoreName = "two" // a member of the other kind does not save the request
		return s.update(in)
	}},
	{"Delete", "gone", func(s *subject, _ string) error { return s.delete(s.id) }},
	{"CreateKey", "", func(s *subject, kind string) error {
		_, err := s.prepare(s.key(s.id, map[string]string{"XKS": "external-1"}[kind]))
		return err
	}},
	{"Random", "", func(s *subject, _ string) error {
		_, err := s.Random(s.t.Context(), alice, s.id, 8)
		return err
	}},
	{"Crypto", "", func(s *subject, kind string) error {
		_, err := s.encrypt(s.key(s.id, map[string]string{"XKS": "external-1"}[kind]), "p")
		if kind == "CHS" && err != nil && strings.Contains(err.Error(), msgMaterialGone) {
			return nil // it got as far as the cluster, where this test made no key
		}
		return err
	}},
}

func TestEachUseInEachConnectionState(t *testing.T) {
	for _, line := range strings.Split(strings.TrimSpace(guideStates), "\n")[1:] {
		cells := strings.Fields(line)
		t.Run(cells[0]+"/"+cells[1], func(t *testing.T) {
			t.Parallel()
			walk(t, cells)
		})
	}
}

// walk tries all uses in one state of one type. Those that leave it get a key
// store of their own.
func walk(t *testing.T, cells []string) {
	state, kind := cells[0], cells[1]
	shared := newSubject(t, kind)
	shared.reach(state)
	if got := shared.describe(shared.id).ConnectionErrorCode; (got != "") != (cells[10] == "yes") {
		t.Errorf("Describe shows the code %q", got)
	}
	for i, u := range usesOf {
		want := cells[2+i]
		if want == "-" {
			continue // GenerateRandom knows no external key stores
		}
		t.Run(u.name, func(t *testing.T) {
			s := shared
			if want == "ok" && u.next != "" {
				s = newSubject(t, kind)
				s.reach(state)
			}
			checkUse(t, s, u.do(s, kind), state, want, u.next)
		})
	}
}

func checkUse(t *testing.T, s *subject, err error, state, want, next string) {
	t.Helper()
	switch want {
	case "CKSISE":
		refused(t, err, "CustomKeyStoreInvalidStateException", "")
	case "KISE":
		refused(t, err, "KMSInvalidStateException", "")
		if !strings.HasSuffix(err.Error(), " is unavailable. You cannot perform this operation on an unavailable KMS key.") {
			t.Errorf("the message is not M-01: %v", err)
		}
	default:
		if err != nil {
			t.Fatal(err)
		}
	}
	if next == "" || want != "ok" {
		next = state
	}
	if r, ok := s.Get(s.id); ok && r.State != next || ok == (next == "gone") {
		t.Errorf("the state afterwards is %+v, want %s", r, next)
	}
}

func TestTheStateTableHasOneRowAState(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range stateTable {
		seen[r.state] = true
	}
	if len(seen) != 5 || len(stateTable) != 5 {
		t.Errorf("the table has %d rows for %d states", len(stateTable), len(seen))
	}
	if v := verdictOf("NO_SUCH_STATE", useDelete); v != bars {
		t.Errorf("an unknown state gives %d", v)
	}
}

// Disconnecting while connecting must win, whether the step has begun or not.

func TestDisconnectBeforeTheConnectingStepBegins(t *testing.T) {
	s := newSubject(t, "XKS")
	s.reach("CONNECTING")
	s.disconnect(s.id)
	s.passed(s.id, "DISCONNECTED")
	for _, h := range s.seen.history {
		if strings.HasPrefix(h, "CONNECTED") || strings.HasPrefix(h, "FAILED") {
			t.Errorf("the states were %v", s.seen.history)
		}
	}
}

func TestDisconnectDuringTheConnectingStepOfACluster(t *testing.T) {
	e, c := withCluster(t)
	id := e.create(c.request("one"))
	begun, goOn := make(chan struct{}), make(chan struct{})
	h := c.handler
	c.misbehave(xks.ClusterOpConnect, hold(begun, goOn, h.ServeHTTP))
	e.connect(id)
	<-begun
	e.disconnect(id)
	close(goOn)
	e.await(id, "DISCONNECTED")
	if c.token.LoggedIn() {
		t.Error("kmsuser stays logged in")
	}
	c.misbehave(xks.ClusterOpConnect, nil)
	e.connected(id) // with the password that the overtaken step has set
	if r, _ := e.Get(id); r.Cluster.Next != "" {
		t.Error("a password stays pending")
	}
}

func TestRequestsUnderWayEndWellWhenTheKeyStoreIsDisconnected(t *testing.T) {
	e, f, k := usable(t)
	begun, goOn := make(chan struct{}), make(chan struct{})
	f.misbehave(xks.OpEncrypt, hold(begun, goOn, refuses(xks.ThrottlingException)))
	done := make(chan error)
	go func() {
		_, err := e.encrypt(k, "p")
		done <- err
	}()
	<-begun
	e.disconnect(k.StoreID)
	_, err := e.encrypt(k, "p")
	refused(t, err, "KMSInvalidStateException", "")
	close(goOn)
	refused(t, <-done, "KMSInvalidStateException", msgThrottled)
	e.await(k.StoreID, "DISCONNECTED")
}
