package kmsfront

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hyok/certs/certstest"
	"hyok/hsm"
	"hyok/internal/sigv4"
	"hyok/kmsfront/api"
	"hyok/kmsfront/keystore"
	hsmcluster "hyok/proxy/cluster"
	"hyok/proxy/xks"
	"hyok/softhsm"
	"hyok/softhsm/softhsmtest"
)

// guideLife is custom-key-stores §3 with the key's state from §9, as callers see
// it: each operation in each connection state, for a key store with one key.
// CKSISE is CustomKeyStoreInvalidStateException, KISE KMSInvalidStateException with
// M-01, HasKeys CustomKeyStoreHasCMKsException. Contradiction 1: the name of a CHS
// (Edit) can change while CONNECTED; 5: connecting what is connected or connecting
// does nothing; 15: the code is there in FAILED only. The operations are tried in this
// order, but what leaves the state comes last.
const guideLife = `
state          type Connect Disconnect Edit   Reconfigure Delete  CreateKey Random Crypto Code KeyState
DISCONNECTED   XKS  ok      CKSISE     ok     ok          HasKeys CKSISE    Unsup  KISE   no   Unavailable
DISCONNECTED   CHS  ok      CKSISE     ok     ok          HasKeys CKSISE    CKSISE KISE   no   Unavailable
CONNECTING     XKS  noop    ok         CKSISE CKSISE      CKSISE  CKSISE    Unsup  KISE   no   Unavailable
CONNECTING     CHS  noop    ok         CKSISE CKSISE      CKSISE  CKSISE    CKSISE KISE   no   Unavailable
CONNECTED      XKS  noop    ok         ok     CKSISE      CKSISE  ok        Unsup  ok     no   Enabled
CONNECTED      CHS  noop    ok         ok     CKSISE      CKSISE  ok        ok     ok     no   Enabled
DISCONNECTING  XKS  CKSISE  CKSISE     CKSISE CKSISE      CKSISE  CKSISE    Unsup  KISE   no   Unavailable
DISCONNECTING  CHS  CKSISE  CKSISE     CKSISE CKSISE      CKSISE  CKSISE    CKSISE KISE   no   Unavailable
FAILED         XKS  CKSISE  ok         ok     CKSISE      CKSISE  CKSISE    Unsup  KISE   yes  Unavailable
FAILED         CHS  CKSISE  ok         CKSISE CKSISE      CKSISE  CKSISE    CKSISE KISE   yes  Unavailable
`

const lifeDelay = 20 * time.Minute

// A life is a key store with one key that can be brought into each state.
type life struct {
	*kit
	seen        *states
	id, key     string
	createKey   string
	spoil, mend func() // lets connecting fail, and ends that
	members     map[string][]string
}

func newLife(t *testing.T, kind string) *life {
	t.Helper()
	tls := certstest.New(t)
	l := &life{seen: &states{Observer: keystore.Observers{}, changed: make(chan string, 100), throttled: make(chan string, 100)}}
	c := keystore.Config{
		AllowEndpointPort: true, Roots: tls.Authority.Pool(), ProxyTimeout: 10 * time.Second, HealthInterval: -1,
		ConnectDelay: lifeDelay, Observer: l.seen,
	}
	var create string
	if kind == "XKS" {
		create = l.external(t, tls)
	} else {
		create = l.cluster(t, tls, &c)
	}
	l.kit = newKitWith(t, quotasOff, c)
	l.id = ok[api.CreateCustomKeyStoreResponse](l.kit, "CreateCustomKeyStore", create).CustomKeyStoreId
	l.seen.await(t, "DISCONNECTED")
	l.reach("CONNECTED")
	l.createKey = strings.ReplaceAll(l.createKey, "ID", l.id)
	l.key = ok[api.CreateKeyResponse](l.kit, "CreateKey", strings.ReplaceAll(l.createKey, "XKSKEY", "external-1")).KeyMetadata.KeyId
	l.must(l.do("Disconnect"))
	l.pass("DISCONNECTED")
	return l
}

