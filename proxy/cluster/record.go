package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"hyok/proxy/xks"
)

// States of clusters, HSMs and backups, as the CloudHSM v2 API names them.
const (
	StateCreating      = "CREATE_IN_PROGRESS"
	StateUninitialized = "UNINITIALIZED"
	StateInitializing  = "INITIALIZE_IN_PROGRESS"
	StateInitialized   = "INITIALIZED"
	StateActive        = xks.ClusterStateActive
	StateDeleting      = "DELETE_IN_PROGRESS"
	StateDeleted       = "DELETED"
	StateReady         = "READY"            // of backups
	StatePending       = "PENDING_DELETION" // of backups
)

// Types of users (AWS CloudHSM: precrypto officer, crypto officer, crypto user).
const (
	UserPRECO = "PRECO"
	UserCO    = "CO"
	UserCU    = "CU"
)

// KMSUser is the crypto user that AWS KMS logs in as (guide 004:18611-18630).
const KMSUser = "kmsuser"

// Owner is the account and Region that something belongs to.
type Owner struct{ Account, Region string }

func (o Owner) key() string { return o.Account + "/" + o.Region }

// Record is what is known of a cluster besides what its token holds. A Record
// that a Fleet gives is a copy.
type Record struct {
	ID string
	Owner
	State string
	// Due is when a State that ends in _IN_PROGRESS is over; zero: it stays.
	Due                 time.Time `json:",omitzero"`
	Created             time.Time
	HSMType, Mode       string
	VPC                 string
	Subnets             []string // IDs
	Group               Group
	CSR                 string // PEM; while UNINITIALIZED
	Certificate, Anchor string // the cluster's certificate and customerCA.crt, PEM
	// History stands for Certificate where there is none: clusters that were
	// restored from one another's backups have it in common.
	History      string
	HSMs         []HSM
	Users        []User
	Attached     []Attachment
	SourceBackup string            `json:",omitempty"`
	Token        string            // its label
	Tags         map[string]string `json:",omitempty"`
	Limits       Limits
}

// HSM is one HSM of a cluster.
type HSM struct {
	ID     string    // hsm-…
	Zone   string    // Availability Zone
	State  string    // empty in a Config: StateActive
	Due    time.Time `json:",omitzero"`
	Subnet string    `json:",omitempty"`
	ENI    string    `json:",omitempty"`
	IP     string    `json:",omitempty"`
}

// Group is the security group cloudhsm-cluster-<ID>-sg. Both rules let TCP ports
// 2223 to 2225 pass from and to the group itself (guide 004:18602).
type Group struct {
	ID, Name        string
	Ingress, Egress bool
}

// Subnet is a private subnet of the simulated network.
type Subnet struct {
	ID, VPC, Zone, CIDR string
	Owner
	Free int // addresses
	Next int // host part of the address that is given next
}

// Attachment is what connecting a key store puts into the cluster's network: the
// security group kms-<key store> and an interface in each subnet (guide
// 004:18883-18889).
type Attachment struct {
	KeyStore, GroupName, Description string
	ENIs                             []ENI
}

// ENI is a network interface.
type ENI struct{ ID, Subnet, IP string }

// User is a user of a cluster.
type User struct {
	Name, Type string
	// Hash is of the password; kmsuser's is the token's PIN and has none here.
	Hash      string `json:",omitempty"`
	TwoFactor bool   `json:",omitempty"`
	Failures  int    // wrong passwords since the last right one
	Locked    bool
	LoggedIn  bool // with one of the command line tools
}

// Limits are troubles of a cluster made on purpose.
type Limits struct {
	Sessions *int `json:",omitempty"` // PKCS#11 sessions at a time; nil: no limit
	Busy     bool // with work of others (guide 004:19454)
}

// Backup is a copy of a cluster at a moment: its token, users and certificate.
type Backup struct {
	ID string
	Owner
	State                                     string
	Due                                       time.Time `json:",omitzero"`
	Created                                   time.Time
	Cluster                                   string
	HSMType, Mode                             string
	Users                                     []User
	Certificate, Anchor, History              string
	SourceRegion, SourceBackup, SourceCluster string            `json:",omitempty"` // of a copy from another Region
	Copied                                    time.Time         `json:",omitzero"`
	Deleted                                   time.Time         `json:",omitzero"` // when the deletion ends
	NeverExpires                              bool              `json:",omitempty"`
	Tags                                      map[string]string `json:",omitempty"`
}

