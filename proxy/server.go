// Package proxy serves the XKS Proxy API v1: it lets AWS KMS encrypt and
// decrypt under keys that stay on a device of their owner's.
//
// A Server serves several key stores, each under a path prefix of its own and
// with its own credentials, device, keys and limits. What it serves is one
// immutable state behind an atomic pointer: a change makes a new state, and
// requests under way end with the one they began with. Every request takes the
// same road, cheap and anonymous checks first: path, method, concurrency, body
// size, signature, rate, JSON, key, policy, fields, usage, device. The proxy itself
// keeps no data; more of them can stand side by side.
//
// Limits: AES-256 keys and AES-GCM only, as in version 1 of the protocol; a
// key store has one token, or one group of tokens with the same keys.
package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"hyok/hsm"
	"hyok/internal/fault"
	"hyok/internal/metrics"
	"hyok/internal/sigv4"
	"hyok/proxy/audit"
)

// A Server serves key stores. Its methods are safe for concurrent use.
type Server struct {
	clusters []Cluster
	fleet    http.Handler // of the clusters that are not among them
	faults   *fault.Set
	log      *slog.Logger
	auditLog *audit.Log   // nil: none
	tracer   trace.Tracer // nil: none
	sample   int64        // every how many successes are logged at Info
	logged   atomic.Int64
	now      func() time.Time
	registry *metrics.Registry
	meters   *meters
	devices  *devices // of Open; nil: the caller's to close

	tokenNames map[*hsm.Token]string

	ctx      context.Context // of the health checks
	cancel   context.CancelFunc
	checks   sync.WaitGroup
	draining atomic.Bool

	mu    sync.Mutex // held while a new state is made
	state atomic.Pointer[state]
}

// New checks c and starts the health checks, which end with ctx or Close.
func New(ctx context.Context, c Config) (*Server, error) {
	s := &Server{
		clusters: slices.Clone(c.Clusters),
		fleet:    c.Fleet,
		faults:   c.Faults,
		log:      c.Log,
		auditLog: c.Audit,
		tracer:   c.Tracer,
		sample:   int64(max(1, c.LogSample)),
		now:      c.Now,
		registry: c.Metrics,

		tokenNames: make(map[*hsm.Token]string, len(c.Tokens)),
	}
	for name, t := range c.Tokens {
		s.tokenNames[t] = name
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.registry == nil {
		s.registry = metrics.New("xksproxy", metrics.Version())
	}
	s.meters = newMeters(s.registry)
	s.ctx, s.cancel = context.WithCancel(ctx)
	if err := checkClusters(c.Clusters); err != nil {
		return nil, err
	}
	if err := s.SetStores(c.Stores); err != nil {
		s.cancel()
		return nil, err
	}
	s.registry.Prometheus().MustRegister(credentialAges{s})
	return s, nil
}

// Handler serves the XKS Proxy API and the clusters.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.state.Load().router.ServeHTTP(w, r)
	})
}

// SetStores replaces all key stores. A store that keeps its path prefix keeps
// what its limits have counted; requests under way are not disturbed.
func (s *Server) SetStores(stores []Store) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.setStores(stores)
}

// SetCredentials replaces the credentials of the store with this path prefix.
func (s *Server) SetCredentials(pathPrefix string, creds []sigv4.Credential) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	stores := slices.Clone(s.state.Load().configs)
	i := slices.IndexFunc(stores, func(st Store) bool { return st.PathPrefix == pathPrefix })
	if i < 0 {
		return fmt.Errorf("there is no key store with the path prefix %q", pathPrefix)
	}
	stores[i].Credentials = slices.Clone(creds)
	return s.setStores(stores)
}

// setStores makes a new state; s.mu is held.
func (s *Server) setStores(stores []Store) error {
	if err := checkStores(stores); err != nil {
		return err
	}
	old := s.state.Load()
	next := s.newState(stores, old)
	s.state.Store(next)
	if old != nil {
		for token, m := range old.monitors {
			if next.monitors[token] == nil {
				m.stop()
			}
		}
		for group, c := range old.comparers {
			if next.comparers[group] == nil {
				c.stop()
			}
		}
	}
	return nil
}

// Drain makes /readyz answer that no more requests are wanted.
func (s *Server) Drain() { s.draining.Store(true) }

// Close ends the health checks and closes what Open has opened.
func (s *Server) Close() error {
	s.cancel()
	s.checks.Wait()
	if s.devices == nil {
		return nil
	}
	return s.devices.close()
}