func (l *life) external(t *testing.T, tls *certstest.Kit) (create string) {
	p := newXksProxy(t, tls)
	l.spoil, l.mend = func() { p.misbehave(refuses(xks.AccessDeniedException)) }, func() { p.misbehave(nil) }
	x := &externalKit{proxy: p}
	l.createKey = body("Origin", "EXTERNAL_KEY_STORE", "CustomKeyStoreId", "ID", "XksKeyId", "XKSKEY")
	credential := map[string]string{"AccessKeyId": "ABCDEFGHIJKLMNOPQRST", "RawSecretAccessKey": strings.Repeat("t", 43)}
	endpoint := "https://localhost" + p.URL[strings.LastIndexByte(p.URL, ':'):]
	l.members = map[string][]string{
		"Edit": {body("CustomKeyStoreId", "ID", "NewCustomKeyStoreName", "two"), body("CustomKeyStoreId", "ID", "XksProxyUriPath", "/two"+xks.BasePath),
			body("CustomKeyStoreId", "ID", "XksProxyAuthenticationCredential", credential)},
		"Reconfigure": {body("CustomKeyStoreId", "ID", "XksProxyUriEndpoint", endpoint),
			body("CustomKeyStoreId", "ID", "XksProxyConnectivity", "PUBLIC_ENDPOINT", "XksProxyUriEndpoint", endpoint),
			body("CustomKeyStoreId", "ID", "XksProxyUriEndpoint", endpoint, "NewCustomKeyStoreName", "three")},
	}
	return x.creates("one")
}

func (l *life) cluster(t *testing.T, tls *certstest.Kit, c *keystore.Config) (create string) {
	const id, password = "cluster-abcdefghijk", "kmsUser1"
	credential := sigv4.Credential{AccessKeyID: "ABCDEFGHIJKLMNOPQRST", Secret: strings.Repeat("s", 43)}
	conf := hsmcluster.Config{ID: id, Token: newToken(t, password), TrustAnchor: tls.Authority.CertPEM(),
		Credentials: []sigv4.Credential{credential}, Zones: []string{"us-east-1a", "us-east-1b"}}
	k, err := hsmcluster.New(conf)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(k.Handler())
	server.TLS = tls.ServerConfig(t)
	server.StartTLS()
	t.Cleanup(server.Close)
	c.Clusters = []keystore.ClusterConfig{{ID: id, Account: testAccount, Region: testRegion, Endpoint: server.URL, Credential: credential}}
	wrong := func(password string) func() {
		return func() {
			ok[api.UpdateCustomKeyStoreResponse](l.kit, "UpdateCustomKeyStore", body("CustomKeyStoreId", l.id, "KeyStorePassword", password))
		}
	}
	l.spoil, l.mend = wrong("wrong12345"), func() {}
	l.createKey = body("Origin", "AWS_CLOUDHSM", "CustomKeyStoreId", "ID")
	l.members = map[string][]string{
		"Edit": {body("CustomKeyStoreId", "ID", "NewCustomKeyStoreName", "two")},
		"Reconfigure": {body("CustomKeyStoreId", "ID", "KeyStorePassword", "another123"), body("CustomKeyStoreId", "ID", "CloudHsmClusterId", id),
			body("CustomKeyStoreId", "ID", "KeyStorePassword", "another123", "NewCustomKeyStoreName", "three")},
	}
	return body("CustomKeyStoreName", "one", "CloudHsmClusterId", id, "KeyStorePassword", password, "TrustAnchorCertificate", string(conf.TrustAnchor))
}

