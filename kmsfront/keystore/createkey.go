package keystore

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"hyok/kmsfront/api"
	"hyok/kmsfront/material"
	"hyok/proxy/xks"
)

// Created is what CreateKey learns from the key store.
type Created struct {
	XksKeyID  string // external key stores
	ClusterID string // AWS CloudHSM key stores, as all below
	KeyHandle string // decimal; for CloudTrail (guide 004:4521)
	BackingID string // hexadecimal; the same
	// Release must be called when the KMS key is committed, or was given up. Until
	// then no other key can be created with the same external key, and the key
	// store cannot be deleted. It is never nil, and may be called again.
	Release func()
}

// Prepare does what CreateKey needs of a key store (custom-key-stores §8): all its
// checks, and for an AWS CloudHSM key store the key in the cluster. k says for
// whom, with ARN, Origin and, for an external key store, XksKeyID. When it
// fails, nothing is left behind; after it, Discard undoes it.
func (m *Manager) Prepare(ctx context.Context, storeID string, k *material.Key, req material.Request) (Created, error) {
	none := Created{Release: func() {}}
	r, err := m.owned(Owner{k.Account, k.Region}, storeID)
	if err != nil {
		return none, err
	}
	if err := checkOrigin(r, k); err != nil {
		return none, err
	}
	if _, err := r.check(useCreateKey); err != nil {
		return none, err
	}
	l, s := m.enter(storeID)
	if s == nil { // disconnected since
		return none, api.Errorf(storeState, msgState, r.ID, disconnecting, useNames[useCreateKey])
	}
	defer s.leave()
	ctx = material.WithRequest(ctx, req)
	if s.external != nil {
		return m.prepareExternal(ctx, l, s.external, k, req)
	}
	return s.cluster.prepare(ctx, l, k)
}

// enter gives a key store's link and session; leave it when it is not nil.
func (m *Manager) enter(storeID string) (*link, *session) {
	l, ok := m.links.Load(storeID)
	if !ok {
		return nil, nil
	}
	return l.(*link), l.(*link).enter()
}

func checkOrigin(r *Record, k *material.Key) error {
	switch {
	case k.Origin != r.Type: // the two enumerations share these names
		return invalid("The origin %s does not fit the key store %s, which is of the type %s.", k.Origin, r.ID, r.Type)
	case !r.External():
		return nil
	case !xks.ValidKeyID(k.XksKeyID):
		return invalid("XksKeyId must have 1 to 128 characters of A-Z a-z 0-9 . _ -")
	}
	return checkURI(r.Proxy, k.XksKeyID)
}

// prepareExternal asks the proxy about the external key (guide 004:22779-22820).
func (m *Manager) prepareExternal(ctx context.Context, l *link, x *external, k *material.Key, req material.Request) (Created, error) {
	none := Created{Release: func() {}}
	release := l.reserve(k.XksKeyID)
	if release == nil || m.c.XksKeyInUse(x.storeID, k.XksKeyID) {
		if release != nil {
			release()
		}
		return none, KeyInUse(k.XksKeyID)
	}
	md := callerMetadata(req, k)
	md.KMSViaService = "" // not a member of this request (XKS spec, GetKeyMetadata)
	resp, err := x.client.GetKeyMetadata(ctx, k.XksKeyID, &xks.GetKeyMetadataRequest{RequestMetadata: md})
	if err != nil {
		err = x.refused(ctx, err, colCreateKey)
	} else {
		err = checkExternalKey(resp)
	}
	if err != nil {
		release()
		return none, err
	}
	return Created{XksKeyID: k.XksKeyID, Release: release}, nil
}

