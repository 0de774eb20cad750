package keystore

import (
	"strings"
	"testing"

	"hyok/certs"
	"hyok/kmsfront/api"
	hsmcluster "hyok/proxy/cluster"
	"hyok/proxy/xks"
)

func certsLeaf(names ...string) certs.Leaf { return certs.Leaf{DNSNames: names} }

var (
	otherKey    = "TSRQPONMLKJIHGFEDCBA"
	otherSecret = strings.Repeat("Z", 43)
)

func newCredential() *api.XksProxyAuthenticationCredentialType {
	return &api.XksProxyAuthenticationCredentialType{AccessKeyId: otherKey, RawSecretAccessKey: otherSecret}
}

func TestACredentialIsRotatedWithoutAnOutage(t *testing.T) { // guide 004:20251-20255, 21110
	e, f, k := usable(t)
	in := updateOf(k.StoreID)
	in.XksProxyAuthenticationCredential = newCredential()
	refused(t, e.update(in), "XksProxyIncorrectAuthenticationCredentialException", "") // first the proxy must know it
	e.roundTrip(k)
	f.change(func() { f.creds[otherKey] = otherSecret })
	if err := e.update(in); err != nil {
		t.Fatal(err)
	}
	e.roundTrip(k)
	f.change(func() { delete(f.creds, accessKey) })
	e.roundTrip(k)
	if d := e.describe(k.StoreID); d.XksProxyConfiguration.AccessKeyId != otherKey || d.ConnectionState != "CONNECTED" {
		t.Errorf("the key store is %+v", d)
	}
	e.restart()
	e.roundTrip(k)
}

func TestTheClientThatWasTriedIsTheOneInUse(t *testing.T) {
	e, f, k := usable(t)
	in := updateOf(k.StoreID)
	in.XksProxyUriPath = "/moved" + xks.BasePath
	f.change(func() { f.path = "/moved" + xks.BasePath })
	if err := e.update(in); err != nil {
		t.Fatal(err)
	}
	if l, _ := e.links.Load(k.StoreID); l.(*link).spare != nil {
		t.Error("the client that was tried is still waiting")
	}
	e.roundTrip(k)
	calls := f.asked(xks.OpGetHealthStatus)
	if got := calls[len(calls)-1].metadata["kmsOperation"]; got != "UpdateCustomKeyStore" {
		t.Errorf("the proxy was asked on behalf of %s", got)
	}
}

func TestARenameAsksNoProxy(t *testing.T) {
	e, f, k := usable(t)
	before := len(f.asked(xks.OpGetHealthStatus))
	f.misbehave(xks.OpGetHealthStatus, refuses(xks.InternalException))
	in := updateOf(k.StoreID)
	in.NewCustomKeyStoreName = "two"
	if err := e.update(in); err != nil {
		t.Fatal(err)
	}
	if got := e.describe(k.StoreID).CustomKeyStoreName; got != "two" {
		t.Errorf("the name is %s", got)
	}
	if n := len(f.asked(xks.OpGetHealthStatus)); n != before {
		t.Errorf("the proxy was asked %d times", n-before)
	}
	e.roundTrip(k)
	f.misbehave(xks.OpGetHealthStatus, nil)
	other := f.request("one") // the old name is free, the URI is not
	_, err := e.Create(ctxOf("CreateCustomKeyStore"), alice, other)
	refused(t, err, "XksProxyUriInUseException", "")
}

