// Package cluster simulates the server side of AWS CloudHSM clusters that back
// custom key stores.
//
// A Cluster is an HTTP handler around one PKCS#11 token: the keys of the
// cluster are the token's, the crypto user kmsuser is the token's user, and its
// password the user PIN. A Fleet makes clusters at run time, a SoftHSM token
// each, with all that the key stores' procedures touch: HSMs in zones, subnets
// and a security group, users with lock-out, certificates, backups. Package
// cloudhsmv2 serves it as the CloudHSM v2 API; the front end reaches a cluster
// through a private API, whose requests are signed with SigV4: nothing is said
// of a cluster before the signature is verified.
//
// What befalls a cluster is a change of its Record, which is on the disk before
// it takes effect; a request for a key looks at one atomic pointer that says why
// it cannot be met.
//
// Limits: one token answers for all HSMs of a cluster, so that they never
// differ. All keys are kmsuser's. Network objects are names and counters, not a
// network.
package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"hyok/hsm"
	"hyok/internal/sigv4"
	"hyok/proxy/xks"
)

// Config configures a Cluster on its own. All fields without a stated zero are needed.
type Config struct {
	ID string // cluster-…
	// Token is opened without a PIN: Connect logs in. It holds nothing but the
	// cluster's keys.
	Token *hsm.Token
	// TrustAnchor is customerCA.crt, PEM.
	TrustAnchor []byte
	// Certificate stands for the cluster's certificate, which clusters that were
	// restored from one another's backups share (guide 004:18594-18596); empty:
	// the ID, no other cluster is related.
	Certificate string
	// State is the cluster's as the CloudHSM v2 API names it; empty: StateActive.
	State string
	// HSMs; nil: an active one in each of Zones.
	HSMs []HSM
	// Zones have a subnet each; they are used for HSMs when HSMs is nil.
	Zones []string
	// Credentials that may sign, at least one.
	Credentials []sigv4.Credential
	// Regions that may be in a signature; nil: any.
	Regions []string
	// Log gets one line a request at level Info; nil: nothing is logged.
	Log *slog.Logger
	// Now checks the dates of signatures; nil: time.Now.
	Now func() time.Time
}

// A Cluster is a simulated CloudHSM cluster.
type Cluster struct {
	f     *Fleet
	id    string
	gone  bool // there is no such cluster
	token *hsm.Token

	login sync.Mutex  // one login, logout or change of password at a time
	kms   atomic.Bool // it is KMS who is logged in as kmsuser

	tally  sync.RWMutex                     // held by who changes the token; by a backup alone
	refuse atomic.Pointer[xks.ClusterError] // why keys cannot be used; nil: they can
	limit  atomic.Int64                     // of sessions; negative: none
	inUse  atomic.Int64                     // sessions
}

// New checks c and makes a Cluster on its own, whose state lasts as long as the
// process. The token stays the caller's to close.
func New(c Config) (*Cluster, error) {
	switch {
	case c.ID == "":
		return nil, errors.New("a cluster needs an ID")
	case c.Token == nil:
		return nil, fmt.Errorf("cluster %s needs a token", c.ID)
	case len(c.TrustAnchor) == 0:
		return nil, fmt.Errorf("cluster %s needs a trust anchor certificate", c.ID)
	}
	f, err := newFleet(FleetConfig{Credentials: c.Credentials, Log: c.Log}, c.Regions, c.Now)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", c.ID, err)
	}
	k := newCluster(f, &Record{ID: c.ID}, c.Token)
	f.live[c.ID] = k
	return k, f.change(func(st *state) error { return c.place(st) })
}

// place puts the cluster that c describes into an empty state.
func (c *Config) place(st *state) error {
	r := &Record{
		ID: c.ID, State: cmp.Or(c.State, StateActive), Anchor: string(c.TrustAnchor),
		History: cmp.Or(c.Certificate, c.ID), Users: []User{{Name: KMSUser, Type: UserCU}},
		Group: Group{Name: groupName(c.ID), Ingress: true, Egress: true},
	}
	for i, zone := range c.Zones {
		s := &Subnet{ID: fmt.Sprintf("subnet-%017x", i), Zone: zone, Free: freeAddresses}
		st.Subnets[s.ID] = s
		r.Subnets = append(r.Subnets, s.ID)
		r.HSMs = append(r.HSMs, HSM{ID: fmt.Sprintf("hsm-%s%d", "aaaaaaaaaa", i+2), Zone: zone})
	}
	if c.HSMs != nil {
		r.HSMs = append([]HSM{}, c.HSMs...)
	}
	for i := range r.HSMs {
		r.HSMs[i].State = cmp.Or(r.HSMs[i].State, StateActive)
	}
	st.Clusters[r.ID] = r
	return nil
}

func newCluster(f *Fleet, r *Record, t *hsm.Token) *Cluster {
	c := &Cluster{f: f, id: r.ID, token: t}
	c.limit.Store(-1)
	c.kms.Store(t.LoggedIn())
	return c
}

// follow makes the cluster what its record says; the fleet's lock is held.
func (c *Cluster) follow(r *Record) {
	if r == nil {
		return
	}
	limit := int64(-1)
	if r.Limits.Sessions != nil {
		limit = int64(*r.Limits.Sessions)
	}
	c.limit.Store(limit)
	c.refuse.Store(r.refusal())
}

// refusal is why the keys of a cluster cannot be used (custom-key-stores CH-17);
// the first row that holds counts.
func (r *Record) refusal() *xks.ClusterError {
	u := r.user(KMSUser)
	for _, row := range []struct {
		holds   bool
		name    xks.ClusterErrorName
		message string
	}{
		{!r.Group.Ingress || !r.Group.Egress, xks.ClusterUnavailable, "the security group lets nothing pass"},
		{r.activeHSMs() == 0, xks.ClusterNoHSM, "no HSM is active"},
		{u == nil, xks.ClusterUserNotFound, "there is no user kmsuser"},
		{u != nil && u.Locked, xks.ClusterLockedOut, "kmsuser is locked out"},
		{r.Limits.Busy, xks.ClusterBusy, "the cluster is busy"},
	} {
		if row.holds {
			return &xks.ClusterError{Name: row.name, Message: row.message}
		}
	}
	return nil
}

// Handler serves xks.ClusterPathPrefix + ID + xks.ClusterVersion and what is below.
func (c *Cluster) Handler() http.Handler { return http.HandlerFunc(c.serve) }