// checkExternalKey names the first fault in the guide's order: spec, status,
// usage, which must include the two and may include more (contradiction 21).
func checkExternalKey(r *xks.GetKeyMetadataResponse) error {
	switch {
	case r.KeySpec != xks.KeySpecAES256:
		return api.Errorf(kConfig, msgKeySpec, r.KeySpec)
	case r.KeyStatus != xks.StatusEnabled:
		return api.Errorf(kConfig, msgKeyStatus, r.KeyStatus)
	case !slices.Contains(r.KeyUsage, xks.UsageEncrypt) || !slices.Contains(r.KeyUsage, xks.UsageDecrypt):
		return api.Errorf(kConfig, msgKeyUsage, strings.Join(r.KeyUsage, ", "))
	}
	return nil
}

// prepare makes the HSM key, whose label is the KMS key's ARN (guide
// 004:18379, 19169).
func (c *clusterSession) prepare(ctx context.Context, l *link, k *material.Key) (Created, error) {
	none := Created{Release: func() {}}
	release := l.reserve(k.ARN)
	if release == nil {
		return none, &api.Error{Code: internalError, Message: msgClusterFault}
	}
	var made *xks.ClusterKey
	lost := false // the answer, so that the key may be there
	err := c.do(ctx, colCreateKey, func() (err error) {
		if _, err = c.inspect(ctx); err == nil {
			made, err = c.client.CreateKey(ctx, k.ARN)
			lost = errors.As(err, new(*xks.TransportError))
		}
		return err
	})
	if err != nil {
		if lost {
			c.abandon(ctx, k.ARN)
		}
		release()
		return none, err
	}
	return Created{ClusterID: c.ID, KeyHandle: made.Handle, BackingID: made.BackingID, Release: release}, nil
}

// abandonTime limits the attempt to undo a creation whose end is not known.
const abandonTime = time.Second

// abandon deletes the key that may have been made although the answer was lost.
func (c *clusterSession) abandon(ctx context.Context, label string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTime)
	defer cancel()
	err := c.client.DeleteKey(ctx, label)
	if err != nil && !isCluster(err, xks.ClusterKeyNotFound) {
		c.m.c.Log.LogAttrs(ctx, slog.LevelWarn, "key material may be left behind in the cluster",
			slog.String("keyStore", c.storeID), slog.String("key", label), slog.Any("error", err))
	}
}

// Discard deletes what Prepare made of k: the key in the cluster. Of an
// external key nothing is deleted (guide 004:21893, 22349). While the key store
// is not connected the material is left behind, and the error says so (guide
// 004:19840-19844). Material that is gone already is no error.
func (m *Manager) Discard(ctx context.Context, storeID string, k *material.Key) error {
	r, ok := m.Get(storeID)
	if !ok {
		return NotFound(storeID)
	}
	if r.External() {
		return nil
	}
	_, s := m.enter(storeID)
	if s == nil {
		return api.Errorf(storeState, msgState, r.ID, r.State, "the deletion of key material")
	}
	defer s.leave()
	return s.cluster.do(ctx, colCreateKey, func() error {
		err := s.cluster.client.DeleteKey(ctx, k.ARN)
		if isCluster(err, xks.ClusterKeyNotFound) {
			return nil
		}
		return err
	})
}

// Random gives n bytes, 1 to 1024, from the HSMs of the cluster behind a key
// store of o: GenerateRandom with a CustomKeyStoreId (custom-key-stores QU-01a).
func (m *Manager) Random(ctx context.Context, o Owner, storeID string, n int) ([]byte, error) {
	r, err := m.owned(o, storeID)
	if err != nil {
		return nil, err
	}
	if r.External() {
		return nil, &api.Error{Code: api.CodeUnsupportedOperationException, Message: msgRandomXks}
	}
	if _, err := r.check(useRandom); err != nil {
		return nil, err
	}
	_, s := m.enter(storeID)
	if s == nil {
		return nil, api.Errorf(storeState, msgState, r.ID, disconnecting, useNames[useRandom])
	}
	defer s.leave()
	var b []byte
	err = s.cluster.do(ctx, colCreateKey, func() (err error) {
		b, err = s.cluster.client.Random(ctx, n)
		return err
	})
	return b, err
}
