package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"go.opentelemetry.io/otel/trace"

	"hyok/hsm"
	"hyok/internal/fault"
	"hyok/internal/metrics"
	"hyok/proxy/audit"
)

// Parts are what a Server shares with the program around it.
type Parts struct {
	Log     *slog.Logger      // nil: nothing is logged
	Metrics *metrics.Registry // nil: a registry of the Server's own
	Faults  *fault.Set        // nil: none
	Tracer  trace.Tracer      // nil: no traces
	// NewCluster makes the handler of a simulated cluster on its token; nil:
	// clusters are refused.
	NewCluster func(FileCluster, *hsm.Token) (http.Handler, error)
}

// Open loads the modules, opens the tokens and makes the Server of a file. Close
// closes them again.
func Open(ctx context.Context, f *File, p Parts) (s *Server, err error) {
	d := &devices{modules: make(map[string]*hsm.Module), tokens: make(map[string]*hsm.Token), groups: make(map[string]*hsm.Group)}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if err := d.open(ctx, f, p); err != nil {
		return nil, err
	}
	stores, err := d.stores(f)
	if err != nil {
		return nil, err
	}
	clusters, err := d.clusters(ctx, f, p)
	if err != nil {
		return nil, err
	}
	if d.audit, err = f.Audit.open(p.Log); err != nil {
		return nil, err
	}
	s, err = New(ctx, Config{
		Stores: stores, Tokens: d.tokens, Clusters: clusters, Faults: p.Faults, Log: p.Log, LogSample: f.Log.Sample,
		Tracer: p.Tracer, Audit: d.audit, Metrics: p.Metrics,
	})
	if err != nil {
		return nil, err
	}
	s.devices = d
	return s, nil
}

// Reload takes over the key stores of f, with their credentials, keys and
// limits. Listeners, modules and tokens stay as they are. On an error nothing
// changes.
func (s *Server) Reload(f *File) error {
	if s.devices == nil {
		return errors.New("this server was not made from a file")
	}
	stores, err := s.devices.stores(f)
	if err != nil {
		return err
	}
	return s.SetStores(stores)
}

// devices are the modules and tokens of a file, and its audit log.
type devices struct {
	modules map[string]*hsm.Module // by name
	tokens  map[string]*hsm.Token  // by name
	groups  map[string]*hsm.Group  // by name
	others  []*hsm.Token           // of clusters
	audit   *audit.Log             // nil: none

	meter *DeviceMeter // nil: nothing is measured
}

// openToken opens a token of the module, and has it measured under a name.
func (d *devices) openToken(ctx context.Context, module, name string, c hsm.TokenConfig) (*hsm.Token, error) {
	if d.meter == nil {
		return d.module(module).Open(ctx, c)
	}
	c.Observe = d.meter.Observer(name)
	token, err := d.module(module).Open(ctx, c)
	if err == nil {
		d.meter.Watch(name, token)
	}
	return token, err
}

func (d *devices) open(ctx context.Context, f *File, p Parts) error {
	if p.Metrics != nil {
		d.meter = NewDeviceMeter(p.Metrics)
	}
	for _, m := range f.Modules {
		module, err := hsm.Load(hsm.ModuleConfig{Path: m.Path, Reserved: m.Reserved, Faults: p.Faults, Log: p.Log})
		if err != nil {
			return fmt.Errorf("module %q: %w", m.Name, err)
		}
		d.modules[m.Name] = module
	}
	for _, t := range f.Tokens {
		token, err := d.openToken(ctx, t.Module, t.Name, hsm.TokenConfig{
			Serial: t.Serial, Label: t.Label, PIN: t.PIN.Secret, Profile: t.Profile, Workers: t.Workers, Wait: t.Wait,
			MayBeAway: f.inGroup(t.Name),
		})
		if err != nil {
			return fmt.Errorf("token %q: %w", t.Name, err)
		}
		d.tokens[t.Name] = token
	}
	return d.makeGroups(ctx, f)
}

// module finds a module; "" is the only one.
func (d *devices) module(name string) *hsm.Module { return named(d.modules, name) }

// named finds what a reference in the file means; "" is the only one.
func named[T any](all map[string]T, name string) T {
	if name == "" {
		for _, one := range all {
			return one
		}
	}
	return all[name]
}

// stores are the Stores of f.
func (d *devices) stores(f *File) ([]Store, error) {
	stores := make([]Store, len(f.Stores))
	for i, c := range f.Stores {
		token := d.device(c.Token)
		if token == nil {
			return nil, fmt.Errorf("token %q cannot be added without a restart", c.Token)
		}
		rules, err := c.Policy.load(c.PathPrefix)
		if err != nil {
			return nil, err
		}
		stores[i] = Store{
			PathPrefix: c.PathPrefix, Credentials: SigV4(c.Credentials), CredentialSince: c.since(),
			Regions: slices.Clone(c.Regions), Token: token, Keys: c.keys(), AllKeys: c.AllKeys, RateLimit: c.RateLimit, Concurrency: c.Concurrency,
			Deadline: c.Deadline, Disabled: c.Disabled, Policy: rules, PolicyDryRun: c.Policy.DryRun,
		}
	}
	return stores, nil
}

// clusters opens the clusters' tokens, which nobody is logged in to.
func (d *devices) clusters(ctx context.Context, f *File, p Parts) ([]Cluster, error) {
	var clusters []Cluster
	for _, c := range f.Clusters {
		if p.NewCluster == nil {
			return nil, errors.New("clusters cannot be simulated here")
		}
		token, err := d.openToken(ctx, c.Module, c.ID, hsm.TokenConfig{Serial: c.Serial, Label: c.Label, Profile: c.Profile})
		if err != nil {
			return nil, fmt.Errorf("token of %s: %w", c.ID, err)
		}
		d.others = append(d.others, token)
		handler, err := p.NewCluster(c, token)
		if err != nil {
			return nil, err
		}
		clusters = append(clusters, Cluster{ID: c.ID, Handler: handler})
	}
	return clusters, nil
}

func (d *devices) close() error {
	var errs []error
	if d.audit != nil {
		errs = append(errs, d.audit.Close())
	}
	for _, t := range d.tokens {
		errs = append(errs, t.Close())
	}
	for _, t := range d.others {
		errs = append(errs, t.Close())
	}
	for _, m := range d.modules {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}
