package keystore

import (
	"sync"
	"testing"

	"hyok/kmsfront/material"
)

// Once connections are kept ready, no request makes one: here none could. Those
// that the proxy cuts in a quiet time are made anew before a request comes.
func TestNoHandshakeInTheSteadyState(t *testing.T) {
	var f *fakeProxy
	var g *gate
	e := newEnv(t, func(e *env) {
		f = newFakeProxy(t, e)
		g = newGate(e, f.Listener.Addr().String())
		e.c.Resolve = map[string]string{f.host(): g.addr}
	})
	k := e.key(e.connected(e.create(f.request("one"))), "external-1")
	for range 2 {
		e.until("the connections that are kept", func() bool { return g.open >= DefaultReady && f.open == g.open })
		l, _ := e.links.Load(k.StoreID)
		if err := l.(*link).session.Load().external.client.Warm(t.Context(), DefaultReady); err != nil { // waits until they are ready
			t.Fatal(err)
		}
		g.shut.Store(true)
		e.encryptsAtOnce(k, DefaultReady)
		g.shut.Store(false)
		f.CloseClientConnections()
	}
}

// encryptsAtOnce encrypts by several callers.
func (e *env) encryptsAtOnce(k *material.Key, callers int) {
	e.t.Helper()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range 50 {
				if _, err := e.encrypt(k, "p"); err != nil {
					e.t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