func TestUpdateRefuses(t *testing.T) {
	type in = api.UpdateCustomKeyStoreRequest
	e, c := withCluster(t)
	f := newFakeProxy(t, e)
	external, hsm := e.create(f.request("external")), e.create(c.request("hsm"))
	for rule, u := range map[string]struct {
		id    string
		spoil func(*in)
		code  string
	}{
		"an unknown key store":             {"cks-00000000000000000", func(r *in) { r.NewCustomKeyStoreName = "x" }, "CustomKeyStoreNotFoundException"},
		"the other type's name":            {external, func(r *in) { r.NewCustomKeyStoreName = "hsm" }, "CustomKeyStoreNameInUseException"}, // contradiction 8
		"a password of an external store":  {external, func(r *in) { r.KeyStorePassword = "password1" }, "ValidationException"},
		"a cluster of an external store":   {external, func(r *in) { r.CloudHsmClusterId = clusterID }, "ValidationException"},
		"a proxy of a cluster's store":     {hsm, func(r *in) { r.XksProxyUriPath = xks.BasePath }, "ValidationException"},
		"connectivity without an endpoint": {external, func(r *in) { r.XksProxyConnectivity = "PUBLIC_ENDPOINT" }, "ValidationException"},
		"an endpoint with a path":          {external, func(r *in) { r.XksProxyUriEndpoint = "https://a.example/x" }, "ValidationException"},
		"another version":                  {external, func(r *in) { r.XksProxyUriPath = "/kms/xks/v2" }, "ValidationException"},
		"a service for a public endpoint":  {external, func(r *in) { r.XksProxyVpcEndpointServiceName = "com.amazonaws.vpce.us-east-1.vpce-svc-1" }, "ValidationException"},
		"a VPC endpoint service that does not exist": {external, func(r *in) {
			r.XksProxyConnectivity, r.XksProxyUriEndpoint = "VPC_ENDPOINT_SERVICE", "https://a.example"
			r.XksProxyVpcEndpointServiceName = "com.amazonaws.vpce.us-east-1.vpce-svc-1"
		}, "XksProxyVpcEndpointServiceNotFoundException"},
		"VPC connectivity without a service": {external, func(r *in) {
			r.XksProxyConnectivity, r.XksProxyUriEndpoint = "VPC_ENDPOINT_SERVICE", "https://a.example"
		}, "ValidationException"},
		"a password with a space": {hsm, func(r *in) { r.KeyStorePassword = "pass word" }, "ValidationException"},
		"an unknown cluster":      {hsm, func(r *in) { r.CloudHsmClusterId = "cluster-zzzzzzzzzzz" }, "CloudHsmClusterNotFoundException"},
	} {
		t.Run(rule, func(t *testing.T) {
			before, _ := e.Get(u.id)
			r := updateOf(u.id)
			u.spoil(r)
			refused(t, e.update(r), u.code, "")
			if after, _ := e.Get(u.id); after != before {
				t.Error("the record was changed")
			}
		})
	}
}

func TestAKeyStoreMovesToARelatedClusterOnly(t *testing.T) { // guide 004:18585, 18781-18785
	var c, relative, stranger *realCluster
	e := newEnv(t, func(e *env) {
		c, relative, stranger = newCluster(e, clusterID), newCluster(e, "cluster-relative234"), newCluster(e, "cluster-stranger234")
		for _, k := range []*realCluster{c, relative} {
			k.reconfigure(func(conf *hsmcluster.Config) { conf.Certificate = "one history" })
		}
	})
	id := e.create(c.request("one"))
	in := updateOf(id)
	in.CloudHsmClusterId = stranger.conf.ID
	refused(t, e.update(in), "CloudHsmClusterNotRelatedException", "")
	in.CloudHsmClusterId = relative.conf.ID
	relative.reconfigure(func(conf *hsmcluster.Config) { conf.Zones = conf.Zones[:1] })
	refused(t, e.update(in), "CloudHsmClusterInvalidConfigurationException", "")
	relative.reconfigure(func(conf *hsmcluster.Config) { conf.Zones = []string{"a", "b"} })
	if err := e.update(in); err != nil {
		t.Fatal(err)
	}
	e.connected(id)
	if !relative.token.LoggedIn() || c.token.LoggedIn() {
		t.Error("the key store is not connected to its new cluster")
	}
	if got := e.describe(id).CloudHsmClusterId; got != relative.conf.ID {
		t.Errorf("the cluster is %s", got)
	}
}

func TestAnUpdateThatWasOvertakenIsCheckedAgain(t *testing.T) {
	e := newEnv(t)
	f := newFakeProxy(t, e)
	id := e.create(f.request("one"))
	begun, goOn := make(chan struct{}, 1), make(chan struct{})
	f.misbehave(xks.OpGetHealthStatus, hold(begun, goOn, answers(health(xks.HealthActive))))
	done := make(chan error)
	go func() {
		in := updateOf(id)
		in.XksProxyUriEndpoint = f.endpoint() // needs the state DISCONNECTED
		done <- e.update(in)
	}()
	<-begun
	f.misbehave(xks.OpGetHealthStatus, nil)
	e.connected(id)
	close(goOn)
	refused(t, <-done, "CustomKeyStoreInvalidStateException", "")
}
