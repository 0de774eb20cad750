package cluster

import (
	"context"
	"errors"

	"hyok/hsm"
	"hyok/proxy/xks"
)

// KeyEntry is a key of a cluster as key_mgmt_util shows it.
type KeyEntry struct {
	xks.ClusterKey
	Owner string // the crypto user
}

var errNobody = invalid("nobody is logged in as kmsuser, without which its keys cannot be seen: connect the key store, or log in with hyok cluster user login kmsuser")

// Keys is findKey: all keys of a cluster by label. Somebody must be logged in as
// kmsuser, be it AWS KMS (guide 004:19530, 19600-19630).
func (f *Fleet) Keys(ctx context.Context, id string) ([]KeyEntry, error) {
	c, err := f.officer(id)
	if err != nil {
		return nil, err
	}
	all, err := c.token.Keys(ctx)
	if errors.Is(err, hsm.ErrNotLoggedIn) {
		return nil, errNobody
	}
	if err != nil {
		return nil, err
	}
	out := []KeyEntry{}
	for _, k := range all {
		out = append(out, KeyEntry{wireKey(k), KMSUser})
	}
	return out, nil
}

// DeleteKey is deleteKey: it destroys the key with this handle. Only its owner
// can: log in as kmsuser first (guide 004:19880-19900).
func (f *Fleet) DeleteKey(ctx context.Context, id, handle string) error {
	c, err := f.officer(id)
	if err != nil {
		return err
	}
	u, err := c.user(KMSUser)
	if err != nil {
		return err
	}
	if !u.LoggedIn {
		return invalid("only its owner can delete a key: disconnect the key store and log in with hyok cluster user login kmsuser")
	}
	all, err := f.Keys(ctx, id)
	if err != nil {
		return err
	}
	for _, k := range all {
		if k.Handle == handle {
			c.tally.RLock()
			defer c.tally.RUnlock()
			return c.token.DeleteKey(ctx, k.Label)
		}
	}
	return notFound("cluster %s has no key with the handle %s", id, handle)
}

// SetLimits makes trouble for those who use a cluster's keys, or ends it.
func (f *Fleet) SetLimits(id string, l Limits) error {
	if l.Sessions != nil && *l.Sessions < 0 {
		return invalid("a cluster has no fewer than 0 sessions")
	}
	return f.editNamed(id, func(_ *state, r *Record) error { r.Limits = l; return nil })
}

// SetGroup adds the two rules of a cluster's security group, or removes them.
func (f *Fleet) SetGroup(id string, open bool) error {
	return f.editNamed(id, func(_ *state, r *Record) error {
		r.Group.Ingress, r.Group.Egress = open, open
		return nil
	})
}

func (f *Fleet) editNamed(id string, fn func(*state, *Record) error) error {
	return f.change(func(st *state) error {
		r, err := st.named(id)
		if err != nil {
			return err
		}
		return fn(st, r)
	})
}

// SetFree sets how many free addresses a subnet has.
func (f *Fleet) SetFree(subnet string, free int) error {
	if free < 0 || free > freeAddresses {
		return invalid("a subnet has 0 to %d free addresses", freeAddresses)
	}
	return f.change(func(st *state) error {
		s := st.Subnets[subnet]
		if s == nil {
			return notFound("there is no subnet %s", subnet)
		}
		s.Free = free
		return nil
	})
}

// DeleteSubnet removes a subnet, which a cluster may still name.
func (f *Fleet) DeleteSubnet(subnet string) error {
	return f.change(func(st *state) error {
		if st.Subnets[subnet] == nil {
			return notFound("there is no subnet %s", subnet)
		}
		delete(st.Subnets, subnet)
		return nil
	})
}

// CreateSubnet makes a subnet of o in a zone.
func (f *Fleet) CreateSubnet(o Owner, zone string) (out Subnet, err error) {
	if len(zone) != len(o.Region)+1 || zone[:len(o.Region)] != o.Region {
		return out, invalid("%q is no Availability Zone of %s", zone, o.Region)
	}
	return out, f.change(func(st *state) error {
		st.network(o)
		out = *st.addSubnet(o, zone)
		return nil
	})
}
