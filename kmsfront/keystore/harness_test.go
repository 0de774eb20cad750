package keystore

import (
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hyok/certs/certstest"
	"hyok/internal/clock"
	"hyok/kmsfront/api"
	"hyok/kmsfront/material"
	"hyok/kmsfront/store"
)

var alice = Owner{Account: "111122223333", Region: "us-east-1"}

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// An env is a Manager with a store on disk, a clock to be moved, and an observer
// that remembers.
type env struct {
	*Manager
	t     *testing.T
	kit   *certstest.Kit
	clock *clock.Movable
	seen  *recorder
	c     Config
	root  *store.RootKey
	path  string
}

// newEnv gives proxies time enough for a busy machine.
func newEnv(t *testing.T, adjust ...func(*env)) *env {
	t.Helper()
	e := &env{t: t, kit: certstest.New(t), clock: &clock.Movable{}, seen: &recorder{changed: make(chan struct{})}}
	dir := t.TempDir()
	e.path = filepath.Join(dir, "store")
	var err error
	if e.root, err = store.CreateRootKey(filepath.Join(dir, "root.key")); err != nil {
		t.Fatal(err)
	}
	e.c = Config{
		Software: material.NewSoftware(e.root), Clock: e.clock, AllowEndpointPort: true,
		Roots: e.kit.Authority.Pool(), HealthInterval: -1, MaxStores: 10, Observer: e.seen, ProxyTimeout: patience / 2,
	}
	for _, a := range adjust {
		a(e)
	}
	e.start()
	t.Cleanup(func() { e.stop() })
	return e
}

func (e *env) start() {
	e.t.Helper()
	var err error
	if e.c.Store, err = store.OpenBolt(e.path, e.root, store.BoltOptions{}); err != nil {
		e.t.Fatal(err)
	}
	if e.Manager, err = New(context.Background(), e.c); err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) stop() {
	if err := errors.Join(e.Manager.Close(), e.c.Store.Close()); err != nil {
		e.t.Error(err)
	}
}

// restart closes the Manager and the store and opens them again. What observers
// were told is forgotten.
func (e *env) restart() {
	e.t.Helper()
	e.stop()
	e.seen.forget()
	e.start()
}

// ctx is that of a KMS operation.
func ctxOf(operation string) context.Context {
	return material.WithRequest(context.Background(), material.Request{
		Operation: operation, RequestID: "request-of-" + operation,
		PrincipalARN: "arn:aws:iam::111122223333:user/alice",
	})
}

func (e *env) create(in *api.CreateCustomKeyStoreRequest) string {
	e.t.Helper()
	out, err := e.Create(ctxOf("CreateCustomKeyStore"), alice, in)
	if err != nil {
		e.t.Fatal(err)
	}
	return out.CustomKeyStoreId
}

func (e *env) connect(id string) {
	e.t.Helper()
	if _, err := e.Connect(ctxOf("ConnectCustomKeyStore"), alice, &api.ConnectCustomKeyStoreRequest{CustomKeyStoreId: id}); err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) disconnect(id string) {
	e.t.Helper()
	if _, err := e.Disconnect(ctxOf("DisconnectCustomKeyStore"), alice, &api.DisconnectCustomKeyStoreRequest{CustomKeyStoreId: id}); err != nil {
		e.t.Fatal(err)
	}
}

// connected connects a key store and waits until it is.
func (e *env) connected(id string) string {
	e.t.Helper()
	e.connect(id)
	e.await(id, "CONNECTED")
	return id
}

func (e *env) disconnected(id string) {
	e.t.Helper()
	e.disconnect(id)
	e.await(id, "DISCONNECTED")
}

func (e *env) delete(id string) error {
	_, err := e.Delete(ctxOf("DeleteCustomKeyStore"), alice, &api.DeleteCustomKeyStoreRequest{CustomKeyStoreId: id})
	return err
}

func updateOf(id string) *api.UpdateCustomKeyStoreRequest {
	return &api.UpdateCustomKeyStoreRequest{CustomKeyStoreId: id}
}

func (e *env) update(in *api.UpdateCustomKeyStoreRequest) error {
	_, err := e.Update(ctxOf("UpdateCustomKeyStore"), alice, in)
	return err
}

// await waits until the observer has been told that the state is the last one.
func (e *env) await(id, state string) {
	e.t.Helper()
	e.until("the state "+state, func() bool { return e.seen.states[id] == state })
}

