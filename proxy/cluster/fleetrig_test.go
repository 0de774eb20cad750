package cluster_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hyok/certs/certstest"
	"hyok/hsm"
	"hyok/internal/clock"
	"hyok/internal/sigv4"
	"hyok/proxy/cluster"
	"hyok/proxy/xks"
	"hyok/softhsm"
	"hyok/softhsm/softhsmtest"
)

var owner = cluster.Owner{Account: "111122223333", Region: "us-east-1"}

// A fleetRig is a fleet served over TLS.
type fleetRig struct {
	*cluster.Fleet
	t      *testing.T
	kit    *certstest.Kit
	clock  *clock.Movable
	conf   cluster.FleetConfig
	server *httptest.Server
}

func newFleetRig(t *testing.T, delay time.Duration) *fleetRig {
	t.Helper()
	tokens := softhsmtest.TestDir(t) // before the module looks at it
	path, err := softhsm.Module()
	must(t, err)
	module, err := hsm.Load(hsm.ModuleConfig{Path: path})
	must(t, err)
	r := &fleetRig{t: t, kit: certstest.New(t), clock: &clock.Movable{}}
	r.conf = cluster.FleetConfig{
		Dir: t.TempDir(), Tokens: tokens, Module: module, SecurityPIN: softhsmtest.SOPIN,
		Credentials: []sigv4.Credential{credential}, Delay: delay, Clock: r.clock,
		Token: hsm.TokenConfig{Wait: 10 * time.Second},
	}
	t.Cleanup(func() {
		r.Close()
		if err := module.Close(); err != nil {
			t.Error(err)
		}
	})
	r.open()
	return r
}

func (r *fleetRig) open() {
	r.t.Helper()
	f, err := cluster.OpenFleet(r.t.Context(), r.conf)
	must(r.t, err)
	r.Fleet = f
	r.server = httptest.NewUnstartedServer(f.Handler())
	r.server.TLS = r.kit.ServerConfig(r.t)
	r.server.StartTLS()
	r.t.Cleanup(r.server.Close)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused wants a refusal of that kind whose message has these words.
func refused(t testing.TB, err error, kind cluster.Kind, words string) {
	t.Helper()
	var e *cluster.Error
	if !errors.As(err, &e) || e.Kind != kind || !strings.Contains(e.Message, words) {
		t.Errorf("got %v, want a refusal with %q", err, words)
	}
}

// client calls a cluster of the fleet as the front end does.
func (r *fleetRig) client(id string) *xks.ClusterClient {
	r.t.Helper()
	c, err := xks.NewClusterClient(xks.ClusterClientConfig{
		Endpoint: r.server.URL, ClusterID: id, Credential: credential, Region: "us-east-1",
		TLS: r.kit.ClientConfig(), Timeout: 20 * time.Second,
	})
	must(r.t, err)
	r.t.Cleanup(c.Close)
	return c
}

func (r *fleetRig) subnets(n int) []string {
	r.t.Helper()
	all, err := r.Subnets(owner)
	must(r.t, err)
	var ids []string
	for _, s := range all[:n] {
		ids = append(ids, s.ID)
	}
	return ids
}

func (r *fleetRig) create() *cluster.Record {
	r.t.Helper()
	c, err := r.Create(r.t.Context(), owner, cluster.NewCluster{Subnets: r.subnets(2), HSMType: "hsm1.medium"})
	must(r.t, err)
	return c
}

func (r *fleetRig) record(id string) *cluster.Record {
	r.t.Helper()
	c, err := r.Cluster(id)
	must(r.t, err)
	return c
}

// sign does what the owner of a cluster does with openssl: it signs the cluster's
// request with a CA of its own.
func sign(t testing.TB, csr string, kit *certstest.Kit, now time.Time) string {
	t.Helper()
	cert, err := kit.Authority.SignRequest([]byte(csr), now)
	must(t, err)
	return string(cert)
}

// active makes a cluster that is active, with two HSMs and kmsuser.
func (r *fleetRig) active() string {
	r.t.Helper()
	c := r.create()
	_, err := r.Initialize(owner, c.ID, sign(r.t, c.CSR, r.kit, time.Now()), string(r.kit.Authority.CertPEM()))
	must(r.t, err)
	for _, z := range []string{"us-east-1a", "us-east-1b"} {
		_, err := r.AddHSM(owner, c.ID, z, "")
		must(r.t, err)
	}
	must(r.t, r.CreateUser(r.t.Context(), c.ID, cluster.User{Name: cluster.KMSUser, Type: cluster.UserCU}, password))
	if s := r.record(c.ID).State; s != cluster.StateActive {
		r.t.Fatalf("the cluster is %s", s)
	}
	return c.ID
}
