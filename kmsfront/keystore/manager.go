// Package keystore keeps custom key stores: external key stores, whose keys are
// used through an XKS proxy, and AWS CloudHSM key stores, whose keys are in a
// simulated cluster. It has the six operations on key stores, the part that
// CreateKey plays in them, and the backends that encrypt under their keys.
//
// The connection state is a record in the store, and connecting and
// disconnecting are steps that run in the background and end with a change of
// that record. For each key store there is a link in memory, which follows the
// record: after every change, and at start, follow makes the link what the
// record says, so that a restart takes the same path as an operation does. A
// link of a connected key store has a session: the client with the settings of
// the record. Cryptography reads one atomic pointer to it and takes no lock.
//
// What the guide decides by tables are tables here: states.go (connection
// state × operation), events.go (what comes from a proxy → what the caller
// sees), clusterevents.go (the same for a cluster), service.go (property of a
// VPC endpoint service → its error), messages.go.
//
// Not simulated: the network of a VPC endpoint service.
package keystore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"hyok/kmsfront/material"
	"hyok/kmsfront/store"
)

// A Manager keeps the custom key stores of all accounts and Regions. Its
// methods are safe for concurrent use; those that take an api request return
// *api.Error for what the caller is to blame for or the guide has a name for.
type Manager struct {
	c        Config
	stores   *store.Table[Record] // by ID
	claims   *store.Table[claim]
	services *store.Table[Service] // by name
	links    sync.Map              // ID → *link
	clusters map[string]*cluster
	fleet    sync.Map // ID → *cluster, of the clusters that are reached through the fleet

	ctx    context.Context // of what runs in the background
	cancel context.CancelFunc
	mu     sync.Mutex // of closed, so that no step begins after Close
	closed bool
	steps  sync.WaitGroup
}

// byOwner finds an owner's key stores.
var byOwner = &store.Index[Record]{Of: func(_ string, r *Record) []string { return []string{r.Owner.key()} }}

// New reads the key stores and takes up where the last Manager stopped: what
// was CONNECTED is connected again, what was on its way goes on. It works until
// ctx ends or Close is called.
func New(ctx context.Context, c Config) (*Manager, error) {
	m := &Manager{c: c.withDefaults()}
	var err error
	if m.stores, err = store.OpenTable(ctx, c.Store, "keystores/", byOwner); err != nil {
		return nil, fmt.Errorf("reading the key stores: %w", err)
	}
	if m.claims, err = store.OpenTable[claim](ctx, c.Store, "keystore-claims/"); err != nil {
		return nil, fmt.Errorf("reading the names of key stores: %w", err)
	}
	if m.services, err = store.OpenTable[Service](ctx, c.Store, "vpc-services/"); err != nil {
		return nil, fmt.Errorf("reading the VPC endpoint services: %w", err)
	}
	if m.clusters, err = m.openClusters(); err != nil {
		return nil, err
	}
	m.ctx, m.cancel = context.WithCancel(ctx)
	for id := range m.stores.All() {
		m.follow(id)
	}
	return m, nil
}

// Close stops what runs in the background and closes all connections. States
// stay as they are: the next Manager goes on with them.
func (m *Manager) Close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.cancel()
	m.links.Range(func(_, l any) bool {
		l.(*link).close()
		return true
	})
	m.steps.Wait()
	for _, c := range m.clusters {
		c.client.Close()
	}
	m.fleet.Range(func(_, c any) bool {
		c.(*cluster).client.Close()
		return true
	})
	return nil
}

// background reports whether something may still start, and counts it.
func (m *Manager) background() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.steps.Add(1)
	return true
}

// Get gives a key store's record, which must not be changed; false when there
// is none of that ID.
func (m *Manager) Get(storeID string) (*Record, bool) {
	r, _, ok := m.stores.Get(storeID)
	return r, ok
}

// owned is Get for a key store of o; another owner's does not exist.
func (m *Manager) owned(o Owner, storeID string) (*Record, error) {
	r, ok := m.Get(storeID)
	if !ok || r.Owner != o {
		return nil, NotFound(storeID)
	}
	return r, nil
}

// Connected tells whether a key store's keys can be used. It takes no lock.
func (m *Manager) Connected(storeID string) bool {
	l, ok := m.links.Load(storeID)
	return ok && l.(*link).session.Load() != nil
}

// Backend gives the backend for the keys of a key store. While the key store is
// not connected its methods return KMSInvalidStateException.
func (m *Manager) Backend(storeID string) (material.Backend, error) {
	l, ok := m.links.Load(storeID)
	if !ok {
		return nil, NotFound(storeID)
	}
	return l.(*link), nil
}

// Throttled notes that KMS refused a request because the key store's quota is
// used up (metric ExternalKeyStoreThrottle, guide 004:7612-7620).
func (m *Manager) Throttled(storeID, kmsOperation string) {
	if r, ok := m.Get(storeID); ok && r.External() {
		m.c.Observer.Throttled(storeID, kmsOperation)
	}
}

// errStale ends a change whose time has passed.
var errStale = errors.New("the key store has moved on")

// change replaces a record by what fn makes of a copy, moves its claims, and
// lets the link follow. fn may run more than once, and refuses by an error.
func (m *Manager) change(ctx context.Context, storeID string, fn func(r *Record) error) error {
	err := store.Update(ctx, m.c.Store, func(tx *store.Tx) error {
		old, ok := m.stores.Read(tx, storeID)
		if !ok {
			return NotFound(storeID)
		}
		next := old.clone()
		if err := fn(next); err != nil {
			return err
		}
		next.Version++
		if err := m.hold(tx, old, next); err != nil {
			return err
		}
		return m.stores.Put(tx, storeID, next)
	})
	if err == nil {
		m.follow(storeID)
	}
	return err
}

// follow makes the link of a key store what its record says.
func (m *Manager) follow(storeID string) {
	l, _ := m.links.LoadOrStore(storeID, newLink(m, storeID))
	if err := l.(*link).follow(); err != nil {
		m.c.Log.LogAttrs(m.ctx, slog.LevelError, "key store cannot be used as it is stored",
			slog.String("keyStore", storeID), slog.Any("error", err))
	}
}
