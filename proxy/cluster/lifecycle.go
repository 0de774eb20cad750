package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// NewCluster is what Create makes a cluster of.
type NewCluster struct {
	Subnets       []string // IDs, each in a zone of its own
	HSMType, Mode string
	SourceBackup  string // restore this one; empty: a new cluster
	Tags          map[string]string
}

// Create makes a cluster of o, and its token. A new one becomes UNINITIALIZED; one
// that is restored has the keys, users, passwords and certificate of the backup.
func (f *Fleet) Create(ctx context.Context, o Owner, n NewCluster) (*Record, error) {
	if len(n.Subnets) == 0 {
		return nil, invalid("a cluster needs at least one subnet")
	}
	r := &Record{
		ID: newID("cluster-"), Owner: o, State: StateCreating, HSMType: n.HSMType, Mode: n.Mode,
		Subnets: slices.Clone(n.Subnets), SourceBackup: n.SourceBackup, Tags: maps.Clone(n.Tags), HSMs: []HSM{},
	}
	r.Token = r.ID
	r.Group = Group{ID: newNetworkID("sg-"), Name: groupName(r.ID), Ingress: true, Egress: true}
	if err := f.change(func(st *state) error { return st.found(r) }); err != nil {
		return nil, err
	}
	var err error
	if n.SourceBackup != "" {
		err = f.restore(r)
	} else {
		err = f.begin(r)
	}
	if err == nil {
		err = f.open(ctx, r)
	}
	if err != nil {
		return nil, errors.Join(err, f.dropToken(r.Token))
	}
	var out *Record
	return out, f.change(func(st *state) error {
		r.Created, r.Due = f.c.Clock.Now(), f.due()
		st.Clusters[r.ID] = r
		out = copyOf(r)
		return nil
	})
}

// found checks what a cluster is to be founded on, and takes the backup's part.
func (s *state) found(r *Record) error {
	s.network(r.Owner)
	zones := map[string]bool{}
	for _, id := range r.Subnets {
		sub := s.Subnets[id]
		if sub == nil || sub.Owner != r.Owner {
			return invalid("there is no subnet %s; hyok cluster subnet list shows those that there are", id)
		}
		if zones[sub.Zone] {
			return invalid("two of the subnets are in the Availability Zone %s", sub.Zone)
		}
		zones[sub.Zone] = true
		r.VPC = sub.VPC
	}
	if r.SourceBackup == "" {
		r.Users = []User{{Name: "admin", Type: UserPRECO}}
		return nil
	}
	b := s.Backups[r.SourceBackup]
	if b == nil || b.Owner != r.Owner || b.State != StateReady {
		return notFound("there is no backup %s that is ready", r.SourceBackup)
	}
	r.Users, r.Certificate, r.Anchor, r.History = slices.Clone(b.Users), b.Certificate, b.Anchor, b.History
	r.HSMType, r.Mode = b.HSMType, cmp.Or(r.Mode, b.Mode)
	for i := range r.Users {
		r.Users[i].LoggedIn = false
	}
	return nil
}

// begin makes the empty token of a new cluster. Nobody knows its PIN until there
// is a kmsuser.
func (f *Fleet) begin(r *Record) (err error) {
	if r.CSR, err = newCSR(r.ID); err != nil {
		return err
	}
	r.History = r.ID
	return f.c.Tokens.InitToken(r.Token, newID("")+newID(""), f.c.SecurityPIN.Reveal())
}

// dropToken removes a token, if it is there.
func (f *Fleet) dropToken(label string) error {
	path, err := f.c.Tokens.TokenPath(label)
	if err != nil {
		return nil // not made yet
	}
	return f.c.Tokens.RemoveToken(path)
}

// Initialize takes the cluster's certificate and customerCA.crt, PEM: the first
// has to be of the cluster's certificate signing request and signed by the second.
func (f *Fleet) Initialize(o Owner, id, signed, anchor string) (*Record, error) {
	return f.edited(o, id, func(st *state, r *Record) error {
		if r.State != StateUninitialized {
			return invalid("cluster %s is %s; only one that is UNINITIALIZED can be initialized", id, r.State)
		}
		if err := checkSigned(r.CSR, signed, anchor, f.c.Clock.Now()); err != nil {
			return err
		}
		r.Certificate, r.Anchor, r.State, r.Due = signed, anchor, StateInitializing, f.due()
		return nil
	})
}

// edited changes a cluster of o and gives it as it is then.
func (f *Fleet) edited(o Owner, id string, fn func(*state, *Record) error) (out *Record, err error) {
	err = f.change(func(st *state) error {
		r, err := st.cluster(o, id)
		if err != nil {
			return err
		}
		if err := fn(st, r); err != nil {
			return err
		}
		out = copyOf(r)
		return nil
	})
	return out, err
}

