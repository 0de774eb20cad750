package proxy

import (
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"go.opentelemetry.io/otel/trace"

	"hyok/hsm"
	"hyok/internal/fault"
	"hyok/internal/metrics"
	"hyok/internal/sigv4"
	"hyok/proxy/audit"
	"hyok/proxy/policy"
	"hyok/proxy/xks"
)

// Config configures a Server.
type Config struct {
	// Stores are the key stores served, at least one, each with a PathPrefix
	// of its own.
	Stores []Store
	// Tokens names the devices, for metrics; nil: they are named by label.
	Tokens map[string]*hsm.Token
	// Clusters are served on the same listener; nil: none.
	Clusters []Cluster
	// Fleet serves all clusters that are not among Clusters, under /cluster/; nil: there are none.
	Fleet http.Handler
	// Faults are the failures made on purpose at fault.Proxy; nil: none.
	Faults *fault.Set
	// Log gets one line a request, at level Info, and at Warn when the answer
	// counts against the proxy's reliability or a policy that is being tried
	// would have refused the request; nil: nothing is logged.
	Log *slog.Logger
	// LogSample is every how many successes one is at level Info, the others at
	// Debug; 0: 1.
	LogSample int
	// Tracer makes a span for each request, with children for the time that the
	// device took; nil: none.
	Tracer trace.Tracer
	// Audit gets a line for each request whose signature was verified, before the
	// answer; when it cannot have it, the request fails. Nil: none. It stays the
	// caller's to close.
	Audit *audit.Log
	// Metrics gets the metrics; nil: a registry of the Server's own.
	Metrics *metrics.Registry
	// Now checks the dates of signatures; nil: time.Now.
	Now func() time.Time
}

// Credential is a proxy authentication credential: an access key ID and a secret
// (XKS fact 37).
type Credential = sigv4.Credential

// Store is a key store: what one path prefix serves.
type Store struct {
	// PathPrefix is empty or "/prefix", before xks.BasePath (XKS fact 19).
	PathPrefix string
	// Credentials that may sign, at least one; two while one is being replaced.
	Credentials []sigv4.Credential
	// CredentialSince says when a credential was made, by access key ID, for the
	// metric of its age; not there: since the Server first accepted it.
	CredentialSince map[string]time.Time
	// Regions that may be in a signature; nil: any.
	Regions []string
	// Token holds the external keys: a *hsm.Token or a *hsm.Group.
	Token Device
	// Keys by external key ID; nil: every key of the token, under its label.
	Keys map[string]Key
	// AllKeys has every key of the token offered under its label, too, when Keys
	// adds IDs or settings.
	AllKeys bool
	// RateLimit is in requests a second, the burst one second's worth and at
	// least 1; 0: DefaultRateLimit; negative: none.
	RateLimit float64
	// Concurrency is how many requests may be under way at once; 0:
	// DefaultConcurrency; negative: no limit.
	Concurrency int
	// Deadline is what a request may take, once it has been read, before it is
	// answered with DependencyTimeoutException; 0: DefaultDeadline.
	Deadline time.Duration
	// Disabled refuses all use of the store's keys with InvalidStateException,
	// and GetKeyMetadata says that they are DISABLED.
	Disabled bool
	// Policy decides who may use the keys; nil: all whom KMS lets. It is not
	// asked about GetHealthStatus.
	Policy *policy.Set
	// PolicyDryRun lets through what Policy refuses, and logs it.
	PolicyDryRun bool
}

// Key is an external key of a Store.
type Key struct {
	// Label is the key's label on the token; empty: the external key ID.
	Label string
	// Disabled refuses all use of the key with InvalidStateException, whatever
	// the device says of it, and GetKeyMetadata says that it is DISABLED.
	Disabled bool
	// Sample has ciphertexts of the sample proxy decrypted too; nil: not.
	Sample *SampleFormat
}

