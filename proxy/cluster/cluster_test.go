package cluster_test

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hyok/hsm"
	"hyok/internal/sigv4"
	"hyok/proxy/cluster"
	"hyok/proxy/xks"
)

func TestDescribeNeedsNoLogin(t *testing.T) {
	r := newRig(t)
	got, err := r.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := &xks.ClusterDescription{ClusterID: id, State: "ACTIVE", TrustAnchor: "anchor", Certificate: id, HSMs: []xks.ClusterHSM{
		{ID: "hsm-aaaaaaaaaa2", Zone: "us-east-1a", State: "ACTIVE"}, {ID: "hsm-aaaaaaaaaa3", Zone: "us-east-1b", State: "ACTIVE"}},
		Subnets: []xks.ClusterSubnet{
			{ID: "subnet-00000000000000000", Zone: "us-east-1a"}, {ID: "subnet-00000000000000001", Zone: "us-east-1b"}},
		SecurityGroupOpen: true}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestConnectRotatesThePassword(t *testing.T) {
	r := newRig(t)
	const second, third = "secondPassword2", "thirdPassword3"
	for _, step := range []struct{ old, next string }{{password, second}, {second, third}, {third, ""}} {
		if err := r.Connect(t.Context(), step.old, step.next); err != nil {
			t.Fatalf("from %s: %v", step.old, err)
		}
		if err := r.Disconnect(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, old := range []string{password, second} {
		is(t, r.Connect(t.Context(), old, ""), xks.ClusterWrongPassword)
	}
	if err := r.Connect(t.Context(), third, ""); err != nil {
		t.Errorf("the last password does not log in: %v", err)
	}
}

func TestAWrongPasswordRotatesNothing(t *testing.T) {
	r := newRig(t)
	is(t, r.Connect(t.Context(), "wrongPassword", "nextPassword"), xks.ClusterWrongPassword)
	_, err := r.Random(t.Context(), 8)
	is(t, err, xks.ClusterNotLoggedIn)
	if err := r.Connect(t.Context(), password, ""); err != nil {
		t.Errorf("the right password no longer logs in: %v", err)
	}
}

func TestConnectWhileLoggedInLooksAtThePassword(t *testing.T) {
	r := connected(t)
	if err := r.Connect(t.Context(), password, ""); err != nil {
		t.Errorf("the same password again: %v", err)
	}
	is(t, r.Connect(t.Context(), "wrongPassword", ""), xks.ClusterWrongPassword)
	_, err := r.CreateKey(t.Context(), "k")
	is(t, err, xks.ClusterNotLoggedIn)
}

func TestAPasswordOutsideTheGuidesFormIsNotTried(t *testing.T) {
	r := newRig(t)
	for _, p := range []string{"", "short1", strings.Repeat("x", 33), "with space", "pässword"} {
		is(t, r.Connect(t.Context(), p, ""), xks.ClusterInvalidRequest)
		if p != "" {
			is(t, r.Connect(t.Context(), password, p), xks.ClusterInvalidRequest)
		}
	}
}

func TestTheLogHoldsNoSecrets(t *testing.T) {
	r := connected(t)
	secretText := rand.Text()
	if _, err := r.CreateKey(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	_, err := r.Encrypt(t.Context(), xks.ClusterEncryptRequest{Label: "k", Plaintext: []byte(secretText)})
	if err != nil {
		t.Fatal(err)
	}
	is(t, r.Connect(t.Context(), "wrongPassword", ""), xks.ClusterWrongPassword)
	for _, s := range []string{secretText, password, "wrongPassword"} {
		if strings.Contains(r.log.String(), s) {
			t.Errorf("the log tells %q", s)
		}
	}
	if !strings.Contains(r.log.String(), "operation=encrypt") || !strings.Contains(r.log.String(), "WrongPasswordException") {
		t.Errorf("the log does not tell what happened: %s", r.log)
	}
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	token := newToken(t, hsm.TokenConfig{})
	whole := cluster.Config{ID: id, Token: token, TrustAnchor: []byte("a"), Credentials: []sigv4.Credential{credential}}
	for want, spoil := range map[string]func(*cluster.Config){
		"an ID":                   func(c *cluster.Config) { c.ID = "" },
		"needs a token":           func(c *cluster.Config) { c.Token = nil },
		"trust anchor":            func(c *cluster.Config) { c.TrustAnchor = nil },
		"needs a credential":      func(c *cluster.Config) { c.Credentials = nil },
		"access key ID or secret": func(c *cluster.Config) { c.Credentials = []sigv4.Credential{{AccessKeyID: "A"}} },
	} {
		c := whole
		spoil(&c)
		if _, err := cluster.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a word on %q", err, want)
		}
	}
	if _, err := cluster.New(whole); err != nil {
		t.Error(err)
	}
}
