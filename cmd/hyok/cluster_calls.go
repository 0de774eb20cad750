package main

import (
	"hyok/proxy/cluster"
)

// done is the answer of what has nothing to tell.
var done = struct{}{}

func viewOf(r *cluster.Record) clusterView {
	v := clusterView{
		ID: r.ID, Account: r.Account, Region: r.Region, State: r.State, Subnets: r.Subnets, Group: r.Group,
		HSMs: []hsmView{}, Attached: r.Attached, Sessions: r.Limits.Sessions, Busy: r.Limits.Busy, CSR: r.CSR, BackedFrom: r.SourceBackup,
	}
	for _, h := range r.HSMs {
		v.HSMs = append(v.HSMs, viewOfHSM(h))
	}
	return v
}

func viewOfHSM(h cluster.HSM) hsmView { return hsmView{h.ID, h.Zone, h.State, h.Subnet, h.ENI, h.IP} }

func (c *clusterCall) clusters() (any, error) {
	out := []clusterView{}
	for _, r := range c.f.All() {
		out = append(out, viewOf(r))
	}
	return out, nil
}

func (c *clusterCall) cluster() (any, error) {
	r, err := c.f.Cluster(c.id)
	if err != nil {
		return nil, err
	}
	return viewOf(r), nil
}

// owned is what a change of the API asks for beside the ID.
func (c *clusterCall) owned(do func(o cluster.Owner, r *cluster.Record) (any, error)) (any, error) {
	r, err := c.f.Cluster(c.id)
	if err != nil {
		return nil, err
	}
	return do(r.Owner, r)
}

// remembered is owned for what outlives a cluster.
func (c *clusterCall) remembered(do func(o cluster.Owner, r *cluster.Record) (any, error)) (any, error) {
	r, err := c.f.Remembered(c.id)
	if err != nil {
		return nil, err
	}
	return do(r.Owner, r)
}

func (c *clusterCall) initialize() (any, error) {
	return c.owned(func(o cluster.Owner, _ *cluster.Record) (any, error) {
		r, err := c.f.Initialize(o, c.id, c.order.SignedCert, c.order.TrustAnchor)
		if err != nil {
			return nil, err
		}
		return viewOf(r), nil
	})
}

func (c *clusterCall) addHSM() (any, error) {
	return c.owned(func(o cluster.Owner, r *cluster.Record) (any, error) {
		zone := c.order.Zone
		if zone == "" {
			zone = c.f.ChooseZone(r)
		}
		h, err := c.f.AddHSM(o, c.id, zone, "")
		return viewOfHSM(h), err
	})
}

func (c *clusterCall) removeHSM() (any, error) {
	return c.owned(func(o cluster.Owner, _ *cluster.Record) (any, error) {
		h, err := c.f.DeleteHSM(o, c.id, func(h cluster.HSM) bool { return h.ID == c.name })
		return viewOfHSM(h), err
	})
}

func (c *clusterCall) limit() (any, error) {
	return done, c.f.SetLimits(c.id, cluster.Limits{Sessions: c.order.Sessions, Busy: c.order.Busy})
}

func (c *clusterCall) group() (any, error) { return done, c.f.SetGroup(c.id, c.order.Open) }

func (c *clusterCall) users() (any, error) {
	all, err := c.f.Users(c.id)
	out := []userView{}
	for _, u := range all {
		out = append(out, userView{u.Name, u.Type, u.TwoFactor, u.Failures, u.Locked, u.LoggedIn})
	}
	return out, err
}

func (c *clusterCall) createUser() (any, error) {
	u := cluster.User{Name: c.order.Name, Type: c.order.Type, TwoFactor: c.order.TwoFactor}
	return done, c.f.CreateUser(c, c.id, u, c.order.Password)
}

func (c *clusterCall) deleteUser() (any, error) { return done, c.f.DeleteUser(c, c.id, c.name) }

func (c *clusterCall) setPassword() (any, error) {
	return done, c.f.SetPassword(c, c.id, c.name, c.order.Password)
}

func (c *clusterCall) lock() (any, error)   { return done, c.f.Lock(c.id, c.name) }
func (c *clusterCall) unlock() (any, error) { return done, c.f.Unlock(c.id, c.name) }

func (c *clusterCall) logIn() (any, error) {
	return done, c.f.LogIn(c, c.id, c.name, c.order.Password)
}

func (c *clusterCall) logOut() (any, error) { return done, c.f.LogOut(c, c.id, c.name) }

func (c *clusterCall) keys() (any, error) {
	all, err := c.f.Keys(c, c.id)
	out := []keyView{}
	for _, k := range all {
		out = append(out, keyView{k.Handle, k.Label, k.BackingID, k.Owner})
	}
	return out, err
}

func (c *clusterCall) deleteKey() (any, error) { return done, c.f.DeleteKey(c, c.id, c.name) }

func viewOfBackup(b *cluster.Backup) backupView {
	return backupView{b.ID, b.Cluster, b.Region, b.State, b.Created}
}

// backups are those of the cluster's account and Region.
func (c *clusterCall) backups() (any, error) {
	return c.remembered(func(o cluster.Owner, _ *cluster.Record) (any, error) {
		out := []backupView{}
		for _, b := range c.f.Backups(o) {
			out = append(out, viewOfBackup(b))
		}
		return out, nil
	})
}

func (c *clusterCall) backUp() (any, error) {
	b, err := c.f.BackUp(c.id)
	if err != nil {
		return nil, err
	}
	return viewOfBackup(b), nil
}

// restore makes a cluster of a backup in the subnets of the cluster in the path,
// or in others, with as many HSMs as a key store needs.
func (c *clusterCall) restore() (any, error) {
	return c.remembered(func(o cluster.Owner, old *cluster.Record) (any, error) {
		subnets := c.order.Subnets
		if len(subnets) == 0 {
			subnets = old.Subnets
		}
		r, err := c.f.Create(c, o, cluster.NewCluster{Subnets: subnets, SourceBackup: c.name})
		if err != nil {
			return nil, err
		}
		for range 2 {
			if r, err = c.f.Cluster(r.ID); err != nil {
				return nil, err
			}
			if r.State != cluster.StateInitialized && r.State != cluster.StateActive {
				break // it takes its time: the HSMs are to be added later
			}
			if _, err := c.f.AddHSM(o, r.ID, c.f.ChooseZone(r), ""); err != nil {
				return nil, err
			}
		}
		if r, err = c.f.Cluster(r.ID); err != nil {
			return nil, err
		}
		return viewOf(r), nil
	})
}

func (c *clusterCall) subnets() (any, error) {
	return c.remembered(func(o cluster.Owner, _ *cluster.Record) (any, error) {
		all, err := c.f.Subnets(o)
		out := []subnetView{}
		for _, s := range all {
			out = append(out, subnetView{s.ID, s.Zone, s.CIDR, s.Free})
		}
		return out, err
	})
}

func (c *clusterCall) createSubnet() (any, error) {
	return c.remembered(func(o cluster.Owner, _ *cluster.Record) (any, error) {
		s, err := c.f.CreateSubnet(o, c.order.Zone)
		return subnetView{s.ID, s.Zone, s.CIDR, s.Free}, err
	})
}

func (c *clusterCall) setSubnet() (any, error) {
	free := 0
	if c.order.Free != nil {
		free = *c.order.Free
	}
	return done, c.f.SetFree(c.name, free)
}

func (c *clusterCall) deleteSubnet() (any, error) { return done, c.f.DeleteSubnet(c.name) }