// Cluster is a simulated cluster, served under /cluster/<ID>/v1/.
type Cluster struct {
	ID      string
	Handler http.Handler // sees the whole path
}

// The limits of a Store that sets none.
const (
	// DefaultRateLimit is KMS's own quota of a key store (XKS fact 92).
	DefaultRateLimit = 1800
	// DefaultConcurrency keeps the wait for a device well under the deadline.
	DefaultConcurrency = 256
	// DefaultDeadline leaves 50 ms of KMS's 250 to the network (XKS fact 94).
	DefaultDeadline = 200 * time.Millisecond
)

// The forms of a proxy authentication credential (XKS fact 37).
var (
	accessKeyIDForm = regexp.MustCompile(`^[A-Z2-7]{20,30}$`)
	secretForm      = regexp.MustCompile(`^[A-Za-z0-9/+=]{43,64}$`)
	clusterIDForm   = regexp.MustCompile(`^cluster-[A-Za-z0-9]{1,40}$`)
)

// CheckAccessKeyID checks the form of an access key ID (XKS fact 37). Only
// configuration is checked so: a request with another ID is one that cannot
// be authenticated, not one that is malformed.
func CheckAccessKeyID(id string) error {
	if !accessKeyIDForm.MatchString(id) {
		return fmt.Errorf("access key ID must be 20 to 30 of A-Z 2-7, this has %d characters", len(id))
	}
	return nil
}

// CheckSecret checks the form of a secret access key (XKS fact 37). The error
// does not show it.
func CheckSecret(secret string) error {
	if !secretForm.MatchString(secret) {
		return fmt.Errorf("secret access key must be 43 to 64 of A-Z a-z 0-9 / + =, this has %d characters", len(secret))
	}
	return nil
}

func checkStores(stores []Store) error {
	if len(stores) == 0 {
		return fmt.Errorf("at least one key store is needed")
	}
	seen := make(map[string]bool, len(stores))
	for _, st := range stores {
		if seen[st.PathPrefix] {
			return fmt.Errorf("two key stores have the path prefix %q", st.PathPrefix)
		}
		seen[st.PathPrefix] = true
		if err := checkStore(st); err != nil {
			return fmt.Errorf("key store %q: %w", st.PathPrefix, err)
		}
	}
	return nil
}

func checkStore(st Store) error {
	if err := xks.CheckPrefix(st.PathPrefix); err != nil {
		return err
	}
	if st.Token == nil {
		return fmt.Errorf("it has no token")
	}
	if len(st.Credentials) == 0 {
		return fmt.Errorf("at least one credential is needed")
	}
	ids := make(map[string]bool, len(st.Credentials))
	for i, c := range st.Credentials {
		if ids[c.AccessKeyID] {
			return fmt.Errorf("credential %d has the access key ID of another", i+1)
		}
		ids[c.AccessKeyID] = true
		if err := CheckAccessKeyID(c.AccessKeyID); err != nil {
			return fmt.Errorf("credential %d: %w", i+1, err)
		}
		if err := CheckSecret(c.Secret); err != nil {
			return fmt.Errorf("credential %d: %w", i+1, err)
		}
	}
	for id := range st.Keys {
		if !xks.ValidKeyID(id) {
			return fmt.Errorf("external key ID %q must be 1 to %d of A-Z a-z 0-9 . _ -", id, xks.MaxKeyID)
		}
	}
	return nil
}

func checkClusters(clusters []Cluster) error {
	seen := make(map[string]bool, len(clusters))
	for _, c := range clusters {
		switch {
		case !clusterIDForm.MatchString(c.ID):
			return fmt.Errorf("cluster ID %q must be cluster- and up to 40 letters and digits", c.ID)
		case seen[c.ID]:
			return fmt.Errorf("two clusters have the ID %q", c.ID)
		case c.Handler == nil:
			return fmt.Errorf("cluster %q has no handler", c.ID)
		}
		seen[c.ID] = true
	}
	return nil
}
