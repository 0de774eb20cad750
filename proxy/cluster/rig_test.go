package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hyok/certs/certstest"
	"hyok/hsm"
	"hyok/internal/fault"
	"hyok/internal/sigv4"
	"hyok/proxy/cluster"
	"hyok/proxy/xks"
	"hyok/softhsm"
	"hyok/softhsm/softhsmtest"
)

const (
	id       = "cluster-abcdefghijk"
	password = "kmsUser1"
)

var credential = sigv4.Credential{AccessKeyID: "ABCDEFGHIJKLMNOPQRST", Secret: strings.Repeat("s", 43)}

// A rig is a cluster around a SoftHSM token, served over TLS, and its client.
type rig struct {
	*xks.ClusterClient
	server *httptest.Server
	http   *http.Client
	faults *fault.Set
	token  *hsm.Token
	log    *bytes.Buffer
}

func newRig(t testing.TB) *rig {
	t.Helper()
	return newRigWith(t, hsm.TokenConfig{Wait: 10 * time.Second})
}

func newRigWith(t testing.TB, token hsm.TokenConfig) *rig {
	t.Helper()
	r := &rig{faults: fault.New(nil), log: new(bytes.Buffer)}
	token.Faults = r.faults
	r.token = newToken(t, token)
	c, err := cluster.New(cluster.Config{
		ID: id, Token: r.token, TrustAnchor: []byte("anchor"), Zones: []string{"us-east-1a", "us-east-1b"},
		Credentials: []sigv4.Credential{credential}, Regions: []string{"us-east-1"},
		Log: slog.New(slog.NewTextHandler(r.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	kit := certstest.New(t)
	r.server = httptest.NewUnstartedServer(c.Handler())
	r.server.TLS = kit.ServerConfig(t)
	r.server.StartTLS()
	t.Cleanup(r.server.Close)
	r.ClusterClient, err = xks.NewClusterClient(xks.ClusterClientConfig{
		Endpoint: r.server.URL, ClusterID: id, Credential: credential, Region: "us-east-1", TLS: kit.ClientConfig(),
		Timeout: 20 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.ClusterClient.Close)
	r.http = &http.Client{Transport: &http.Transport{TLSClientConfig: kit.ClientConfig()}}
	t.Cleanup(r.http.CloseIdleConnections)
	return r
}

// newToken opens, without a login, a token whose user PIN is password.
func newToken(t testing.TB, c hsm.TokenConfig) *hsm.Token {
	t.Helper()
	c.Label = softhsmtest.Label(t)
	if err := softhsmtest.TestDir(t).InitToken(c.Label, password, softhsmtest.SOPIN); err != nil {
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
	t.Cleanup(func() {
		if err := module.Close(); err != nil {
			t.Error(err)
		}
	})
	token, err := module.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func connected(t testing.TB) *rig {
	t.Helper()
	r := newRig(t)
	if err := r.Connect(t.Context(), password, ""); err != nil {
		t.Fatal(err)
	}
	return r
}

// is checks that err is an error of the cluster with this name.
func is(t testing.TB, err error, name xks.ClusterErrorName) {
	t.Helper()
	var e *xks.ClusterError
	if !errors.As(err, &e) || e.Name != name {
		t.Errorf("got %v, want %s", err, name)
	}
}
