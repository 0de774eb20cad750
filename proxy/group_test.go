package proxy_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/pkcs11"

	"hyok/hsm"
	"hyok/internal/fault"
	"hyok/proxy"
	"hyok/proxy/xks"
	"hyok/softhsm/softhsmtest"
)

// A groupRig is a rig whose store works on a group of two tokens, which both
// have the key shared. The rig's own faults are the first token's.
type groupRig struct {
	*rig
	second *rig        // its token and faults only
	config proxy.Store // as it was at first
	client *xks.Client
}

func newGroupRig(t *testing.T) *groupRig {
	t.Helper()
	g := &groupRig{second: &rig{faults: fault.New(nil)}}
	g.second.openToken(t)
	value := make([]byte, 32)
	rand.Read(value)
	g.rig = newRig(t, func(c *proxy.Config) {
		st := &c.Stores[0]
		group, err := hsm.NewGroup(st.Token.Members()[0].Token, g.second.token)
		if err != nil {
			t.Fatal(err)
		}
		st.Token, st.Keys, st.Deadline = group, map[string]proxy.Key{"shared": {}}, time.Second
		c.Tokens = map[string]*hsm.Token{"first": st.Token.Members()[0].Token, "second": g.second.token}
		for _, token := range c.Tokens {
			token.Health(soon(t)) // logs in again after the other token was opened
			(&rig{label: token.Info().Label}).importKey(t, "shared", value)
		}
		g.config = *st
	})
	g.client = g.rig.client(t, short)
	return g
}

// importKey puts a key of this value on the rig's token.
func (r *rig) importKey(t testing.TB, label string, value []byte) {
	t.Helper()
	r.raw(t, func(p *pkcs11.Ctx, session pkcs11.SessionHandle) error {
		_, err := p.CreateObject(session, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
			pkcs11.NewAttribute(pkcs11.CKA_LABEL, label), pkcs11.NewAttribute(pkcs11.CKA_VALUE, value),
			pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
			pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true), pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, true)})
		return err
	})
}

// takeAway renames the token's directory.
func (r *rig) takeAway(t *testing.T) (bringBack func()) {
	t.Helper()
	path, err := r.dir.TokenPath(r.label)
	if err != nil {
		t.Fatal(err)
	}
	away := filepath.Join(t.TempDir(), "away")
	if err := os.Rename(path, away); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := os.Rename(away, path); err != nil {
			t.Fatal(err)
		}
	}
}

// health gives the status of the two members over the wire.
func (g *groupRig) health(t *testing.T) string {
	t.Helper()
	got, err := g.client.GetHealthStatus(soon(t), &xks.GetHealthStatusRequest{
		RequestMetadata: xks.RequestMetadata{KMSOperation: "KmsHealthCheck", KMSRequestID: "1"}})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, d := range got.EkmFleetDetails {
		all = append(all, d.HealthStatus)
	}
	return strings.Join(all, " ")
}

// untilHealth waits until the members have this status.
func (g *groupRig) untilHealth(t *testing.T, want string) {
	t.Helper()
	limit, tick := time.After(10*time.Second), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for {
		got := g.health(t)
		if got == want {
			return
		}
		select {
		case <-limit:
			t.Fatalf("the members are %s, want %s", got, want)
		case <-tick.C:
		}
	}
}

var callersMetadata = xks.RequestMetadata{
	AWSPrincipalArn: "arn:aws:iam::123456789012:user/Alice", KMSOperation: "Encrypt", KMSRequestID: "4112f4d6-db54-4af4-ae30-c55a22a8dfae",
	KMSKeyArn: "arn:aws:kms:us-east-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"}

// use encrypts, with the integrity value, and decrypts.
func (g *groupRig) use(ctx context.Context) error {
	sealed, err := g.client.Encrypt(ctx, "shared", &xks.EncryptRequest{RequestMetadata: callersMetadata, Plaintext: []byte("text"),
		EncryptionAlgorithm: xks.AlgorithmAESGCM, CiphertextDataIntegrityValueAlgorithm: xks.AlgorithmSHA256})
	if err != nil {
		return err
	}
	opened, err := g.client.Decrypt(ctx, "shared", &xks.DecryptRequest{RequestMetadata: callersMetadata, EncryptionAlgorithm: xks.AlgorithmAESGCM,
		Ciphertext: sealed.Ciphertext, CiphertextMetadata: sealed.CiphertextMetadata, InitializationVector: sealed.InitializationVector,
		AuthenticationTag: sealed.AuthenticationTag})
	if err == nil && string(opened.Plaintext) != "text" {
		return errors.New("another plaintext came back")
	}
	return err
}

