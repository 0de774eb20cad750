package proxy

import (
	"time"

	"hyok/internal/config"
	"hyok/internal/sigv4"
)

// File is the configuration file of the xksproxy command. The reference file
// beside the command says what each key is for; what is left out has the zero
// value described there.
type File struct {
	Listen        string       `yaml:"listen"`
	MetricsListen string       `yaml:"metrics_listen"` // empty: nowhere
	TLS           FileTLS      `yaml:"tls"`
	Modules       []FileModule `yaml:"modules"`
	Tokens        []FileToken  `yaml:"tokens"`
	Groups        []FileGroup  `yaml:"groups"`
	Stores        []FileStore  `yaml:"stores"`
	// InjectFaults serves /faults on MetricsListen, which must be loopback.
	InjectFaults     bool          `yaml:"inject_faults"`
	SimulateClusters bool          `yaml:"simulate_clusters"`
	Clusters         []FileCluster `yaml:"clusters"`
	Audit            FileAudit     `yaml:"audit"`
	Log              FileLog       `yaml:"log"`
	Tracing          FileTracing   `yaml:"tracing"`
	// DrainDelay is how long the proxy goes on, not ready, when it is to end; 0: not.
	DrainDelay time.Duration `yaml:"drain_delay"`
	// Pprof serves profiles on MetricsListen, which must be loopback.
	Pprof bool `yaml:"pprof"`
}

// FileLog says what is logged of requests.
type FileLog struct {
	Sample int `yaml:"sample"` // every how many successes; 0: 1
}

// FileTracing says where traces go.
type FileTracing struct {
	Endpoint string `yaml:"endpoint"` // OTLP over HTTP; empty: nowhere
}

// FileTLS is the certificate shown, and what is asked of clients.
type FileTLS struct {
	Cert        string   `yaml:"cert"`
	Key         string   `yaml:"key"`
	ClientCA    string   `yaml:"client_ca"`
	ClientNames []string `yaml:"client_names"`
}

// FileModule is a PKCS#11 module.
type FileModule struct {
	Name     string `yaml:"name"`
	Path     string `yaml:"path"`
	Reserved string `yaml:"reserved"` // pReserved of C_Initialize; empty: none
}

// FileToken is a token of a module.
type FileToken struct {
	Name    string              `yaml:"name"`
	Module  string              `yaml:"module"` // empty: the only one
	Label   string              `yaml:"label"`
	Serial  string              `yaml:"serial"`
	PIN     config.SecretSource `yaml:"pin"`
	Profile string              `yaml:"profile"` // of hsm.Profiles; empty: generic
	Workers int                 `yaml:"workers"` // 0: the profile's
	Wait    time.Duration       `yaml:"wait"`    // 0: hsm's default
}

// FileStore is a key store.
type FileStore struct {
	PathPrefix  string           `yaml:"path_prefix"`
	Token       string           `yaml:"token"` // or a group; empty: the only one
	Credentials []FileCredential `yaml:"credentials"`
	Regions     []string         `yaml:"regions"` // empty: any
	Keys        []FileKey        `yaml:"keys"`
	AllKeys     bool             `yaml:"all_keys"`
	RateLimit   float64          `yaml:"rate_limit"`  // 0: DefaultRateLimit; negative: none
	Concurrency int              `yaml:"concurrency"` // 0: DefaultConcurrency; negative: no limit
	Deadline    time.Duration    `yaml:"deadline"`    // 0: DefaultDeadline
	Disabled    bool             `yaml:"disabled"`
	Policy      FilePolicy       `yaml:"policy"`
}

// FileCredential is a proxy authentication credential.
type FileCredential struct {
	AccessKeyID string              `yaml:"access_key_id"`
	Secret      config.SecretSource `yaml:"secret"`
	Since       Date                `yaml:"since"` // when it was made; zero: not known
}

// FileKey is an external key.
type FileKey struct {
	ID       string `yaml:"id"`
	Label    string `yaml:"label"` // empty: ID
	Disabled bool   `yaml:"disabled"`
	// SampleProxyCiphertexts has ciphertexts of the sample proxy decrypted too.
	SampleProxyCiphertexts *FileSampleFormat `yaml:"sample_proxy_ciphertexts"`
}

// FileCluster is a simulated cluster on a token of its own.
type FileCluster struct {
	ID          string           `yaml:"id"`
	Module      string           `yaml:"module"` // empty: the only one
	Label       string           `yaml:"label"`
	Serial      string           `yaml:"serial"`
	Profile     string           `yaml:"profile"` // of hsm.Profiles; empty: generic
	TrustAnchor string           `yaml:"trust_anchor"`
	Zones       []string         `yaml:"zones"`
	Credentials []FileCredential `yaml:"credentials"`
	Regions     []string         `yaml:"regions"` // empty: any
}

// LoadFile reads and checks a configuration file. The error is one line with
// file and line, and shows no secret.
func LoadFile(path string) (*File, error) {
	f := new(File)
	if err := config.Load(path, f); err != nil {
		return nil, err
	}
	return f, nil
}

// SigV4 gives the credentials in the form that signs and verifies.
func SigV4(list []FileCredential) []sigv4.Credential {
	all := make([]sigv4.Credential, len(list))
	for i, c := range list {
		all[i] = sigv4.Credential{AccessKeyID: c.AccessKeyID, Secret: c.Secret.Reveal()}
	}
	return all
}
