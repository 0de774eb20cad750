// Package serve runs a program's HTTP listeners together.
//
// All of them listen before one is served, so that a port that is taken stops
// the start. Each has at most its share of the process's descriptors as
// connections. At the end none accepts more, requests under way are drained for a
// time, and what is left then is cut.
package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// An Endpoint is one listener with what it serves.
type Endpoint struct {
	Name    string // in errors and for Addr
	Listen  string // host:port; port 0: a free one
	TLS     *tls.Config
	Handler http.Handler
	// Share is how much of the descriptors that the process may open
	// (RLIMIT_NOFILE) the connections may take, in percent; 0: 10. Further
	// connections wait. The shares of a process must leave descriptors for its
	// files: SoftHSM opens one for each use of a key, and loses the key when it
	// cannot.
	Share int
}

// What a client may take and send. Bodies have limits of their own.
const (
	headerTimeout  = 5 * time.Second
	readTimeout    = 10 * time.Second
	idleTimeout    = 10 * time.Minute
	maxHeaderBytes = 16 << 10
)

// A Group is a set of endpoints that are served.
type Group struct {
	servers   []*http.Server
	listeners map[string]net.Listener
	failed    chan error
}

// Start listens on every endpoint and serves them all.
func Start(endpoints ...Endpoint) (*Group, error) {
	g := &Group{listeners: make(map[string]net.Listener), failed: make(chan error, len(endpoints))}
	for _, e := range endpoints {
		l, err := net.Listen("tcp", e.Listen)
		if err != nil {
			g.closeListeners()
			return nil, fmt.Errorf("listening for %s on %s: %w; choose another address or end the program that has it", e.Name, e.Listen, err)
		}
		g.listeners[e.Name] = limitConnections(l, connections(e.Share))
	}
	for _, e := range endpoints {
		g.serve(e, g.listeners[e.Name])
	}
	return g, nil
}

func (g *Group) serve(e Endpoint, l net.Listener) {
	s := &http.Server{
		Handler: e.Handler, TLSConfig: e.TLS,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes,
		// Failed handshakes and the like: clients' noise, counted by nobody yet.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	g.servers = append(g.servers, s)
	go func() {
		var err error
		if e.TLS != nil {
			err = s.ServeTLS(l, "", "")
		} else {
			err = s.Serve(l)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			g.failed <- fmt.Errorf("serving %s: %w", e.Name, err)
		}
	}()
}

// Addr is where an endpoint listens, as host:port.
func (g *Group) Addr(name string) string { return g.listeners[name].Addr().String() }

// Wait returns when ctx ends, or with the error of an endpoint that failed.
func (g *Group) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-g.failed:
		return err
	}
}

// Close stops accepting, waits up to drain for requests under way, and cuts the rest.
func (g *Group) Close(drain time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	done := make(chan error, len(g.servers))
	for _, s := range g.servers {
		go func() {
			err := s.Shutdown(ctx)
			if err != nil {
				err = s.Close()
			}
			done <- err
		}()
	}
	var all error
	for range g.servers {
		all = errors.Join(all, <-done)
	}
	return all
}

func (g *Group) closeListeners() {
	for _, l := range g.listeners {
		_ = l.Close() // nothing was accepted yet
	}
}
