package keystore

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync"
	"sync/atomic"

	"hyok/certs"
	"hyok/kmsfront/api"
	"hyok/kmsfront/material"
	"hyok/proxy/xks"
)

// cluster is a simulated CloudHSM cluster that key stores can be made of.
type cluster struct {
	ClusterConfig
	client *xks.ClusterClient
}

func (m *Manager) openClusters() (map[string]*cluster, error) {
	all := make(map[string]*cluster, len(m.c.Clusters))
	for _, c := range m.c.Clusters {
		if all[c.ID] != nil {
			return nil, fmt.Errorf("the cluster %s is configured twice", c.ID)
		}
		opened, err := m.openCluster(c)
		if err != nil {
			return nil, err
		}
		all[c.ID] = opened
	}
	if m.c.Fleet != nil {
		trial := *m.c.Fleet
		trial.ID, trial.Region = "cluster-any", "any"
		opened, err := m.openCluster(trial)
		if err != nil {
			return nil, err
		}
		opened.client.Close()
	}
	return all, nil
}

func (m *Manager) openCluster(c ClusterConfig) (*cluster, error) {
	client, err := xks.NewClusterClient(xks.ClusterClientConfig{
		Endpoint: c.Endpoint, ClusterID: c.ID, Credential: c.Credential, Region: c.Region,
		TLS: certs.ClientConfig(m.c.Roots), Resolve: m.c.Resolve, Faults: m.c.Faults,
	})
	if err != nil {
		return nil, fmt.Errorf("opening the client of cluster %s: %w", c.ID, err)
	}
	return &cluster{c, client}, nil
}

// clusterOf gives a cluster of the owner's account and Region; nil: none. That
// one of the fleet exists, and is the owner's, is found out by describing it.
func (m *Manager) clusterOf(o Owner, id string) *cluster {
	c := m.clusters[id]
	switch {
	case c == nil:
		return m.ofFleet(o, id)
	case c.Account != o.Account || c.Region != o.Region:
		return nil
	}
	return c
}

// clusterIDForm keeps IDs of clusters to what can stand in a path.
var clusterIDForm = regexp.MustCompile(`^cluster-[0-9A-Za-z]{1,40}$`)

// ofFleet gives the cluster of the fleet with this ID, as o sees it.
func (m *Manager) ofFleet(o Owner, id string) *cluster {
	if m.c.Fleet == nil || !clusterIDForm.MatchString(id) {
		return nil
	}
	key := o.key() + "/" + id
	if c, ok := m.fleet.Load(key); ok {
		return c.(*cluster)
	}
	c, err := m.openCluster(ClusterConfig{
		ID: id, Account: o.Account, Region: o.Region, Endpoint: m.c.Fleet.Endpoint, Credential: m.c.Fleet.Credential,
	})
	if err != nil { // which New would have met
		return nil
	}
	kept, twin := m.fleet.LoadOrStore(key, c)
	if twin {
		c.client.Close()
	}
	return kept.(*cluster)
}

// forget lets go of a cluster of the fleet that does not exist.
func (m *Manager) forget(c *cluster) {
	if m.fleet.CompareAndDelete(Owner{c.Account, c.Region}.key()+"/"+c.ID, c) {
		c.client.Close()
	}
}

// describe asks the cluster about itself. One that belongs to others does not exist.
func (c *cluster) describe(ctx context.Context) (*xks.ClusterDescription, error) {
	d, err := c.client.Describe(ctx)
	if err == nil && d.Account != "" && (d.Account != c.Account || d.Region != c.Region) {
		return nil, &xks.ClusterError{Name: xks.ClusterNotFound, Message: "the cluster is another owner's"}
	}
	return d, err
}

// activeHSMs counts a cluster's active HSMs and the zones that they are in.
func activeHSMs(d *xks.ClusterDescription) (hsms, zones int) {
	seen := map[string]bool{}
	for _, h := range d.HSMs {
		if h.State == xks.HSMStateActive {
			hsms++
			seen[h.Zone] = true
		}
	}
	return hsms, len(seen)
}

// inspect describes a cluster and checks what Create, Update and CreateKey want
// of it: active, with two active HSMs in different zones (custom-key-stores CH-07).
func (c *cluster) inspect(ctx context.Context) (*xks.ClusterDescription, error) {
	d, err := c.describe(ctx)
	if err != nil {
		return nil, err
	}
	if d.State != xks.ClusterStateActive {
		return nil, api.Errorf(api.CodeCloudHsmClusterNotActiveException, msgClusterState, c.ID, d.State)
	}
	if hsms, zones := activeHSMs(d); hsms < 2 || zones < 2 {
		return nil, api.Errorf(api.CodeCloudHsmClusterInvalidConfigurationException, msgClusterHSMs, c.ID)
	}
	return d, nil
}

// checkLayout checks the network of a cluster that a key store is to be put on:
// private subnets in two zones, and a security group that lets the cluster's
// ports pass (guide 004:18598-18602).
func checkLayout(d *xks.ClusterDescription) error {
	zones := map[string]bool{}
	for _, s := range d.Subnets {
		zones[s.Zone] = true
	}
	if len(zones) < 2 {
		return api.Errorf(api.CodeCloudHsmClusterInvalidConfigurationException, msgClusterSubnet, d.ClusterID)
	}
	return checkGroup(d)
}

func checkGroup(d *xks.ClusterDescription) error {
	if !d.SecurityGroupOpen {
		return api.Errorf(api.CodeCloudHsmClusterInvalidConfigurationException, msgClusterGroup, d.ClusterID)
	}
	return nil
}

