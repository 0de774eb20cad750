package keystore

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"hyok/kmsfront/api"
	"hyok/kmsfront/store"
)

// A claim makes a name unique: it is a record whose key is the name, so that
// two transactions that want it exclude each other in any store.
type claim struct {
	StoreID string
	// Count is the number of holders of a shared claim; in the one claim that
	// counts an owner's key stores, their number.
	Count int
}

// A unique is one thing that no two key stores may share; or that only those may
// share for which it is shared.
type unique struct {
	key    string
	shared bool
	taken  func(holder string) error
}

// uniques are the claims of a record (custom-key-stores §6.2, LC-07, ST-08). What
// is unique in a Region is so across accounts, and names no other account's key store.
func (r *Record) uniques() []unique {
	own := r.Owner.key() + "/"
	out := []unique{{ // both types share the names (contradiction 8): 004:18637, 20904
		"name/" + own + digest(r.Name), false, func(string) error {
			return api.Errorf(api.CodeCustomKeyStoreNameInUseException, msgNameInUse, r.Name)
		},
	}}
	if r.Proxy != nil {
		out = append(out, r.proxyUniques(own)...)
	}
	if r.Cluster != nil { // 004:18391, 18594
		inUse := func(holder string) error {
			return api.Errorf(api.CodeCloudHsmClusterInUseException, msgClusterInUse, r.ClusterID, holder)
		}
		out = append(out,
			unique{"cluster/" + own + r.ClusterID, false, inUse},
			unique{"history/" + own + digest(r.Cluster.Certificate), false, inUse})
	}
	return out
}

// proxyUniques: endpoint and path in the account and Region; the endpoint of a
// VPC endpoint service in the Region, where public ones share theirs with public
// ones only; the service itself.
func (r *Record) proxyUniques(own string) []unique {
	endpoint := strings.ToLower(r.Proxy.Endpoint)
	out := []unique{{ // 004:20830, 20845, 21118
		"uri/" + own + digest(endpoint+r.Proxy.Path), false, func(holder string) error {
			return api.Errorf(api.CodeXksProxyUriInUseException, msgURIInUse, holder)
		},
	}, { // 004:20499-20502, 20572, 20831-20833, 20861
		"endpoint/" + r.Owner.Region + "/" + digest(endpoint), r.Proxy.Service == "", func(string) error {
			return api.Errorf(api.CodeXksProxyUriEndpointInUseException, msgEndpointInUse, r.Proxy.Endpoint)
		},
	}}
	if r.Proxy.Service != "" { // 004:20566, 20657, 20868
		out = append(out, unique{"service/" + r.Proxy.Service, false, func(string) error {
			return api.Errorf(api.CodeXksProxyVpcEndpointServiceInUseException, msgServiceInUse, r.Proxy.Service)
		}})
	}
	return out
}

// digest makes a key of fixed length out of what a caller chose.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func countKey(o Owner) string { return "count/" + o.key() }

// clash tells whether next may have what it wants besides what old has; old may
// be nil.
func clash(read func(key string) (*claim, bool), old, next *Record) error {
	had := old.held()
	for _, u := range next.uniques() {
		c, ok := read(u.key)
		shared, own := had[u.key]
		switch {
		case !ok || own && shared == u.shared:
		case own && c.Count <= 1: // alone in it
		case u.shared && c.Count > 0:
		default:
			return u.taken(c.StoreID)
		}
	}
	return nil
}

// held are the keys of a record's claims, and whether they are shared ones.
func (r *Record) held() map[string]bool {
	had := map[string]bool{}
	if r != nil {
		for _, u := range r.uniques() {
			had[u.key] = u.shared
		}
	}
	return had
}

// hold moves the claims from one version of a record to the next; nil stands
// for a key store that does not exist yet, or any more.
func (m *Manager) hold(tx *store.Tx, old, next *Record) error {
	read := func(key string) (*claim, bool) { return m.claims.Read(tx, key) }
	had, wanted := old.held(), next.held()
	if next != nil {
		if err := clash(read, old, next); err != nil {
			return err
		}
	}
	for key, shared := range had {
		if again, ok := wanted[key]; ok && again == shared {
			delete(wanted, key)
		} else if err := m.share(tx, key, -1); err != nil {
			return err
		}
	}
	for key, shared := range wanted {
		if shared {
			if err := m.share(tx, key, 1); err != nil {
				return err
			}
		} else if err := m.claims.Put(tx, key, &claim{StoreID: next.ID}); err != nil {
			return err
		}
	}
	return nil
}

// share changes the number of those who share a claim, which ends with the last
// one; one that is not shared has one holder.
func (m *Manager) share(tx *store.Tx, key string, by int) error {
	n := claim{}
	if old, ok := m.claims.Read(tx, key); ok {
		n.Count = old.Count
	}
	if n.Count += by; n.Count <= 0 {
		m.claims.Delete(tx, key)
		return nil
	}
	return m.claims.Put(tx, key, &n)
}

// count changes the number of an owner's key stores, up to the quota (guide 004:23469-23473).
func (m *Manager) count(tx *store.Tx, o Owner, by int) error {
	n := claim{}
	if old, ok := m.claims.Read(tx, countKey(o)); ok {
		n = *old
	}
	n.Count += by
	if by > 0 && m.c.MaxStores > 0 && n.Count > m.c.MaxStores {
		return api.Errorf(api.CodeLimitExceededException, msgLimit, m.c.MaxStores)
	}
	return m.claims.Put(tx, countKey(o), &n)
}
