package keystore

import (
	"testing"

	"hyok/proxy/xks"
)

func TestAnExternalKeyStoreFromCreateToDelete(t *testing.T) {
	e := newEnv(t)
	f := newFakeProxy(t, e)
	id := e.create(f.request("one"))
	if d := e.describe(id); d.ConnectionState != "DISCONNECTED" || d.XksProxyConfiguration.UriEndpoint != f.endpoint() {
		t.Errorf("a new key store is %+v", d)
	}
	e.connected(id)
	k := e.key(id, "external-1")
	if _, err := e.prepare(k); err != nil {
		t.Fatal(err)
	}
	e.roundTrip(k)
	e.disconnected(id)
	if err := e.delete(id); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Backend(id); err == nil {
		t.Error("a deleted key store has a backend")
	}
	for op, want := range map[string]int{xks.OpGetHealthStatus: 2, xks.OpGetKeyMetadata: 1, xks.OpEncrypt: 1, xks.OpDecrypt: 1} {
		if got := len(f.asked(op)); got != want {
			t.Errorf("the proxy was asked for %s %d times, want %d", op, got, want)
		}
	}
}
