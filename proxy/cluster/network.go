package cluster

import (
	"context"
	"fmt"
	"slices"

	"hyok/proxy/xks"
)

// freeAddresses are those of a /24 subnet, less the five that AWS keeps.
const freeAddresses = 251

// firstHost is the host part of the first address of a subnet that is given.
const firstHost = 10

// defaultZones are the zones that a network has a subnet in.
var defaultZones = []string{"a", "b", "c"}

func groupName(clusterID string) string { return "cloudhsm-cluster-" + clusterID + "-sg" }

// network makes o's VPC, with a subnet in each zone, unless it has been made.
func (s *state) network(o Owner) {
	if s.Networks[o.key()] != "" {
		return
	}
	vpc := newNetworkID("vpc-")
	s.Networks[o.key()] = vpc
	for _, z := range defaultZones {
		s.addSubnet(o, o.Region+z)
	}
}

func (s *state) addSubnet(o Owner, zone string) *Subnet {
	n := 0
	for _, other := range s.Subnets {
		if other.Owner == o {
			n++
		}
	}
	sub := &Subnet{
		ID: newNetworkID("subnet-"), VPC: s.Networks[o.key()], Zone: zone, Owner: o,
		CIDR: fmt.Sprintf("10.0.%d.0/24", n+1), Free: freeAddresses, Next: firstHost,
	}
	s.Subnets[sub.ID] = sub
	return sub
}

// Subnets gives the subnets of o, by zone. The first look makes o's VPC and a
// subnet in each of three zones.
func (f *Fleet) Subnets(o Owner) ([]Subnet, error) {
	var out []Subnet
	err := f.change(func(st *state) error {
		st.network(o)
		for _, s := range sorted(st.Subnets) {
			if s.Owner == o {
				out = append(out, *s)
			}
		}
		return nil
	})
	slices.SortStableFunc(out, func(a, b Subnet) int { return compareZones(a.Zone, b.Zone) })
	return out, err
}

func compareZones(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// address takes an address of a subnet; wanted is the one to take, empty: any.
func (s *Subnet) address(wanted string) (string, error) {
	if s.Free < 1 {
		return "", invalid("subnet %s has no free address", s.ID)
	}
	s.Free--
	if wanted != "" {
		return wanted, nil
	}
	s.Next++
	var third int
	_, _ = fmt.Sscanf(s.CIDR, "10.0.%d.", &third) // 0 where a cluster on its own has no CIDR
	return fmt.Sprintf("10.0.%d.%d", third, firstHost+(s.Next-firstHost)%(freeAddresses-firstHost)), nil
}

// release gives the address of an interface back to its subnet.
func (s *state) release(subnet string) {
	if sub := s.Subnets[subnet]; sub != nil {
		sub.Free = min(sub.Free+1, freeAddresses)
	}
}

// attach is the network part of connecting a key store: every subnet of the
// cluster must be there and have a free address (guide 004:19734-19757).
func (c *Cluster) attach(_ context.Context, in *xks.ClusterAttachRequest) (*xks.ClusterEmpty, error) {
	err := c.f.change(func(st *state) error {
		r, err := st.named(c.id)
		if err != nil {
			return err
		}
		return st.attach(r, in.KeyStoreID)
	})
	return &xks.ClusterEmpty{}, err
}

func (s *state) attach(r *Record, keyStore string) error {
	for _, id := range r.Subnets {
		if s.Subnets[id] == nil {
			return refuse(xks.ClusterSubnetNotFound, "subnet "+id+" does not exist")
		}
	}
	if slices.ContainsFunc(r.Attached, func(a Attachment) bool { return a.KeyStore == keyStore }) {
		return nil
	}
	a := Attachment{
		KeyStore: keyStore, GroupName: "kms-" + keyStore, Description: "KMS managed ENI for cluster " + r.ID,
	}
	for _, id := range r.Subnets {
		ip, err := s.Subnets[id].address("")
		if err != nil {
			return refuse(xks.ClusterNoAddress, err.Error())
		}
		a.ENIs = append(a.ENIs, ENI{ID: newNetworkID("eni-"), Subnet: id, IP: ip})
	}
	r.Attached = append(r.Attached, a)
	return nil
}

func (c *Cluster) detach(_ context.Context, in *xks.ClusterAttachRequest) (*xks.ClusterEmpty, error) {
	err := c.f.change(func(st *state) error {
		r, err := st.named(c.id)
		if err != nil {
			return err
		}
		r.Attached = slices.DeleteFunc(r.Attached, func(a Attachment) bool {
			if a.KeyStore != in.KeyStoreID {
				return false
			}
			for _, e := range a.ENIs {
				s := e.Subnet
				st.release(s)
			}
			return true
		})
		return nil
	})
	return &xks.ClusterEmpty{}, err
}
