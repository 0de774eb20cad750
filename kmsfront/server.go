// Package kmsfront is a front end that speaks the AWS KMS API.
//
// A request takes one road (road.go), the same for all operations: its key is
// found, the caller's permission decided, quotas spent, the key's type and
// state looked up in the guide's tables, the operation done, and its CloudTrail
// record written before the answer. What differs per operation is a row
// (operations.go) and the function beside it. Cryptography goes to the key's
// backend by origin: software for AWS_KMS, a key store proxy over HTTPS for
// AWS_CLOUDHSM and EXTERNAL_KEY_STORE.
//
// Limits: symmetric encryption keys only so far; what the API has beyond that
// is validated, authorized and counted, then refused by name.
package kmsfront

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"hyok/internal/clock"
	"hyok/internal/fault"
	"hyok/kmsfront/api"
	"hyok/kmsfront/authz"
	"hyok/kmsfront/keystore"
	"hyok/kmsfront/material"
	"hyok/kmsfront/quota"
	"hyok/kmsfront/store"
	"hyok/kmsfront/trail"
)

// Config is what a Server is made of. All fields without a stated zero are needed.
type Config struct {
	Store  store.Store
	Root   store.Root
	Trail  *trail.Trail
	Quotas *quota.Quotas
	Authz  *authz.Engine
	// KeyStores says how key stores are reached; New fills in what it knows itself.
	KeyStores keystore.Config
	// Clock is what waiting periods follow; nil: the real one.
	Clock clock.Clock
	// Faults are the failures made on purpose at fault.Front; nil: none.
	Faults *fault.Set
	// Random is where data keys and IDs come from; nil: crypto/rand.
	Random io.Reader
	Log    *slog.Logger
}

// A Server does the operations of the KMS API; it is an api.Service.
type Server struct {
	store    store.Store
	software *material.Software
	stores   *keystore.Manager
	trail    *trail.Trail
	quotas   *quota.Quotas
	authz    *authz.Engine
	faults   *fault.Set
	clock    clock.Clock
	random   io.Reader
	log      *slog.Logger

	keys     *store.Table[Key]
	aliases  *store.Table[Alias]
	external *store.Table[ExternalKey]

	// creating is held shared while a key is made in a key store, and alone
	// while a key store is deleted, so that no key is left without its store.
	creating sync.RWMutex
	deadline deadlines
}

var (
	aliasesByKey = &store.Index[Alias]{Of: func(_ string, a *Alias) []string { return []string{a.target()} }}
	keysByStore  = &store.Index[Key]{Of: func(_ string, k *Key) []string {
		if k.StoreID == "" {
			return nil
		}
		return []string{k.StoreID}
	}}
)

// New reads the records, connects the key stores that were connected, and sets
// the timers of keys that wait for deletion. The server works until ctx ends.
func New(ctx context.Context, c Config) (*Server, error) {
	s := &Server{
		store: c.Store, software: material.NewSoftware(c.Root.For("key material")),
		trail: c.Trail, quotas: c.Quotas, authz: c.Authz, faults: c.Faults,
		clock: c.Clock, random: c.Random, log: c.Log,
	}
	if s.clock == nil {
		s.clock = clock.System{}
	}
	if s.random == nil {
		s.random = rand.Reader
	}
	s.faults.ServeFront(CheckFault)
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	k := c.KeyStores
	k.Store, k.Software, k.Clock, k.Log = c.Store, s.software, s.clock, c.Log
	k.HasKeys = func(storeID string) bool { return s.keys.Count(keysByStore, storeID) > 0 }
	k.XksKeyInUse = func(storeID, xksKeyID string) bool {
		_, _, taken := s.external.Get(claimKey(storeID, xksKeyID))
		return taken
	}
	k.MaxStores = c.Quotas.Resource("custom-key-stores")
	var err error
	if s.stores, err = keystore.New(ctx, k); err != nil {
		return nil, fmt.Errorf("opening the key stores: %w", err)
	}
	s.deadline.start(s)
	return s, nil
}

func (s *Server) open(ctx context.Context) (err error) {
	var failed [3]error
	s.keys, failed[0] = store.OpenTable(ctx, s.store, "keys/", keysByStore)
	s.aliases, failed[1] = store.OpenTable(ctx, s.store, "aliases/", aliasesByKey)
	s.external, failed[2] = store.OpenTable[ExternalKey](ctx, s.store, "external/")
	if err = errors.Join(failed[:]...); err != nil {
		return fmt.Errorf("reading the records: %w", err)
	}
	return nil
}

// Close stops timers and lets go of the key stores. The store and the trail
// belong to the caller.
func (s *Server) Close() error {
	s.deadline.stop()
	return s.stores.Close()
}

// backend is what holds the key's material (DESIGN, "Backends").
func (s *Server) backend(k *Key) (material.Backend, error) {
	if k.Origin == api.OriginTypeAwsKms {
		return s.software, nil
	}
	return s.stores.Backend(k.StoreID)
}

// change writes a changed copy of the key. edit may refuse by an error; it sees
// the key as it is now, and may run more than once.
func (s *Server) change(ctx context.Context, k *Key, edit func(k *Key) error) error {
	return store.Update(ctx, s.store, func(tx *store.Tx) error {
		now, ok := s.keys.Read(tx, k.recordKey())
		if !ok {
			return api.Errorf(api.CodeNotFoundException, "Key '%s' does not exist", k.ARN)
		}
		changed := *now
		if err := edit(&changed); err != nil {
			return err
		}
		return s.keys.Put(tx, changed.recordKey(), &changed)
	})
}
