package cluster

import (
	"cmp"
	"slices"
)

// AddHSM makes an HSM in a zone of a cluster of o; ip is its address, empty: any
// free one. A cluster that has been activated is backed up, which is how a new
// HSM gets its contents.
func (f *Fleet) AddHSM(o Owner, id, zone, ip string) (HSM, error) {
	var out HSM
	_, err := f.edited(o, id, func(st *state, r *Record) (err error) {
		switch r.State {
		case StateUninitialized, StateInitialized, StateActive:
		default:
			return invalid("cluster %s is %s, which lets no HSM be added", id, r.State)
		}
		if out, err = st.addHSM(r, zone, ip, StateCreating); err != nil {
			return err
		}
		h := &r.HSMs[len(r.HSMs)-1]
		h.Due = f.due()
		out = *h
		return nil
	})
	if err != nil {
		return HSM{}, err
	}
	return out, f.backUpContents(id)
}

func (s *state) addHSM(r *Record, zone, ip, hsmState string) (HSM, error) {
	i := slices.IndexFunc(r.Subnets, func(id string) bool { return s.Subnets[id] != nil && s.Subnets[id].Zone == zone })
	if i < 0 {
		return HSM{}, invalid("cluster %s has no subnet in the Availability Zone %q", r.ID, zone)
	}
	sub := s.Subnets[r.Subnets[i]]
	if slices.ContainsFunc(r.HSMs, func(h HSM) bool { return ip != "" && h.IP == ip }) {
		return HSM{}, invalid("the address %s is in use", ip)
	}
	address, err := sub.address(ip)
	if err != nil {
		return HSM{}, err
	}
	h := HSM{ID: newID("hsm-"), Zone: zone, State: hsmState, Subnet: sub.ID, ENI: newNetworkID("eni-"), IP: address}
	r.HSMs = append(r.HSMs, h)
	return h, nil
}

// ChooseZone gives the zone of a cluster with the fewest HSMs.
func (f *Fleet) ChooseZone(r *Record) string {
	have := map[string]int{}
	for _, h := range r.HSMs {
		have[h.Zone]++
	}
	best := ""
	for zone := range f.Zones(r) {
		if best == "" || cmp.Or(cmp.Compare(have[zone], have[best]), cmp.Compare(zone, best)) < 0 {
			best = zone
		}
	}
	return best
}

// DeleteHSM removes the HSM of a cluster of o for which is holds. The cluster is
// backed up before.
func (f *Fleet) DeleteHSM(o Owner, id string, is func(HSM) bool) (HSM, error) {
	if _, err := read(f, func(st *state) (*Record, error) { return st.hasHSM(o, id, is) }); err != nil {
		return HSM{}, err
	}
	if err := f.backUpContents(id); err != nil {
		return HSM{}, err
	}
	var out HSM
	_, err := f.edited(o, id, func(st *state, r *Record) error {
		if _, err := st.hasHSM(o, id, is); err != nil {
			return err
		}
		h := &r.HSMs[slices.IndexFunc(r.HSMs, is)]
		if h.State == StateDeleting {
			return invalid("HSM %s is being deleted", h.ID)
		}
		h.State, h.Due = StateDeleting, f.due()
		st.release(h.Subnet)
		out = *h
		return nil
	})
	return out, err
}

func (s *state) hasHSM(o Owner, id string, is func(HSM) bool) (*Record, error) {
	r, err := s.cluster(o, id)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(r.HSMs, is) {
		return nil, notFound("cluster %s has no such HSM", id)
	}
	return r, nil
}
