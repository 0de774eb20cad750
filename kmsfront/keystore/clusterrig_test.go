package keystore

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"hyok/hsm"
	"hyok/internal/config"
	"hyok/internal/sigv4"
	"hyok/kmsfront/api"
	hsmcluster "hyok/proxy/cluster"
	"hyok/proxy/xks"
	"hyok/softhsm"
	"hyok/softhsm/softhsmtest"
)

const (
	clusterID     = "cluster-abcdefghijk"
	firstPassword = "kmsUser1"
)

// A realCluster is a simulated cluster around a SoftHSM token, served over TLS.
type realCluster struct {
	*httptest.Server
	t     *testing.T
	token *hsm.Token
	conf  hsmcluster.Config

	mu      sync.Mutex
	handler http.Handler
	rude    map[string]http.HandlerFunc // instead of answering, by operation; "*": all
	calls   map[string]int
}

// newCluster makes a cluster and tells e's configuration of it.
func newCluster(e *env, id string) *realCluster {
	t := e.t
	t.Helper()
	c := &realCluster{t: t, token: newToken(t), rude: map[string]http.HandlerFunc{}, calls: map[string]int{}}
	credential := sigv4.Credential{AccessKeyID: accessKey, Secret: secretKey}
	c.conf = hsmcluster.Config{
		ID: id, Token: c.token, TrustAnchor: e.kit.Authority.CertPEM(), Credentials: []sigv4.Credential{credential},
		Zones: []string{"us-east-1a", "us-east-1b"},
	}
	c.reconfigure(func(*hsmcluster.Config) {})
	c.Server = httptest.NewUnstartedServer(http.HandlerFunc(c.serve))
	c.Config.ErrorLog = log.New(io.Discard, "", 0)
	c.TLS = e.kit.ServerConfig(t)
	c.StartTLS()
	t.Cleanup(c.Server.Close)
	e.c.Clusters = append(e.c.Clusters, ClusterConfig{
		ID: id, Account: alice.Account, Region: alice.Region, Endpoint: c.URL, Credential: credential,
	})
	return c
}

// newToken opens, without a login, a token whose user PIN is firstPassword.
func newToken(t *testing.T) *hsm.Token {
	t.Helper()
	label := softhsmtest.Label(t)
	if err := softhsmtest.TestDir(t).InitToken(label, firstPassword, softhsmtest.SOPIN); err != nil {
		t.Fatal(err)
	}
	path, err := softhsm.Module()
	if err != nil {
		t.Fatal(err)
	}
	module, err := hsm.Load(hsm.ModuleConfig{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = module.Close() })
	token, err := module.Open(context.Background(), hsm.TokenConfig{Label: label, Wait: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// reconfigure starts the cluster anew around its token, which keeps its login.
func (c *realCluster) reconfigure(change func(*hsmcluster.Config)) {
	c.t.Helper()
	change(&c.conf)
	k, err := hsmcluster.New(c.conf)
	if err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handler = k.Handler()
}

func (c *realCluster) serve(w http.ResponseWriter, r *http.Request) {
	_, op, _ := strings.Cut(r.URL.Path, xks.ClusterVersion)
	c.mu.Lock()
	c.calls[op]++
	h := c.rude[op]
	if h == nil {
		h = c.rude["*"]
	}
	if h == nil {
		h = c.handler.ServeHTTP
	}
	c.mu.Unlock()
	h(w, r)
}

// misbehave lets h answer an operation, "*" for all; nil ends it.
func (c *realCluster) misbehave(operation string, h http.HandlerFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rude[operation] = h
}

// asked is how often an operation was asked for.
func (c *realCluster) asked(operation string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[operation]
}

// request asks for a key store of this cluster.
func (c *realCluster) request(name string) *api.CreateCustomKeyStoreRequest {
	return &api.CreateCustomKeyStoreRequest{
		CustomKeyStoreName: name, CloudHsmClusterId: c.conf.ID, KeyStorePassword: firstPassword,
		TrustAnchorCertificate: string(c.conf.TrustAnchor),
	}
}

// setPassword is what an administrator does with changePswd.
func (c *realCluster) setPassword(from, to string) {
	c.t.Helper()
	if err := c.token.SetPIN(context.Background(), config.Secret(from), config.Secret(to)); err != nil {
		c.t.Fatal(err)
	}
}

// clusterRefuses is an error answer of a cluster.
func clusterRefuses(name xks.ClusterErrorName) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(xks.ClusterErrorStatus[name])
		answers(xks.ClusterError{Name: name, Message: "the cluster's own words"})(w, r)
	}
}

// cut drops the connection; after says whether the operation is done before.
func (c *realCluster) cut(after bool) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		if after {
			c.mu.Lock()
			h := c.handler
			c.mu.Unlock()
			h.ServeHTTP(httptest.NewRecorder(), r)
		}
		panic(http.ErrAbortHandler)
	}
}

// withCluster is an env with one cluster.
func withCluster(t *testing.T) (*env, *realCluster) {
	t.Helper()
	var c *realCluster
	e := newEnv(t, func(e *env) { c = newCluster(e, clusterID) })
	return e, c
}