// state is all that a Fleet knows, as fleet.json keeps it.
type state struct {
	Clusters map[string]*Record
	Backups  map[string]*Backup
	Networks map[string]string // Owner.key → VPC
	Subnets  map[string]*Subnet
}

func newState() *state {
	return &state{
		Clusters: map[string]*Record{}, Backups: map[string]*Backup{},
		Networks: map[string]string{}, Subnets: map[string]*Subnet{},
	}
}

func (s *state) encode() ([]byte, error) { return json.MarshalIndent(s, "", "  ") }

func decodeState(b []byte) (*state, error) {
	s := newState()
	if err := json.Unmarshal(b, s); err != nil {
		return nil, err
	}
	for id, r := range s.Clusters {
		if r == nil || r.ID != id {
			return nil, errors.New("a cluster is not under its ID")
		}
	}
	return s, nil
}

// copyOf is a deep copy of something that is kept as JSON.
func copyOf[T any](v *T) *T {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encoding %T: %v", v, err)) // strings, numbers and times alone
	}
	out := new(T)
	if err := json.Unmarshal(b, out); err != nil {
		panic(fmt.Sprintf("decoding %T: %v", v, err))
	}
	return out
}

// cluster gives a cluster of o that has not been deleted.
func (s *state) cluster(o Owner, id string) (*Record, error) {
	r := s.Clusters[id]
	if r == nil || r.Owner != o || r.State == StateDeleted {
		return nil, notFound("there is no cluster %s", id)
	}
	return r, nil
}

// named is cluster for an administrator, who sees all owners' clusters.
func (s *state) named(id string) (*Record, error) {
	r := s.Clusters[id]
	if r == nil || r.State == StateDeleted {
		return nil, notFound("there is no cluster %s", id)
	}
	return r, nil
}

// activeHSMs counts the HSMs that can be used.
func (r *Record) activeHSMs() int {
	n := 0
	for _, h := range r.HSMs {
		if h.State == StateActive {
			n++
		}
	}
	return n
}

func (r *Record) user(name string) *User {
	i := slices.IndexFunc(r.Users, func(u User) bool { return u.Name == name })
	if i < 0 {
		return nil
	}
	return &r.Users[i]
}

// activated tells whether the first crypto officer has a password of its own.
func (r *Record) activated() bool {
	return slices.ContainsFunc(r.Users, func(u User) bool { return u.Type == UserCO })
}

// sorted gives the values of m in the order of their keys.
func sorted[V any](m map[string]V) []V {
	out := make([]V, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}

// settle lets all that is due by now come about, and gives when the next is due.
func (s *state) settle(now time.Time) (next time.Time) {
	wait := func(due *time.Time, over func()) {
		switch {
		case due.IsZero():
		case !due.After(now):
			*due = time.Time{}
			over()
		case next.IsZero() || due.Before(next):
			next = *due
		}
	}
	for _, r := range s.Clusters {
		for i := range r.HSMs {
			h := &r.HSMs[i]
			wait(&h.Due, func() { h.State = after[h.State] })
		}
		r.HSMs = slices.DeleteFunc(r.HSMs, func(h HSM) bool { return h.State == StateDeleted })
		wait(&r.Due, func() { r.settled() })
		if r.State == StateInitialized && r.activated() && r.activeHSMs() > 0 {
			r.State = StateActive
		}
	}
	for _, b := range s.Backups {
		wait(&b.Due, func() { b.State = afterBackup[b.State] })
	}
	return next
}

// What the states of HSMs and backups become.
var (
	after       = map[string]string{StateCreating: StateActive, StateDeleting: StateDeleted}
	afterBackup = map[string]string{StateCreating: StateReady, StatePending: StateDeleted}
)

// settled ends a cluster's state. One that was made of a backup has been
// initialised before.
func (r *Record) settled() {
	switch r.State {
	case StateCreating:
		r.State = StateUninitialized
		if r.SourceBackup != "" {
			r.State = StateInitialized
		}
	case StateInitializing:
		r.State, r.CSR = StateInitialized, ""
	case StateDeleting:
		r.State = StateDeleted
	}
}