// until waits for something that the observer is told.
func (e *env) until(what string, ok func() bool) {
	e.t.Helper()
	limit := time.After(patience)
	for {
		e.seen.mu.Lock()
		done, changed := ok(), e.seen.changed
		e.seen.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-limit:
			e.t.Fatalf("waited for %s in vain", what)
		}
	}
}

// describe gives the key store's entry as callers see it.
func (e *env) describe(id string) *api.CustomKeyStoresListEntry {
	e.t.Helper()
	out, err := e.Describe(ctxOf("DescribeCustomKeyStores"), alice, &api.DescribeCustomKeyStoresRequest{CustomKeyStoreId: id})
	if err != nil {
		e.t.Fatal(err)
	}
	return out.CustomKeyStores[0]
}

// key makes a KMS key of a key store; for external ones with material.
func (e *env) key(storeID, xksKeyID string) *material.Key {
	e.t.Helper()
	id := strings.ToLower(rand.Text())
	k := &material.Key{
		ID: id, ARN: "arn:aws:kms:us-east-1:111122223333:key/" + id, Account: alice.Account, Region: alice.Region,
		Spec: "SYMMETRIC_DEFAULT", StoreID: storeID, XksKeyID: xksKeyID, Origin: "AWS_CLOUDHSM",
	}
	if xksKeyID != "" {
		k.Origin = "EXTERNAL_KEY_STORE"
		if err := e.c.Software.Generate(k); err != nil {
			e.t.Fatal(err)
		}
	}
	return k
}

// prepare is CreateKey's part; the creation is over when it returns.
func (e *env) prepare(k *material.Key) (Created, error) {
	made, err := e.Prepare(context.Background(), k.StoreID, k, material.RequestFrom(ctxOf("CreateKey")))
	made.Release()
	return made, err
}

func (e *env) encrypt(k *material.Key, plaintext string) ([]byte, error) {
	b, err := e.Backend(k.StoreID)
	if err != nil {
		return nil, err
	}
	return b.Encrypt(ctxOf("Encrypt"), k, []byte(plaintext), material.EncodeContext(map[string]string{"a": "b"}))
}

func (e *env) decrypt(k *material.Key, blob []byte) (string, error) {
	b, err := e.Backend(k.StoreID)
	if err != nil {
		return "", err
	}
	p, err := b.Decrypt(ctxOf("Decrypt"), k, blob, material.EncodeContext(map[string]string{"a": "b"}))
	return string(p), err
}

// roundTrip encrypts and decrypts under k.
func (e *env) roundTrip(k *material.Key) {
	e.t.Helper()
	blob, err := e.encrypt(k, "plaintext")
	if err != nil {
		e.t.Fatalf("Encrypt: %v", err)
	}
	if got, err := e.decrypt(k, blob); err != nil || got != "plaintext" {
		e.t.Fatalf("Decrypt: %q, %v", got, err)
	}
}

// refused checks an error's exception, and its message when one is given.
func refused(t *testing.T, err error, code, message string) {
	t.Helper()
	var e *api.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want %s", err, code)
	}
	if e.Code != code || message != "" && e.Message != message {
		t.Errorf("got  %v\nwant %s: %s", e, code, message)
	}
}

// A recorder is an Observer that remembers everything.
type recorder struct {
	mu       sync.Mutex
	changed  chan struct{} // closed with every change
	calls    []ProxyCall
	managers map[string]Managers
	states   map[string]string
	ways     map[string]Connection
	history  []string // of all states
	limited  []string
}

func (r *recorder) note(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *recorder) forget() {
	r.note(func() { r.calls, r.managers, r.states, r.ways, r.history, r.limited = nil, nil, nil, nil, nil, nil })
}

func (r *recorder) ProxyCall(c ProxyCall) { r.note(func() { r.calls = append(r.calls, c) }) }

func (r *recorder) Managers(id string, n Managers) {
	r.note(func() {
		if r.managers == nil {
			r.managers = map[string]Managers{}
		}
		r.managers[id] = n
	})
}

func (r *recorder) Throttled(id, operation string) {
	r.note(func() { r.limited = append(r.limited, id+" "+operation) })
}

func (r *recorder) Connection(id string, c Connection) {
	r.note(func() {
		if r.ways == nil {
			r.ways = map[string]Connection{}
		}
		r.ways[id] = c
	})
}

func (r *recorder) State(id, state, code string) {
	r.note(func() {
		if r.states == nil {
			r.states = map[string]string{}
		}
		r.states[id] = state
		r.history = append(r.history, strings.TrimSpace(state+" "+code))
	})
}