// Delete deletes a cluster, which has no HSMs any more, and its token. Its
// backups stay.
func (f *Fleet) Delete(o Owner, id string) (*Record, error) {
	out, err := f.edited(o, id, func(st *state, r *Record) error {
		switch {
		case len(r.HSMs) > 0:
			return invalid("cluster %s has HSMs; delete them first", id)
		case r.State == StateDeleting:
			return invalid("cluster %s is being deleted", id)
		}
		r.State, r.Due = StateDeleting, f.due()
		for _, a := range r.Attached {
			for _, e := range a.ENIs {
				st.release(e.Subnet)
			}
		}
		r.Attached = nil
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, f.shut(id, out.Token)
}

// shut closes the token of a cluster and removes it.
func (f *Fleet) shut(id, label string) error {
	f.mu.Lock()
	c := f.live[id]
	delete(f.live, id)
	f.mu.Unlock()
	if c == nil {
		return nil
	}
	c.tally.Lock()
	defer c.tally.Unlock()
	if err := c.token.Close(); err != nil {
		return err
	}
	return f.dropToken(label)
}

// Clusters gives the clusters of o in the order of their IDs, the deleted ones too.
func (f *Fleet) Clusters(o Owner) []*Record {
	return f.clusters(func(r *Record) bool { return r.Owner == o })
}

// All gives all clusters that have not been deleted.
func (f *Fleet) All() []*Record {
	return f.clusters(func(r *Record) bool { return r.State != StateDeleted })
}

func (f *Fleet) clusters(keep func(*Record) bool) []*Record {
	out, _ := read(f, func(st *state) ([]*Record, error) {
		var out []*Record
		for _, r := range sorted(st.Clusters) {
			if keep(r) {
				out = append(out, copyOf(r))
			}
		}
		return out, nil
	})
	return out
}

// Cluster gives one cluster, whoever's it is.
func (f *Fleet) Cluster(id string) (*Record, error) {
	return read(f, func(st *state) (*Record, error) {
		r, err := st.named(id)
		if err != nil {
			return nil, err
		}
		return copyOf(r), nil
	})
}

// Remembered is Cluster for one that may have been deleted: its backups outlive it.
func (f *Fleet) Remembered(id string) (*Record, error) {
	return read(f, func(st *state) (*Record, error) {
		r := st.Clusters[id]
		if r == nil {
			return nil, notFound("there is no cluster %s", id)
		}
		return copyOf(r), nil
	})
}

// Zones gives the zones of a cluster's subnets, with the subnets' IDs.
func (f *Fleet) Zones(r *Record) map[string]string {
	out, _ := read(f, func(st *state) (map[string]string, error) {
		zones := map[string]string{}
		for _, id := range r.Subnets {
			if s := st.Subnets[id]; s != nil {
				zones[s.Zone] = id
			}
		}
		return zones, nil
	})
	return out
}

// Adopted is a cluster whose token is there already.
type Adopted struct {
	ID string
	Owner
	Token               string // its label; the user PIN is kmsuser's password
	Certificate, Anchor string // PEM; Certificate may be empty
}

// Adopt makes a cluster with two HSMs, active, of a token that is there. A
// cluster of that ID that exists, or was deleted, stays as it is.
func (f *Fleet) Adopt(ctx context.Context, a Adopted) error {
	if _, err := f.Remembered(a.ID); err == nil {
		return nil
	}
	r := &Record{
		ID: a.ID, Owner: a.Owner, State: StateActive, Created: f.c.Clock.Now(), HSMType: "hsm1.medium", Mode: "FIPS",
		Certificate: a.Certificate, Anchor: a.Anchor, History: a.ID, Token: a.Token,
		Group: Group{ID: newNetworkID("sg-"), Name: groupName(a.ID), Ingress: true, Egress: true},
		Users: []User{{Name: "admin", Type: UserCO}, {Name: KMSUser, Type: UserCU}},
	}
	if err := f.open(ctx, r); err != nil {
		return err
	}
	return f.change(func(st *state) error {
		st.network(a.Owner)
		for _, s := range sorted(st.Subnets) {
			if s.Owner == a.Owner {
				r.VPC, r.Subnets = s.VPC, append(r.Subnets, s.ID)
			}
		}
		st.Clusters[r.ID] = r
		for _, z := range defaultZones[:2] {
			if _, err := st.addHSM(r, a.Region+z, "", StateActive); err != nil {
				return err
			}
		}
		return nil
	})
}

// ARN is the backup's ARN.
func (b *Backup) ARN() string {
	partition := "aws"
	if strings.HasPrefix(b.Region, "cn-") {
		partition = "aws-cn"
	}
	return fmt.Sprintf("arn:%s:cloudhsm:%s:%s:backup/%s", partition, b.Region, b.Account, b.ID)
}
