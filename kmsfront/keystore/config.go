package keystore

import (
	"cmp"
	"context"
	"crypto/x509"
	"log/slog"
	"time"

	"hyok/internal/clock"
	"hyok/internal/fault"
	"hyok/internal/sigv4"
	"hyok/kmsfront/material"
	"hyok/kmsfront/store"
	"hyok/proxy/xks"
)

// Defaults of a Config.
const (
	// DefaultHealthInterval is KMS's "every few minutes" (XKS spec, GetHealthStatus).
	DefaultHealthInterval = 3 * time.Minute
	// DefaultReady connections are enough for a call or two after a quiet time.
	DefaultReady = 2
	// warmPause is how many times no connection is opened after one could not be.
	warmPause = 10
)

// ClusterConfig says how a simulated CloudHSM cluster is reached.
type ClusterConfig struct {
	ID string // cluster-…
	// Account and Region that the cluster belongs to: only their key stores can use it.
	Account, Region string
	Endpoint        string // https://host[:port] of the proxy that serves it
	Credential      sigv4.Credential
}

// Config configures a Manager. Store and Software are needed.
type Config struct {
	// Store keeps the records, under the prefixes "keystores/", "keystore-claims/"
	// and "vpc-services/".
	Store store.Store
	// Software makes the inner layer of external keys' ciphertexts.
	Software *material.Software
	// Clock is what delays and health checks follow; nil: the real one.
	Clock clock.Clock
	// ConnectDelay is how long CONNECTING and DISCONNECTING last at least; 0: no
	// longer than they need.
	ConnectDelay time.Duration
	// HealthInterval is the time between health checks of a connected external
	// key store; 0: DefaultHealthInterval; negative: none.
	HealthInterval time.Duration
	// ProxyTimeout limits each attempt at a proxy; 0: the 250 ms that KMS has.
	ProxyTimeout time.Duration
	// Ready is how many connections to the proxy of a connected key store are kept
	// ready through quiet times; 0: DefaultReady; negative: none.
	Ready int
	// AllowEndpointPort accepts https://host:port where KMS wants no port (guide 004:20817).
	AllowEndpointPort bool
	// Resolve maps host names to the host:port to dial instead, or to several with
	// commas between; nil: none.
	Resolve map[string]string
	// ServiceTarget is the host:port of the proxy behind VPC endpoint services that
	// name none; empty: their private DNS names are looked up like others.
	ServiceTarget string
	// Roots are the CAs of proxies and clusters; nil: the system's.
	Roots *x509.CertPool
	// Clusters are the simulated CloudHSM clusters; nil: none.
	Clusters []ClusterConfig
	// Fleet says how all other clusters are reached, which may be made and deleted
	// meanwhile and tell themselves whose they are; its ID, Account and Region are
	// not used. nil: there are no others.
	Fleet *ClusterConfig
	// HasKeys tells whether KMS keys live in a key store; nil: none do.
	HasKeys func(storeID string) bool
	// XksKeyInUse tells whether a KMS key of the store has this external key; nil:
	// that is found out when the KMS key is committed.
	XksKeyInUse func(storeID, xksKeyID string) bool
	// MaxStores is the quota of key stores an account and Region; 0 or less: none.
	MaxStores int
	// Observer is told what is measured; nil: nobody is.
	Observer Observer
	// Faults are the failures made on purpose at fault.Network; nil: none.
	Faults *fault.Set
	// Log gets what neither callers nor metrics see; nil: nothing is logged.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Clock == nil {
		c.Clock = clock.System{}
	}
	if c.Observer == nil {
		c.Observer = Observers{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.HasKeys == nil {
		c.HasKeys = func(string) bool { return false }
	}
	if c.XksKeyInUse == nil {
		c.XksKeyInUse = func(string, string) bool { return false }
	}
	c.Ready = cmp.Or(c.Ready, DefaultReady)
	c.ProxyTimeout = cmp.Or(c.ProxyTimeout, xks.DefaultTimeout)
	c.HealthInterval = cmp.Or(c.HealthInterval, DefaultHealthInterval)
	return c
}

// requestID is the request that ctx belongs to; what KMS does on its own gets
// an ID of its own.
func requestID(ctx context.Context) string {
	if r := material.RequestFrom(ctx); r.RequestID != "" {
		return r.RequestID
	}
	return newRequestID()
}
