package keystore

import (
	"testing"

	"hyok/kmsfront/api"
	"hyok/proxy/xks"
)

// Of two faults in one request the first in this order counts: existence, type,
// connection state, uniqueness and quota, what is behind (custom-key-stores §2).
func TestTheOrderOfChecks(t *testing.T) {
	type in = api.UpdateCustomKeyStoreRequest
	e, _ := withCluster(t)
	f := newFakeProxy(t, e)
	f.change(func() { f.path = "" })
	id := e.connected(e.create(f.request("one")))
	other := f.request("other")
	other.XksProxyUriPath = "/other" + xks.BasePath
	idle := e.create(other)
	asked := len(f.asked(xks.OpGetHealthStatus))
	f.misbehave("*", refuses(xks.InternalException))
	for _, c := range []struct {
		rule, id string
		faults   func(*in)
		want     string
	}{
		{"an unknown key store, then a member of the other type", "cks-00000000000000000", func(r *in) { r.KeyStorePassword = "password1" }, "CustomKeyStoreNotFoundException"},
		{"a member of the other type, then the state", id, func(r *in) { r.KeyStorePassword, r.XksProxyUriEndpoint = "password1", f.endpoint() }, "ValidationException"},
		{"the state, then the name", id, func(r *in) { r.XksProxyUriEndpoint, r.NewCustomKeyStoreName = f.endpoint(), "other" }, "CustomKeyStoreInvalidStateException"},
		{"the name, then the proxy", id, func(r *in) { r.NewCustomKeyStoreName, r.XksProxyUriPath = "other", "/x"+xks.BasePath }, "CustomKeyStoreNameInUseException"},
		{"the URI, then the proxy", id, func(r *in) { r.XksProxyUriPath = other.XksProxyUriPath }, "XksProxyUriInUseException"},
		{"the VPC endpoint service, then the proxy", idle, func(r *in) {
			r.XksProxyConnectivity, r.XksProxyUriEndpoint = "VPC_ENDPOINT_SERVICE", "https://"+privateName
			r.XksProxyVpcEndpointServiceName = serviceID
		}, "XksProxyVpcEndpointServiceNotFoundException"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			before, _ := e.Get(c.id)
			r := updateOf(c.id)
			c.faults(r)
			refused(t, e.update(r), c.want, "")
			if after, _ := e.Get(c.id); after != before {
				t.Error("the record was changed")
			}
		})
	}
	e.Manager.c.MaxStores = 2
	third := f.request("one") // the name, before quota and proxy
	_, err := e.Create(ctxOf("CreateCustomKeyStore"), alice, third)
	refused(t, err, "CustomKeyStoreNameInUseException", "")
	third.CustomKeyStoreName, third.XksProxyUriPath = "three", "/three"+xks.BasePath
	_, err = e.Create(ctxOf("CreateCustomKeyStore"), alice, third)
	refused(t, err, "LimitExceededException", "")
	if n := len(f.asked(xks.OpGetHealthStatus)) - asked; n != 0 {
		t.Errorf("the proxy was asked %d times", n)
	}
}

// FAILED outlives a restart with its code, and nothing is tried again (guide 004:21697).
func TestAFailedKeyStoreComesBackFailed(t *testing.T) {
	for _, kind := range []string{"XKS", "CHS"} {
		t.Run(kind, func(t *testing.T) {
			s := newSubject(t, kind)
			s.reach("FAILED")
			code := s.describe(s.id).ConnectionErrorCode
			s.restart()
			if err := s.clock.Advance(10 * long); err != nil {
				t.Fatal(err)
			}
			if d := s.describe(s.id); d.ConnectionState != "FAILED" || d.ConnectionErrorCode != code || code == "" {
				t.Errorf("after the restart: %s %s, before: %s", d.ConnectionState, d.ConnectionErrorCode, code)
			}
			s.disconnect(s.id)
			s.passed(s.id, "DISCONNECTED")
		})
	}
}
