package keystore

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hyok/hsm"
	"hyok/internal/fault"
	"hyok/internal/sigv4"
	"hyok/kmsfront/material"
	"hyok/proxy"
	hsmcluster "hyok/proxy/cluster"
	"hyok/proxy/policy"
	"hyok/proxy/xks"
)

// A road is everything there is: two SoftHSM tokens behind the real proxy, which
// serves an external key store under /tenant and a cluster, and the Manager that
// reaches both over one listener.
type road struct {
	*env
	keys   *hsm.Token // of the external keys
	proxy  *proxy.Server
	faults *fault.Set // of the proxy and the device
	net    *fault.Set // of the Manager's way to them
	server *httptest.Server
}

const (
	tenant  = "/tenant"
	guarded = "/guarded" // by a policy of the key's owner
)

func decryptOnly(t *testing.T) *policy.Set {
	t.Helper()
	set, err := policy.Load("../../proxy/policy/examples/decrypt-only.cedar", guarded)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func newRoad(t *testing.T) *road {
	t.Helper()
	r := &road{faults: fault.New(nil), net: fault.New(nil)}
	r.env = newEnv(t, func(e *env) {
		r.keys = newToken(t)
		if err := r.keys.Login(t.Context(), firstPassword); err != nil {
			t.Fatal(err)
		}
		c, err := hsmcluster.New(hsmcluster.Config{
			ID: clusterID, Token: newToken(t), TrustAnchor: e.kit.Authority.CertPEM(), Zones: []string{"a", "b"},
			Credentials: []sigv4.Credential{{AccessKeyID: accessKey, Secret: secretKey}},
		})
		if err != nil {
			t.Fatal(err)
		}
		r.proxy, err = proxy.New(context.Background(), proxy.Config{
			Stores: []proxy.Store{{
				PathPrefix: tenant, Token: r.keys, RateLimit: -1,
				Credentials: []sigv4.Credential{{AccessKeyID: accessKey, Secret: secretKey}},
			}, {
				PathPrefix: guarded, Token: r.keys, RateLimit: -1, Policy: decryptOnly(t),
				Credentials: []sigv4.Credential{{AccessKeyID: accessKey, Secret: secretKey}},
			}},
			Clusters: []proxy.Cluster{{ID: clusterID, Handler: c.Handler()}}, Faults: r.faults,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.proxy.Close() })
		r.server = httptest.NewUnstartedServer(r.proxy.Handler())
		r.server.Config.ErrorLog = log.New(io.Discard, "", 0)
		r.server.TLS = e.kit.ServerConfig(t)
		r.server.StartTLS()
		t.Cleanup(r.server.Close)
		e.c.ProxyTimeout = time.Second
		e.c.Faults = r.net
		e.c.Clusters = []ClusterConfig{{ID: clusterID, Account: alice.Account, Region: alice.Region, Endpoint: r.server.URL,
			Credential: sigv4.Credential{AccessKeyID: accessKey, Secret: secretKey}}}
	})
	return r
}

// stores makes and connects an external key store and a cluster's.
func (r *road) stores() (external, hsm string) {
	r.t.Helper()
	in := (&fakeProxy{Server: r.server}).request("external")
	in.XksProxyUriPath = tenant + xks.BasePath
	external = r.connected(r.create(in))
	c := &realCluster{conf: hsmcluster.Config{ID: clusterID, TrustAnchor: r.kit.Authority.CertPEM()}}
	return external, r.connected(r.create(c.request("hsm")))
}

// steady tries something again while the machine is too slow for 250 ms.
func (r *road) steady(do func() error) error {
	for deadline := time.Now().Add(patience); ; {
		err := do()
		if err == nil || !strings.Contains(err.Error(), msgTimedOut) || time.Now().After(deadline) {
			return err
		}
	}
}

func (r *road) try(k *material.Key) error {
	return r.steady(func() error {
		blob, err := r.encrypt(k, "plaintext")
		if err != nil {
			return err
		}
		got, err := r.decrypt(k, blob)
		if err == nil && got != "plaintext" {
			err = fmt.Errorf("got %q", got)
		}
		return err
	})
}

func TestBothKindsOfKeyStoreOnTheRealRoad(t *testing.T) {
	r := newRoad(t)
	external, hsm := r.stores()
	if _, err := r.keys.CreateKey(t.Context(), "external-1"); err != nil {
		t.Fatal(err)
	}
	keys := []*material.Key{r.key(external, "external-1"), r.key(hsm, "")}
	for _, k := range keys {
		if err := r.steady(func() error { _, err := r.prepare(k); return err }); err != nil {
			t.Fatal(err)
		}
		if err := r.try(k); err != nil {
			t.Fatal(err)
		}
	}
	r.restart()
	for _, k := range keys {
		if err := r.try(k); err != nil {
			t.Errorf("after a restart: %v", err)
		}
	}
}

func TestWhatHappensToAnExternalKeyOnTheRealRoad(t *testing.T) {
	r := newRoad(t)
	external, _ := r.stores()
	_, err := r.prepare(r.key(external, "nowhere"))
	refused(t, err, "XksKeyNotFoundException", msgKeyNotFound)
	if _, err := r.keys.CreateKey(t.Context(), "external-1"); err != nil {
		t.Fatal(err)
	}
	k := r.key(external, "external-1")
	if err := r.try(k); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		rule        string
		spoil, mend func() error
		message     string
	}{
		{"disabled", func() error { return r.keys.SetEnabled(t.Context(), "external-1", false) },
			func() error { return r.keys.SetEnabled(t.Context(), "external-1", true) }, msgKeyDisabled},
		{"the proxy throttles", r.fault(r.faults, fault.Rule{At: fault.Proxy, Op: "*", Error: "ThrottlingException"}), r.clear(r.faults), msgThrottled},
		{"the proxy is slow", r.fault(r.faults, fault.Rule{At: fault.Proxy, Op: "*", Latency: 2 * time.Second}), r.clear(r.faults), msgTimedOut},
		{"the proxy cuts the connection", r.fault(r.faults, fault.Rule{At: fault.Proxy, Op: "*", Reset: true}), r.clear(r.faults), msgUnreachable},
		{"the device fails", r.fault(r.faults, fault.Rule{At: fault.Proxy, Op: "*", Error: "InternalException"}), r.clear(r.faults), msgInternal},
		{"the network cuts", r.fault(r.net, fault.Rule{At: fault.Network, Op: "*", Reset: true}), r.clear(r.net), msgUnreachable},
		{"the network swallows", r.fault(r.net, fault.Rule{At: fault.Network, Op: "*", Blackhole: true}), r.clear(r.net), msgUnreachable},
		{"deleted", func() error { return r.keys.DeleteKey(t.Context(), "external-1") }, nil, msgKeyNotFound},
	} {
		t.Run(c.rule, func(t *testing.T) {
			if err := c.spoil(); err != nil {
				t.Fatal(err)
			}
			_, err := r.encrypt(k, "p")
			refused(t, err, "KMSInvalidStateException", c.message)
			if c.mend == nil {
				return
			}
			if err := c.mend(); err != nil {
				t.Fatal(err)
			}
			if err := r.try(k); err != nil {
				t.Errorf("it does not recover: %v", err)
			}
		})
	}
	calls := r.seen.calls
	for _, c := range calls {
		if c.Latency > 2*r.c.ProxyTimeout {
			t.Errorf("%+v", c)
		}
	}
}

