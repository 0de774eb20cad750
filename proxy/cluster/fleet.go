package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"hyok/hsm"
	"hyok/internal/clock"
	"hyok/internal/config"
	"hyok/internal/durable"
	"hyok/internal/sigv4"
	"hyok/proxy/xks"
	"hyok/softhsm"
)

// FleetConfig configures a Fleet. Fields without a stated zero are needed.
type FleetConfig struct {
	// Dir keeps fleet.json and the backups; it is made if missing.
	Dir string
	// Tokens is where the clusters' tokens are, Module the module that opens them.
	Tokens *softhsm.Dir
	Module *hsm.Module
	// Token is how tokens are opened; its Label and PIN are not used.
	Token hsm.TokenConfig
	// SecurityPIN is the security officer's PIN of all tokens.
	SecurityPIN config.Secret
	// Credentials may sign what the front end sends, at least one.
	Credentials []sigv4.Credential
	// Delay is how long whatever is …_IN_PROGRESS takes; 0: no time.
	Delay time.Duration
	// Clock is what delays follow; nil: the real one.
	Clock clock.Clock
	// Log gets one line a request at level Info; nil: nothing is logged.
	Log *slog.Logger
}

// A Fleet is a number of simulated clusters that can be made and deleted at run
// time, with their network and their backups. It is safe for concurrent use.
type Fleet struct {
	c        FleetConfig
	verifier *sigv4.Verifier
	now      func() time.Time // of signatures

	mu    sync.Mutex
	st    *state
	live  map[string]*Cluster // by ID, with open tokens
	timer func() bool         // stops the wait for what is due next
}

const fleetFile = "fleet.json"

// OpenFleet opens the fleet that c.Dir keeps, or a new one without clusters. Its
// Clusters' tokens are closed with c.Module.
func OpenFleet(ctx context.Context, c FleetConfig) (*Fleet, error) {
	if c.Dir == "" || c.Tokens == nil || c.Module == nil || c.SecurityPIN == "" {
		return nil, errors.New("a fleet needs a directory, tokens, a module and a security officer's PIN")
	}
	f, err := newFleet(c, nil, nil)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(c.Dir, backupsDir), 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of the clusters: %w", err)
	}
	b, err := os.ReadFile(f.path(fleetFile))
	if err == nil {
		if f.st, err = decodeState(b); err != nil {
			return nil, fmt.Errorf("%s is damaged: %w", f.path(fleetFile), err)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the clusters: %w", err)
	}
	for _, r := range sorted(f.st.Clusters) {
		if r.State == StateDeleted || r.State == StateDeleting {
			continue
		}
		if err := f.open(ctx, r); err != nil {
			return nil, err
		}
	}
	return f, f.change(func(st *state) error { return st.restarted() })
}

// newFleet checks credentials and makes a Fleet without clusters.
func newFleet(c FleetConfig, regions []string, now func() time.Time) (*Fleet, error) {
	if len(c.Credentials) == 0 {
		return nil, errors.New("it needs a credential")
	}
	secrets := make(map[string]string, len(c.Credentials))
	for _, cred := range c.Credentials {
		if cred.AccessKeyID == "" || cred.Secret == "" {
			return nil, errors.New("it has a credential without access key ID or secret")
		}
		secrets[cred.AccessKeyID] = cred.Secret
	}
	if c.Clock == nil {
		c.Clock = clock.System{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if now == nil {
		now = time.Now
	}
	return &Fleet{
		c: c, now: now, st: newState(), live: map[string]*Cluster{},
		verifier: sigv4.NewVerifier(sigv4.VerifierConfig{
			Service: xks.Service, Regions: regions, RawPath: true,
			Lookup: func(id string) (string, bool) { s, ok := secrets[id]; return s, ok },
		}),
	}, nil
}

func (f *Fleet) path(name string) string { return filepath.Join(f.c.Dir, name) }

// open opens the token of r's cluster, without a login.
func (f *Fleet) open(ctx context.Context, r *Record) error {
	conf := f.c.Token
	conf.Serial, conf.Label, conf.PIN = "", r.Token, ""
	t, err := f.c.Module.Open(ctx, conf)
	if err != nil {
		return fmt.Errorf("opening cluster %s: %w", r.ID, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live[r.ID] = newCluster(f, r, t)
	return nil
}

// restarted forgets logins, which do not outlive the process.
func (s *state) restarted() error {
	for _, r := range s.Clusters {
		for i := range r.Users {
			r.Users[i].LoggedIn = false
		}
	}
	return nil
}

// change lets fn change a copy of what is known. When fn gives no error and the
// copy is on the disk, the copy takes effect.
func (f *Fleet) change(fn func(*state) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changeLocked(fn)
}

func (f *Fleet) changeLocked(fn func(*state) error) error {
	st := copyOf(f.st)
	st.settle(f.c.Clock.Now())
	if err := fn(st); err != nil {
		return err
	}
	next := st.settle(f.c.Clock.Now())
	f.sweep(st)
	if f.c.Dir != "" {
		b, err := st.encode()
		if err == nil {
			err = durable.WriteFile(f.path(fleetFile), append(b, '\n'), 0o600)
		}
		if err != nil {
			return fmt.Errorf("storing the clusters: %w", err)
		}
	}
	f.st = st
	for id, c := range f.live {
		c.follow(st.Clusters[id])
	}
	f.arm(next)
	return nil
}

// sweep removes the backups whose deletion has ended.
func (f *Fleet) sweep(st *state) {
	for id, b := range st.Backups {
		if b.State != StateDeleted {
			continue
		}
		if err := os.RemoveAll(f.backupPath(id)); err != nil {
			f.c.Log.Warn("a backup could not be removed", slog.String("backup", id), slog.Any("error", err))
		}
		delete(st.Backups, id)
	}
}

// arm waits for what is due next; the lock is held.
func (f *Fleet) arm(next time.Time) {
	if f.timer != nil {
		f.timer()
		f.timer = nil
	}
	if next.IsZero() {
		return
	}
	f.timer = f.c.Clock.AfterFunc(next.Sub(f.c.Clock.Now()), func() {
		if err := f.change(func(*state) error { return nil }); err != nil {
			f.c.Log.Error("a cluster could not go on to its next state", slog.Any("error", err))
		}
	})
}

// Close ends what waits. The tokens stay open until their module is closed.
func (f *Fleet) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.arm(time.Time{})
	return nil
}

// read gives what fn takes from the state, which it must not change.
func read[T any](f *Fleet, fn func(*state) (T, error)) (T, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fn(f.st)
}

// due is the end of what begins now.
func (f *Fleet) due() time.Time { return f.c.Clock.Now().Add(f.c.Delay) }

// cluster gives a cluster whose token is open; nil: there is none.
func (f *Fleet) cluster(id string) *Cluster {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.live[id]
}

// Handler serves the private API of all clusters: xks.ClusterPathPrefix, an ID,
// xks.ClusterVersion and what is below. A cluster that is not there answers
// xks.ClusterNotFound, to those who may know.
func (f *Fleet) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, _ := strings.CutPrefix(r.URL.Path, xks.ClusterPathPrefix)
		id, _, _ := strings.Cut(rest, "/")
		c := f.cluster(id)
		if c == nil {
			c = &Cluster{f: f, id: id, gone: true}
		}
		c.serve(w, r)
	})
}
