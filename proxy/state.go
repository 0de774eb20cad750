package proxy

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"hyok/hsm"
	"hyok/internal/sigv4"
	"hyok/proxy/xks"
)

// A state is everything that is served at a time. It is never changed.
type state struct {
	configs  []Store
	stores   map[string]*store // by path prefix
	monitors map[*hsm.Token]*monitor
	// comparers are those of the stores' groups.
	comparers map[*hsm.Group]*comparer
	router    http.Handler
}

// A store is a Store ready to serve.
type store struct {
	Store
	verifier *sigv4.Verifier
	secrets  map[string]string    // by access key ID
	since    map[string]time.Time // of credentials, by access key ID
	limits   *limits              // outlives the state
	monitors []*monitor           // of the members, in their order; they outlive the state
	meters   map[string]*meter    // by operation
	// decisions counts the policy's, by outcome.
	decisions map[string]prometheus.Counter

	deadline    time.Duration
	concurrency int64
}

// limits is what a store counts.
type limits struct {
	rate     *rate.Limiter
	underWay atomic.Int64
}

// newState makes a state, with what outlives old (which may be nil).
func (s *Server) newState(configs []Store, old *state) *state {
	st := &state{
		configs:  configs,
		stores:   make(map[string]*store, len(configs)),
		monitors: make(map[*hsm.Token]*monitor),
	}
	st.comparers = s.comparersOf(configs, old)
	r := chi.NewRouter()
	r.NotFound(s.notFound)
	r.MethodNotAllowed(s.methodNotAllowed)
	for _, c := range configs {
		one := s.newStore(c, old, st.monitors)
		st.stores[c.PathPrefix] = one
		for _, op := range operations {
			r.Post(c.PathPrefix+xks.BasePath+op.route, s.serve(one, op))
		}
	}
	for _, c := range s.clusters {
		r.Handle(xks.ClusterPathPrefix+c.ID+"/v1/*", c.Handler)
	}
	if s.fleet != nil {
		r.Handle(xks.ClusterPathPrefix+"*", s.fleet)
	}
	st.router = r
	return st
}

func (s *Server) newStore(c Store, old *state, monitors map[*hsm.Token]*monitor) *store {
	one := &store{
		Store:       c,
		secrets:     make(map[string]string, len(c.Credentials)),
		since:       s.credentialsSince(c, old),
		meters:      s.meters.forStore(c.PathPrefix),
		deadline:    cmp.Or(c.Deadline, DefaultDeadline),
		concurrency: int64(cmp.Or(c.Concurrency, DefaultConcurrency)),
	}
	if c.Concurrency < 0 {
		one.concurrency = math.MaxInt64
	}
	for _, cred := range c.Credentials {
		one.secrets[cred.AccessKeyID] = cred.Secret
	}
	one.verifier = sigv4.NewVerifier(sigv4.VerifierConfig{
		Service: xks.Service,
		Regions: c.Regions,
		RawPath: true,
		Lookup: func(id string) (string, bool) {
			secret, ok := one.secrets[id]
			return secret, ok
		},
	})
	if c.Policy != nil {
		one.decisions = s.meters.decisionsOf(c.PathPrefix)
	}
	one.limits = newLimits(c, old)
	for _, m := range c.Token.Members() {
		one.monitors = append(one.monitors, s.monitorOf(m.Token, old, monitors))
	}
	return one
}

// newLimits takes over what the store of the same prefix has counted.
func newLimits(c Store, old *state) *limits {
	limit, burst := rate.Inf, 0
	if c.RateLimit >= 0 {
		limit = rate.Limit(cmp.Or(c.RateLimit, DefaultRateLimit))
		burst = int(max(1, math.Floor(float64(limit))))
	}
	l := &limits{rate: rate.NewLimiter(limit, burst)}
	if old != nil && old.stores[c.PathPrefix] != nil {
		l = old.stores[c.PathPrefix].limits
		l.rate.SetLimit(limit)
		l.rate.SetBurst(burst)
	}
	return l
}

// monitorOf gives the token's one monitor, from monitors, from old, or new.
func (s *Server) monitorOf(t *hsm.Token, old *state, monitors map[*hsm.Token]*monitor) *monitor {
	if m := monitors[t]; m != nil {
		return m
	}
	var m *monitor
	if old != nil {
		m = old.monitors[t]
	}
	if m == nil {
		m = newMonitor(s.ctx, t.Health, s.healthReport(t))
		s.checks.Go(m.run)
	}
	monitors[t] = m
	return m
}

// nameOf is the token's name in the configuration, or its label.
func (s *Server) nameOf(t *hsm.Token) string {
	if name, ok := s.tokenNames[t]; ok {
		return name
	}
	return t.Info().Label
}

// healthReport says what becomes of each check of the token's health: a metric,
// and a line in the log when it has changed.
func (s *Server) healthReport(t *hsm.Token) func(hsm.Health) {
	name := s.nameOf(t)
	was, warned := true, ""
	return func(h hsm.Health) {
		up := 0.0
		if h.OK {
			up = 1
		}
		s.meters.up.WithLabelValues(name).Set(up)
		if warning := fmt.Sprint(h.Warning); h.OK && warning != warned {
			if warned = warning; h.Warning != nil {
				s.log.Warn("the device works, and needs attention", "token", name, "cause", warning)
			}
		}
		if was == h.OK {
			return
		}
		was = h.OK
		if h.OK {
			s.log.Info("the device is available again", "token", name)
		} else {
			s.log.Warn("the device is not available", "token", name, "cause", h.Err)
		}
	}
}

// notFound answers what is under no key store's path.
func (s *Server) notFound(w http.ResponseWriter, _ *http.Request) {
	writeFailure(w, failure(xks.InvalidUriPathException, "no key store of this proxy has this URI path"))
}

// methodNotAllowed answers a wrong method on a right path (XKS fact 10). The
// protocol has no error name for it.
func (s *Server) methodNotAllowed(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Allow", http.MethodPost)
	writeError(w, http.StatusMethodNotAllowed, failure(xks.ValidationException, "the method must be POST"))
}