// What the owner's policy refuses is M-10; the health check is not asked about,
// so that the key store connects (guide 004:20417-20442, 22909-22929).
func TestAPolicyOfTheKeysOwnerOnTheRealRoad(t *testing.T) {
	r := newRoad(t)
	in := (&fakeProxy{Server: r.server}).request("external")
	in.XksProxyUriPath = guarded + xks.BasePath
	id := r.connected(r.create(in))
	if _, err := r.keys.CreateKey(t.Context(), "external-1"); err != nil {
		t.Fatal(err)
	}
	k := r.key(id, "external-1")
	_, err := r.encrypt(k, "p")
	refused(t, err, "KMSInvalidStateException", msgAccessDenied)
	last := r.seen.calls[len(r.seen.calls)-1]
	if last.ErrorType != "Non-retryable" || last.ExceptionName != "AccessDeniedException" {
		t.Errorf("the metric has %+v", last)
	}
}

func (r *road) fault(set *fault.Set, rule fault.Rule) func() error {
	return func() error { _, err := set.Add(rule); return err }
}

func (r *road) clear(set *fault.Set) func() error {
	return func() error { set.Clear(); return nil }
}

func TestAFaultyNetworkToTheClusterOnTheRealRoad(t *testing.T) {
	r := newRoad(t)
	_, hsm := r.stores()
	k := r.key(hsm, "")
	if _, err := r.prepare(k); err != nil {
		t.Fatal(err)
	}
	if _, err := r.net.Add(fault.Rule{At: fault.Network, Op: "Encrypt", Reset: true}); err != nil {
		t.Fatal(err)
	}
	_, err := r.encrypt(k, "p")
	refused(t, err, "KMSInvalidStateException", msgClusterNetwork)
	r.net.Clear()
	if err := r.try(k); err != nil {
		t.Errorf("it does not recover: %v", err)
	}
}