// adopt is inspect for an operation on the key store, which cannot blame the
// connection: a cluster that does not answer is KMS's own trouble.
func (m *Manager) adopt(ctx context.Context, o Owner, id string) (*xks.ClusterDescription, error) {
	c := m.clusterOf(o, id)
	if c == nil {
		return nil, api.Errorf(api.CodeCloudHsmClusterNotFoundException, msgClusterAbsent, id)
	}
	d, err := c.inspect(ctx)
	if isCluster(err, xks.ClusterNotFound) {
		m.forget(c)
		return nil, api.Errorf(api.CodeCloudHsmClusterNotFoundException, msgClusterAbsent, id)
	}
	if err == nil {
		err = checkLayout(d)
	}
	if err == nil || errors.As(err, new(*api.Error)) {
		return d, err
	}
	m.c.Log.LogAttrs(ctx, slog.LevelWarn, "cluster did not answer", slog.String("cluster", id), slog.Any("error", err))
	return nil, &api.Error{Code: internalError, Message: msgClusterFault}
}

// sameCertificate compares the first certificates of two PEM texts.
func sameCertificate(a, b string) bool {
	x, _ := pem.Decode([]byte(a))
	y, _ := pem.Decode([]byte(b))
	return x != nil && y != nil && x.Type == "CERTIFICATE" && y.Type == x.Type && string(x.Bytes) == string(y.Bytes)
}

// clusterSession is the material.Backend of the keys of an AWS CloudHSM key
// store. When the cluster says that kmsuser is not logged in (it was started
// anew), it logs in with the stored password and goes on.
type clusterSession struct {
	m       *Manager
	storeID string
	*cluster

	logins atomic.Int64 // made so far

	mu      sync.Mutex // of the login under way
	refused error      // why no login with the stored password is tried any more
}

func (m *Manager) newClusterSession(r *Record, s *session) (*session, error) {
	c := m.clusterOf(r.Owner, r.ClusterID)
	if c == nil {
		return nil, fmt.Errorf("the cluster %s is not configured", r.ClusterID)
	}
	s.cluster = &clusterSession{m: m, storeID: r.ID, cluster: c}
	s.Backend, s.end = s.cluster, func() {}
	return s, nil
}

// Encrypt encrypts in the cluster, under the key whose label is k's ARN.
func (c *clusterSession) Encrypt(ctx context.Context, k *material.Key, plaintext, encContext []byte) ([]byte, error) {
	h := material.NewHeader(material.FormatCloudHSM, k)
	var sealed *xks.ClusterSealed
	err := c.do(ctx, colCrypto, func() (err error) {
		sealed, err = c.client.Encrypt(ctx, xks.ClusterEncryptRequest{Label: k.ARN, Plaintext: plaintext, AAD: h.AAD(encContext)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return material.CloudHSMBlob{Header: h, IV: sealed.IV, Tag: sealed.Tag, Ciphertext: sealed.Ciphertext}.Marshal()
}

// Decrypt opens what Encrypt gave.
func (c *clusterSession) Decrypt(ctx context.Context, k *material.Key, blob, encContext []byte) ([]byte, error) {
	b, err := material.ParseCloudHSM(blob)
	if err != nil {
		return nil, err
	}
	if err := b.Header.Check(material.FormatCloudHSM, k); err != nil {
		return nil, err
	}
	var plaintext []byte
	err = c.do(ctx, colCrypto, func() (err error) {
		plaintext, err = c.client.Decrypt(ctx, xks.ClusterDecryptRequest{
			Label: k.ARN, IV: b.IV, Ciphertext: b.Ciphertext, Tag: b.Tag, AAD: b.Header.AAD(encContext),
		})
		return err
	})
	return plaintext, err
}

// do calls the cluster, once more after a login when nobody was logged in, and
// makes its error the one that the caller sees. An *api.Error is one already.
func (c *clusterSession) do(ctx context.Context, col column, call func() error) error {
	before := c.logins.Load()
	err := call()
	if isCluster(err, xks.ClusterNotLoggedIn) {
		if err = c.login(ctx, before); err == nil {
			err = call()
		}
	}
	if err == nil || errors.As(err, new(*api.Error)) {
		return err
	}
	r := material.RequestFrom(ctx)
	c.m.c.Log.LogAttrs(ctx, slog.LevelInfo, "cluster did not do what it was asked for", slog.String("keyStore", c.storeID),
		slog.String("operation", r.Operation), slog.String("requestId", r.RequestID), slog.Any("error", err))
	return clusterException(err, col)
}

// login logs in with the stored password unless somebody did so since the
// login number before. A password that was refused is not tried again: that
// would only lock kmsuser.
func (c *clusterSession) login(ctx context.Context, before int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.logins.Load() != before:
		return nil
	case c.refused != nil:
		return c.refused
	}
	r, ok := c.m.Get(c.storeID)
	if !ok || r.Cluster == nil {
		return errStale
	}
	err := c.client.Connect(ctx, string(r.Cluster.Password), "")
	if err == nil {
		c.logins.Add(1)
	}
	if isCluster(err, xks.ClusterWrongPassword) || isCluster(err, xks.ClusterLockedOut) {
		c.refused = err
	}
	return err
}

// relogin logs in for a session that was connected before the Manager was
// started. Should that fail, the first use of a key tries again.
func (m *Manager) relogin(s *session) {
	if !m.background() {
		return
	}
	go func() {
		defer m.steps.Done()
		if !s.enter() {
			return
		}
		defer s.leave()
		if err := s.cluster.login(m.ctx, 0); err != nil {
			m.c.Log.LogAttrs(m.ctx, slog.LevelWarn, "kmsuser could not be logged in again",
				slog.String("keyStore", s.cluster.storeID), slog.Any("error", err))
		}
	}()
}
