package kmsfront

import (
	"fmt"
	"strings"

	"hyok/internal/config"
	"hyok/internal/sigv4"
	"hyok/kmsfront/keystore"
)

// A File is the configuration file of the front end (cmd/kmsfront/kmsfront.yaml
// is the commented reference). Paths are as the process sees them.
type File struct {
	// Listen is where the KMS API answers plain HTTP, a loopback address as a
	// rule: SigV4 keeps requests from being altered, not from being read.
	Listen string `yaml:"listen"`
	// TLS is where it answers HTTPS; nil: nowhere.
	TLS *FileTLS `yaml:"tls"`
	// OperationsListen is where metrics answer; empty: nowhere.
	OperationsListen string `yaml:"operations_listen"`
	// Regions served; empty: every commercial Region and both of China.
	Regions []string `yaml:"regions"`
	// Identities is the file of accounts and access keys. Needed.
	Identities string `yaml:"identities"`
	// Quotas is guide, off or the path of a quotas file; empty: guide.
	Quotas string `yaml:"quotas"`

	// Store is the file of the embedded store, made if missing; RootKey the file
	// of the key that seals it, made together with the store only.
	Store   string `yaml:"store"`
	RootKey string `yaml:"root_key"`
	// Trail and Events get a JSON line each: CloudTrail records and EventBridge events.
	Trail  string `yaml:"trail"`
	Events string `yaml:"events"`

	KeyStores FileKeyStores `yaml:"key_stores"`
}

// FileTLS is a TLS listener.
type FileTLS struct {
	Listen string `yaml:"listen"`
	Cert   string `yaml:"cert"`
	Key    string `yaml:"key"`
}

// FileKeyStores says how custom key stores are reached.
type FileKeyStores struct {
	// AllowEndpointPort lets XksProxyUriEndpoint have a port, which AWS refuses.
	AllowEndpointPort bool `yaml:"allow_endpoint_port"`
	// Resolve maps a host, or host:port, to the host:port that is dialled for it,
	// or to several with commas between.
	Resolve map[string]string `yaml:"resolve"`
	// TrustCA are PEM files of CAs that key store proxies may have certificates of.
	TrustCA []string `yaml:"trust_ca"`
	// ConnectDelay is how long connecting and disconnecting take; 0: no longer than they need.
	ConnectDelay config.Duration `yaml:"connect_delay"`
	// HealthInterval is the time between health checks of a connected store; 0: three minutes.
	HealthInterval config.Duration `yaml:"health_interval"`
	// Clusters are the CloudHSM clusters that a key store may be put on.
	Clusters []FileCluster `yaml:"clusters"`
	// Fleet says how all other clusters are reached; its ID, Account and Region are not used.
	Fleet *FileCluster `yaml:"fleet"`
}

// FileCluster is a simulated CloudHSM cluster behind a proxy.
type FileCluster struct {
	ID              string              `yaml:"id"`
	Account         string              `yaml:"account"`
	Region          string              `yaml:"region"`
	Endpoint        string              `yaml:"endpoint"`
	AccessKeyID     string              `yaml:"access_key_id"`
	SecretAccessKey config.SecretSource `yaml:"secret_access_key"`
}

// LoadFile reads a configuration file; an error is one line with file and line number.
func LoadFile(path string) (*File, error) {
	var f File
	if err := config.Load(path, &f); err != nil {
		return nil, err
	}
	return &f, nil
}

// Validate finds what is missing; it opens no file.
func (f *File) Validate() error {
	for _, needed := range []struct{ field, value, hint string }{
		{"listen", f.Listen, "set it to the address of the KMS API, for example 127.0.0.1:4599"},
		{"identities", f.Identities, "name the file of accounts and access keys"},
		{"store", f.Store, "name the file that keeps keys and key stores"},
		{"root_key", f.RootKey, "name the file of the key that seals the store"},
		{"trail", f.Trail, "name the file that gets the CloudTrail records"},
	} {
		if needed.value == "" {
			return config.FieldError{Field: needed.field, Msg: "is missing: " + needed.hint}
		}
	}
	if f.TLS != nil && (f.TLS.Listen == "" || f.TLS.Cert == "" || f.TLS.Key == "") {
		return config.FieldError{Field: "tls", Msg: "needs listen, cert and key"}
	}
	if c := f.KeyStores.Fleet; c != nil && !strings.HasPrefix(c.Endpoint, "https://") {
		return config.FieldError{Field: "key_stores.fleet.endpoint", Msg: "must begin with https://"}
	}
	for i, c := range f.KeyStores.Clusters {
		if !strings.HasPrefix(c.Endpoint, "https://") {
			return config.FieldError{Field: fmt.Sprintf("key_stores.clusters.%d.endpoint", i), Msg: "must begin with https://"}
		}
	}
	return nil
}

func (f *FileKeyStores) clusters() []keystore.ClusterConfig {
	all := make([]keystore.ClusterConfig, len(f.Clusters))
	for i, c := range f.Clusters {
		all[i] = *c.config()
	}
	return all
}

// config is how the cluster is reached; nil for none.
func (c *FileCluster) config() *keystore.ClusterConfig {
	if c == nil {
		return nil
	}
	return &keystore.ClusterConfig{
		ID: c.ID, Account: c.Account, Region: c.Region, Endpoint: c.Endpoint,
		Credential: sigv4.Credential{AccessKeyID: c.AccessKeyID, Secret: c.SecretAccessKey.Reveal()},
	}
}
