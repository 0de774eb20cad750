package keystore

import (
	"context"
	"errors"

	"hyok/kmsfront/api"
	"hyok/kmsfront/material"
	"hyok/kmsfront/store"
	"hyok/proxy/xks"
)

// Connect is ConnectCustomKeyStore for o (custom-key-stores §2.3). It returns while
// the key store is CONNECTING; how that ends only Describe tells.
func (m *Manager) Connect(ctx context.Context, o Owner, in *api.ConnectCustomKeyStoreRequest) (*api.ConnectCustomKeyStoreResponse, error) {
	r, err := m.owned(o, in.CustomKeyStoreId)
	if err != nil {
		return nil, err
	}
	if v, err := r.check(useConnect); err != nil || v == noop {
		return &api.ConnectCustomKeyStoreResponse{}, err
	}
	if err := m.fastFault(ctx, r); err != nil {
		return nil, err
	}
	return &api.ConnectCustomKeyStoreResponse{}, m.begin(ctx, r.ID, useConnect, connecting)
}

// fastFault finds what is easily seen to be wrong with a cluster; the state is
// DISCONNECTED still then (guide 004:19722-19724). No HSM at all is found by the
// step (contradiction 19), and so is a cluster that does not answer.
func (m *Manager) fastFault(ctx context.Context, r *Record) error {
	c := m.clusterOf(r.Owner, r.ClusterID)
	if c == nil {
		return nil
	}
	d, err := c.describe(ctx)
	if err != nil {
		return nil
	}
	if d.State != xks.ClusterStateActive {
		return api.Errorf(api.CodeCloudHsmClusterNotActiveException, msgClusterState, c.ID, d.State)
	}
	return checkGroup(d)
}

// errNoop ends a change that turns out to be none.
var errNoop = errors.New("nothing to change")

// begin puts a key store into a transient state, from which a step leads out.
func (m *Manager) begin(ctx context.Context, storeID string, u use, state string) error {
	err := m.change(ctx, storeID, func(r *Record) error {
		v, err := r.check(u)
		if err == nil && v == noop {
			err = errNoop
		}
		if err != nil {
			return err
		}
		r.State, r.ErrorCode = state, ""
		r.Attempt++
		r.RequestID = material.RequestFrom(ctx).RequestID
		return nil
	})
	if errors.Is(err, errNoop) {
		return nil
	}
	return err
}

// Disconnect is DisconnectCustomKeyStore for o (custom-key-stores §2.4). The keys
// are unavailable when it returns.
func (m *Manager) Disconnect(ctx context.Context, o Owner, in *api.DisconnectCustomKeyStoreRequest) (*api.DisconnectCustomKeyStoreResponse, error) {
	r, err := m.owned(o, in.CustomKeyStoreId)
	if err != nil {
		return nil, err
	}
	return &api.DisconnectCustomKeyStoreResponse{}, m.begin(ctx, r.ID, useDisconnect, disconnecting)
}

// Delete is DeleteCustomKeyStore for o (custom-key-stores §2.6): first the state,
// then the keys are looked at. Name, cluster, URI and quota are free at once.
func (m *Manager) Delete(ctx context.Context, o Owner, in *api.DeleteCustomKeyStoreRequest) (*api.DeleteCustomKeyStoreResponse, error) {
	if _, err := m.owned(o, in.CustomKeyStoreId); err != nil {
		return nil, err
	}
	id := in.CustomKeyStoreId
	err := store.Update(ctx, m.c.Store, func(tx *store.Tx) error {
		r, ok := m.stores.Read(tx, id)
		if !ok {
			return NotFound(id)
		}
		if _, err := r.check(useDelete); err != nil {
			return err
		}
		if l, ok := m.links.Load(id); m.c.HasKeys(id) || ok && l.(*link).busy() {
			return api.Errorf(api.CodeCustomKeyStoreHasCMKsException, msgHasKeys, id)
		}
		if err := m.hold(tx, r, nil); err != nil {
			return err
		}
		m.stores.Delete(tx, id)
		return m.count(tx, o, -1)
	})
	if err != nil {
		return nil, err
	}
	m.follow(id)
	return &api.DeleteCustomKeyStoreResponse{}, nil
}
