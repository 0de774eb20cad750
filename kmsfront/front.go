package kmsfront

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"hyok/certs"
	"hyok/internal/clock"
	"hyok/internal/fault"
	"hyok/internal/metrics"
	"hyok/kmsfront/api"
	"hyok/kmsfront/authz"
	"hyok/kmsfront/cloudwatch"
	"hyok/kmsfront/keystore"
	"hyok/kmsfront/quota"
	"hyok/kmsfront/store"
	"hyok/kmsfront/trail"
)

// Parts are what a front end shares with the program it runs in.
type Parts struct {
	Clock   clock.Clock // nil: the real one
	Faults  *fault.Set  // nil: none
	Log     *slog.Logger
	Metrics *metrics.Registry
	// ServiceTarget is the host:port of the proxy behind VPC endpoint services
	// that name none; empty: there is none.
	ServiceTarget string
}

// A Front is a Server with everything that its configuration file names, ready
// to be served.
type Front struct {
	handler http.Handler
	data    *cloudwatch.Metrics
	stores  *keystore.Manager
	close   []func() error
}

// Open opens store, trail and identities and starts a Server on them. It needs
// the file to be valid; the Front works until ctx ends and must be closed.
func Open(ctx context.Context, f *File, p Parts) (front *Front, err error) {
	if p.Clock == nil {
		p.Clock = clock.System{}
	}
	opened := &Front{data: cloudwatch.New(p.Clock)}
	defer func() {
		if err != nil {
			err = errors.Join(err, opened.Close())
		}
	}()
	identities, err := authz.LoadIdentities(f.Identities)
	if err != nil {
		return nil, err
	}
	quotas, err := openQuotas(f.Quotas)
	if err != nil {
		return nil, err
	}
	roots, err := certs.LoadPool(f.KeyStores.TrustCA...)
	if err != nil {
		return nil, err
	}
	c := Config{Quotas: quotas, Authz: authz.New(), Faults: p.Faults, Clock: p.Clock, Log: p.Log, KeyStores: keystore.Config{
		ConnectDelay: f.KeyStores.ConnectDelay.Std(), HealthInterval: f.KeyStores.HealthInterval.Std(),
		AllowEndpointPort: f.KeyStores.AllowEndpointPort, Resolve: f.KeyStores.Resolve, ServiceTarget: p.ServiceTarget,
		Roots: roots, Clusters: f.KeyStores.clusters(), Fleet: f.KeyStores.Fleet.config(), Faults: p.Faults,
		Observer: keystore.Observers{keystore.NewObserver(p.Metrics, p.Clock), keystore.NewPoints(opened.data, p.Clock)},
	}}
	if err := opened.openFiles(f, &c); err != nil {
		return nil, err
	}
	server, err := New(ctx, c)
	if err != nil {
		return nil, err
	}
	opened.onClose(server.Close)
	opened.stores = server.stores
	opened.handler = api.NewHandler(api.HandlerConfig{
		Service: server, Authenticate: identities.Authenticate, Regions: f.Regions, Log: p.Log, Metrics: p.Metrics,
	})
	return opened, nil
}

// openFiles opens what the front end writes to.
func (f *Front) openFiles(file *File, c *Config) error {
	root, err := store.OpenRootKey(file.RootKey, file.Store)
	if err != nil {
		return err
	}
	c.Root = root
	if c.Store, err = store.OpenBolt(file.Store, root, store.BoltOptions{}); err != nil {
		return err
	}
	f.onClose(c.Store.Close)
	if c.Trail, err = trail.Open(trail.Config{Path: file.Trail, Events: file.Events, Log: c.Log}); err != nil {
		return err
	}
	f.onClose(c.Trail.Close)
	return nil
}

// openQuotas reads guide, off or the path of a quotas file.
func openQuotas(choice string) (*quota.Quotas, error) {
	switch choice {
	case "", "guide":
		return quota.New(quota.Config{})
	case "off":
		return quota.New(quota.Config{Off: true})
	}
	values, err := quota.LoadFile(choice)
	if err != nil {
		return nil, err
	}
	return quota.New(quota.Config{Values: *values})
}

func (f *Front) onClose(do func() error) { f.close = append(f.close, do) }

// Handler serves the KMS API.
func (f *Front) Handler() http.Handler { return f.handler }

// MetricData answers questions for the data points of CloudWatch's metrics.
func (f *Front) MetricData() http.Handler { return f.data.Handler() }

// KeyStores keeps the custom key stores, for the program's administration.
func (f *Front) KeyStores() *keystore.Manager { return f.stores }

// Close ends the front end and closes its files, the last opened first.
func (f *Front) Close() error {
	var all error
	for i := len(f.close) - 1; i >= 0; i-- {
		all = errors.Join(all, f.close[i]())
	}
	f.close = nil
	return all
}