// XKS fact 69.
func TestHealthTellsOfEachMember(t *testing.T) {
	g := newGroupRig(t)
	got, err := g.client.GetHealthStatus(soon(t), &xks.GetHealthStatusRequest{
		RequestMetadata: xks.RequestMetadata{KMSOperation: "KmsHealthCheck", KMSRequestID: "1"}})
	if err != nil {
		t.Fatal(err)
	}
	want := []xks.EKMFleetDetail{
		{ID: g.token.Info().Serial, Model: "SoftHSM v2", HealthStatus: xks.HealthActive},
		{ID: g.second.token.Info().Serial, Model: "SoftHSM v2", HealthStatus: xks.HealthActive},
	}
	if diff := cmp.Diff(want, got.EkmFleetDetails); diff != "" || got.EkmVendor != "SoftHSM project" {
		t.Errorf("vendor %q, details %s", got.EkmVendor, diff)
	}
}

// TestAStoreOutlivesAMember has each member fail under load, over the wire: no
// request fails, and KMS is told which one it is.
func TestAStoreOutlivesAMember(t *testing.T) {
	for _, c := range []struct {
		name   string
		fail   func(t *testing.T, g *groupRig) (mend func())
		health string // meanwhile
	}{
		{"the first is removed", func(t *testing.T, g *groupRig) func() { return g.takeAway(t) }, "UNAVAILABLE ACTIVE"},
		{"the second fails", func(t *testing.T, g *groupRig) func() {
			_, err := g.second.faults.Add(fault.Rule{At: fault.HSM, Error: "CKR_DEVICE_ERROR"})
			if err != nil {
				t.Fatal(err)
			}
			return func() { g.second.faults.Clear() }
		}, "ACTIVE UNAVAILABLE"},
		{"the second does not encrypt", func(t *testing.T, g *groupRig) func() {
			_, err := g.second.faults.Add(fault.Rule{At: fault.HSM, Op: "Encrypt", Error: "CKR_DEVICE_ERROR"})
			if err != nil {
				t.Fatal(err)
			}
			return func() { g.second.faults.Clear() }
		}, "ACTIVE DEGRADED"},
		{"the first hangs", func(t *testing.T, g *groupRig) func() {
			_, err := g.faults.Add(fault.Rule{At: fault.HSM, Latency: 2 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			return func() { g.faults.Clear() }
		}, "DEGRADED ACTIVE"},
		{"the second is logged out", func(t *testing.T, g *groupRig) func() {
			if err := g.second.token.Logout(soon(t)); err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := g.second.token.Login(soon(t), softhsmtest.PIN); err != nil {
					t.Fatal(err)
				}
			}
		}, "ACTIVE DEGRADED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGroupRig(t)
			g.untilHealth(t, "ACTIVE ACTIVE")
			stop, end := context.WithCancel(context.Background())
			var load sync.WaitGroup
			for range 4 {
				load.Go(func() {
					for stop.Err() == nil {
						if err := g.use(context.Background()); err != nil {
							t.Error(err)
						}
					}
				})
			}
			mend := c.fail(t, g)
			g.untilHealth(t, c.health)
			mend()
			g.untilHealth(t, "ACTIVE ACTIVE")
			end()
			load.Wait()
			if why := g.server.Unready(); why != "" {
				t.Errorf("the proxy wants no requests: %s", why)
			}
		})
	}
}

func TestAStoreIsAwayWhenAllMembersAre(t *testing.T) {
	g := newGroupRig(t)
	for _, r := range []*rig{g.rig, g.second} {
		if _, err := r.faults.Add(fault.Rule{At: fault.HSM, Error: "CKR_DEVICE_ERROR"}); err != nil {
			t.Fatal(err)
		}
	}
	var told *xks.Error
	if err := g.use(soon(t)); !errors.As(err, &told) || told.Name != xks.InternalException {
		t.Errorf("got %v", err)
	}
	g.untilHealth(t, "UNAVAILABLE UNAVAILABLE")
	if g.server.Unready() == "" {
		t.Error("the proxy wants requests")
	}
	g.faults.Clear()
	g.second.faults.Clear()
	g.untilHealth(t, "ACTIVE ACTIVE")
	if err := g.use(soon(t)); err != nil {
		t.Error(err)
	}
}

// A member that lacks a key of the store is degraded; one that has more keys, or
// lacks one that the store does not use, is not.
func TestAMemberWithoutAKeyIsDegraded(t *testing.T) {
	g := newGroupRig(t)
	g.second.makeKey(t, "more", 32, true, true)
	g.untilHealth(t, "ACTIVE ACTIVE")
	stores := []proxy.Store{g.store("shared", "more")}
	if err := g.server.SetStores(stores); err != nil {
		t.Fatal(err)
	}
	g.untilHealth(t, "DEGRADED ACTIVE")
	if log := g.log.String(); !strings.Contains(log, "the tokens of a group are not alike") || !strings.Contains(log, `"token":"first","label":"more"`) {
		t.Errorf("the log says %s", log)
	}
	if err := g.server.SetStores([]proxy.Store{g.store("shared")}); err != nil {
		t.Fatal(err)
	}
	g.untilHealth(t, "ACTIVE ACTIVE")
}

// store is the rig's store with these keys.
func (g *groupRig) store(keys ...string) proxy.Store {
	st := g.config
	st.Keys = make(map[string]proxy.Key)
	for _, k := range keys {
		st.Keys[k] = proxy.Key{}
	}
	return st
}