func newToken(t *testing.T, password string) *hsm.Token {
	t.Helper()
	label := softhsmtest.Label(t)
	path, err := softhsm.Module()
	err = errors.Join(err, softhsmtest.TestDir(t).InitToken(label, password, softhsmtest.SOPIN))
	if err != nil {
		t.Fatal(err)
	}
	module, err := hsm.Load(hsm.ModuleConfig{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = module.Close() })
	token, err := module.Open(t.Context(), hsm.TokenConfig{Label: label, Wait: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// reach brings the key store from DISCONNECTED into a state.
func (l *life) reach(state string) {
	l.t.Helper()
	switch state {
	case "CONNECTING":
		l.must(l.do("Connect"))
		l.seen.await(l.t.(*testing.T), state)
	case "CONNECTED":
		l.reach("CONNECTING")
		l.pass(state)
	case "DISCONNECTING":
		l.reach("CONNECTED")
		l.must(l.do("Disconnect"))
	case "FAILED":
		l.spoil()
		l.reach("CONNECTING")
		l.must(l.clock.Advance(lifeDelay))
		l.seen.failed(l.t.(*testing.T))
		l.mend()
	}
}

// pass lets the delay pass.
func (l *life) pass(state string) {
	l.t.Helper()
	l.must(l.clock.Advance(lifeDelay))
	l.seen.await(l.t.(*testing.T), state)
}

// failed waits for FAILED with any code.
func (s *states) failed(t *testing.T) {
	t.Helper()
	for limit := time.After(20 * time.Second); ; {
		select {
		case got := <-s.changed:
			if strings.HasPrefix(got, "FAILED ") {
				return
			}
		case <-limit:
			t.Fatal("waited for FAILED in vain")
		}
	}
}

func (l *life) described() *api.CustomKeyStoresListEntry {
	l.t.Helper()
	return ok[api.DescribeCustomKeyStoresResponse](l.kit, "DescribeCustomKeyStores", body("CustomKeyStoreId", l.id)).CustomKeyStores[0]
}

// do tries a use; of those with several members, all.
func (l *life) do(use string) error {
	l.t.Helper()
	store := body("CustomKeyStoreId", l.id)
	var err error
	switch use {
	case "Connect", "Disconnect", "Delete":
		_, err = l.call(use+"CustomKeyStore", store)
	case "CreateKey":
		_, err = l.call(use, strings.ReplaceAll(l.createKey, "XKSKEY", "external-2"))
	case "Random":
		_, err = l.call("GenerateRandom", body("CustomKeyStoreId", l.id, "NumberOfBytes", 8))
	case "Crypto":
		_, err = l.call("Encrypt", body("KeyId", l.key, "Plaintext", "c2VjcmV0"))
	default:
		for _, in := range l.members[use] {
			_, one := l.call("UpdateCustomKeyStore", strings.ReplaceAll(in, "ID\"", l.id+"\""))
			if message(one) != message(err) && err != nil {
				l.t.Errorf("%s: %v, another member: %v", in, one, err)
			}
			err = one
		}
	}
	return err
}

func TestEachOperationInEachConnectionState(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(guideLife), "\n")
	names := strings.Fields(lines[0])
	for _, line := range lines[1:] {
		cells := strings.Fields(line)
		t.Run(cells[0]+"/"+cells[1], func(t *testing.T) {
			l := newLife(t, cells[1])
			l.reach(cells[0])
			l.checkKey(cells[0], cells[10], cells[11])
			last := ""
			for i, use := range names[2:10] {
				if (use == "Connect" || use == "Disconnect") && cells[2+i] == "ok" {
					last = use
					continue
				}
				l.try(use, cells[2+i], cells[0])
			}
			if last != "" {
				l.try(last, "ok", map[string]string{"Connect": "CONNECTING", "Disconnect": "DISCONNECTING"}[last])
			}
		})
	}
}

// checkKey checks what is shown of key store and key.
func (l *life) checkKey(state, code, keyState string) {
	l.t.Helper()
	d := l.described()
	if d.ConnectionState != state || (d.ConnectionErrorCode != "") != (code == "yes") {
		l.t.Errorf("the key store is %s with the code %q", d.ConnectionState, d.ConnectionErrorCode)
	}
	if got := l.keyState(l.key); got != keyState {
		l.t.Errorf("the key is %s, want %s", got, keyState)
	}
}

// try does a use and checks how it ends, and the state afterwards.
func (l *life) try(use, want, state string) {
	l.t.Helper()
	err := l.do(use)
	code := map[string]string{
		"CKSISE": "CustomKeyStoreInvalidStateException: ", "HasKeys": "CustomKeyStoreHasCMKsException: ", "Unsup": "UnsupportedOperationException: ",
		"KISE": "KMSInvalidStateException: " + l.arn(l.key) + " is unavailable. You cannot perform this operation on an unavailable KMS key.",
	}[want]
	if got := message(err); !strings.HasPrefix(got, code) || (err == nil) != (code == "") {
		l.t.Errorf("%s: got %q, want %s %s", use, got, want, code)
	}
	if got := l.described().ConnectionState; got != state {
		l.t.Errorf("%s: the state afterwards is %s, want %s", use, got, state)
	}
}
