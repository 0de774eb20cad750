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
	Count   int // of the owner's key stores, in the one claim that counts them
}

// A unique is one thing that no two key stores may share.
type unique struct {
	key   string
	taken func(holder string) error
}

// uniques are the claims of a record (custom-key-stores §6.2, LC-07, ST-08). Rules
// about VPC endpoint services come with those.
func (r *Record) uniques() []unique {
	own := r.Owner.key() + "/"
	out := []unique{{ // both types share the names (contradiction 8): 004:18637, 20904
		"name/" + own + digest(r.Name), func(string) error {
			return api.Errorf(api.CodeCustomKeyStoreNameInUseException, msgNameInUse, r.Name)
		},
	}}
	if r.Proxy != nil { // 004:20830, 20845, 21118
		out = append(out, unique{
			"uri/" + own + digest(strings.ToLower(r.Proxy.Endpoint)+r.Proxy.Path), func(holder string) error {
				return api.Errorf(api.CodeXksProxyUriInUseException, msgURIInUse, holder)
			},
		})
	}
	if r.Cluster != nil { // 004:18391, 18594
		inUse := func(holder string) error {
			return api.Errorf(api.CodeCloudHsmClusterInUseException, msgClusterInUse, r.ClusterID, holder)
		}
		out = append(out,
			unique{"cluster/" + own + r.ClusterID, inUse},
			unique{"history/" + own + digest(r.Cluster.Certificate), inUse})
	}
	return out
}

// digest makes a key of fixed length out of what a caller chose.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func countKey(o Owner) string { return "count/" + o.key() }

// hold moves the claims from one version of a record to the next; nil stands
// for a key store that does not exist yet, or any more.
func (m *Manager) hold(tx *store.Tx, old, next *Record) error {
	had := map[string]bool{}
	if old != nil {
		for _, u := range old.uniques() {
			had[u.key] = true
		}
	}
	if next != nil {
		for _, u := range next.uniques() {
			if had[u.key] {
				delete(had, u.key)
				continue
			}
			if holder, ok := m.claims.Read(tx, u.key); ok {
				return u.taken(holder.StoreID)
			}
			if err := m.claims.Put(tx, u.key, &claim{StoreID: next.ID}); err != nil {
				return err
			}
		}
	}
	for key := range had {
		m.claims.Delete(tx, key)
	}
	return nil
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
