// Package cluster simulates the server side of an AWS CloudHSM cluster that
// backs a custom key store.
//
// A Cluster is an HTTP handler around one PKCS#11 token: the keys of the
// cluster are the token's, the crypto user kmsuser is the token's user, and its
// password the user PIN. The cluster's HSMs and zones are only told, not
// played: one token answers for all of them. Every request is signed with
// SigV4, and nothing is said of the cluster before the signature is verified.
//
// Not simulated: further users, the lock-out after wrong passwords beyond what
// the token does by itself, subnets and security groups, and backups.
package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"hyok/hsm"
	"hyok/internal/sigv4"
	"hyok/proxy/xks"
)

// HSM is one HSM of a cluster.
type HSM struct {
	ID    string // hsm-…
	Zone  string // Availability Zone
	State string // empty: xks.HSMStateActive
}

// Config configures a Cluster. All fields without a stated zero are needed.
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
	// State is the cluster's as the CloudHSM v2 API names it; empty: xks.ClusterStateActive.
	State string
	// HSMs; nil: an active one in each of Zones.
	HSMs []HSM
	// Zones are used when HSMs is nil.
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
	description xks.ClusterDescription
	token       *hsm.Token
	verifier    *sigv4.Verifier
	log         *slog.Logger
	now         func() time.Time

	login sync.Mutex // one login, logout or change of password at a time
}

// New checks c and makes a Cluster. The token stays the caller's to close.
func New(c Config) (*Cluster, error) {
	switch {
	case c.ID == "":
		return nil, errors.New("a cluster needs an ID")
	case c.Token == nil:
		return nil, fmt.Errorf("cluster %s needs a token", c.ID)
	case len(c.TrustAnchor) == 0:
		return nil, fmt.Errorf("cluster %s needs a trust anchor certificate", c.ID)
	case len(c.Credentials) == 0:
		return nil, fmt.Errorf("cluster %s needs a credential", c.ID)
	}
	secrets := make(map[string]string, len(c.Credentials))
	for _, cred := range c.Credentials {
		if cred.AccessKeyID == "" || cred.Secret == "" {
			return nil, fmt.Errorf("cluster %s has a credential without access key ID or secret", c.ID)
		}
		secrets[cred.AccessKeyID] = cred.Secret
	}
	k := &Cluster{
		description: describe(c),
		token:       c.Token,
		log:         c.Log,
		now:         c.Now,
		verifier: sigv4.NewVerifier(sigv4.VerifierConfig{
			Service: xks.Service, Regions: c.Regions, RawPath: true,
			Lookup: func(id string) (string, bool) { s, ok := secrets[id]; return s, ok },
		}),
	}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	if k.now == nil {
		k.now = time.Now
	}
	return k, nil
}

func describe(c Config) xks.ClusterDescription {
	d := xks.ClusterDescription{
		ClusterID:   c.ID,
		State:       cmp.Or(c.State, xks.ClusterStateActive),
		TrustAnchor: string(c.TrustAnchor),
		Certificate: cmp.Or(c.Certificate, c.ID),
		HSMs:        []xks.ClusterHSM{},
	}
	hsms := c.HSMs
	if hsms == nil {
		for i, zone := range c.Zones {
			hsms = append(hsms, HSM{ID: fmt.Sprintf("hsm-%s%d", "aaaaaaaaaa", i+2), Zone: zone})
		}
	}
	for _, h := range hsms {
		d.HSMs = append(d.HSMs, xks.ClusterHSM{ID: h.ID, Zone: h.Zone, State: cmp.Or(h.State, xks.HSMStateActive)})
	}
	return d
}

// Handler serves xks.ClusterPathPrefix + ID + xks.ClusterVersion and what is below.
func (c *Cluster) Handler() http.Handler { return http.HandlerFunc(c.serve) }
