package cluster

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"

	"hyok/hsm"
	"hyok/proxy/xks"
)

func (c *Cluster) describe(context.Context, *xks.ClusterEmpty) (*xks.ClusterDescription, error) {
	return read(c.f, func(st *state) (*xks.ClusterDescription, error) { return st.description(c.id) })
}

// description is what KMS is told of a cluster.
func (s *state) description(id string) (*xks.ClusterDescription, error) {
	r, err := s.named(id)
	if err != nil {
		return nil, err
	}
	d := &xks.ClusterDescription{
		ClusterID: r.ID, Account: r.Account, Region: r.Region, State: r.State,
		TrustAnchor: r.Anchor, Certificate: r.identity(), HSMs: []xks.ClusterHSM{}, Subnets: []xks.ClusterSubnet{},
		SecurityGroupOpen: r.Group.Ingress && r.Group.Egress,
	}
	for _, h := range r.HSMs {
		d.HSMs = append(d.HSMs, xks.ClusterHSM{ID: h.ID, Zone: h.Zone, State: h.State})
	}
	for _, id := range r.Subnets {
		if n := s.Subnets[id]; n != nil {
			d.Subnets = append(d.Subnets, xks.ClusterSubnet{ID: n.ID, Zone: n.Zone})
		}
	}
	return d, nil
}

// begin takes a PKCS#11 session of KMS's for an operation, until end is called.
func (c *Cluster) begin() (end func(), err error) {
	if why := c.refuse.Load(); why != nil {
		return nil, why
	}
	if !c.kms.Load() {
		return nil, hsm.ErrNotLoggedIn
	}
	limit := c.limit.Load()
	if n := c.inUse.Add(1); limit >= 0 && n > limit {
		c.inUse.Add(-1)
		return nil, refuse(xks.ClusterNoSession, "all PKCS#11 sessions are in use")
	}
	return func() { c.inUse.Add(-1) }, nil
}

func (c *Cluster) createKey(ctx context.Context, in *xks.ClusterKeyRequest) (*xks.ClusterKey, error) {
	if err := checkLabel(in.Label); err != nil {
		return nil, err
	}
	end, err := c.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	c.tally.RLock()
	defer c.tally.RUnlock()
	k, err := c.token.CreateKey(ctx, in.Label)
	if err != nil {
		return nil, err
	}
	wire := wireKey(k)
	return &wire, nil
}

func (c *Cluster) deleteKey(ctx context.Context, in *xks.ClusterKeyRequest) (*xks.ClusterEmpty, error) {
	if err := checkLabel(in.Label); err != nil {
		return nil, err
	}
	end, err := c.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	c.tally.RLock()
	defer c.tally.RUnlock()
	return &xks.ClusterEmpty{}, c.token.DeleteKey(ctx, in.Label)
}

func (c *Cluster) listKeys(ctx context.Context, in *xks.ClusterListKeysRequest) (*xks.ClusterKeys, error) {
	end, err := c.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	all, err := c.token.Keys(ctx) // sorted by label
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(k hsm.Key) bool { return k.Label <= in.After })
	out := &xks.ClusterKeys{Keys: []xks.ClusterKey{}, More: len(all) > xks.ClusterPage}
	for _, k := range all[:min(len(all), xks.ClusterPage)] {
		out.Keys = append(out.Keys, wireKey(k))
	}
	return out, nil
}

func checkLabel(label string) error {
	if label == "" || len(label) > xks.ClusterMaxLabel {
		return refuse(xks.ClusterInvalidRequest, "label must have 1 to 2048 bytes")
	}
	return nil
}

// wireKey tells of a key. A PKCS#11 handle holds for a session only, while
// CloudHSM's are the same for ever: the first bytes of the random CKA_ID stand
// for it.
func wireKey(k hsm.Key) xks.ClusterKey {
	var head [4]byte
	copy(head[:], k.ID)
	handle := binary.BigEndian.Uint32(head[:])
	return xks.ClusterKey{Label: k.Label, Handle: strconv.FormatUint(uint64(handle), 10), BackingID: hex.EncodeToString(k.ID)}
}

func (c *Cluster) random(ctx context.Context, in *xks.ClusterRandomRequest) (*xks.ClusterRandomResponse, error) {
	if in.NumberOfBytes < 1 || in.NumberOfBytes > xks.ClusterMaxRandom {
		return nil, refuse(xks.ClusterInvalidRequest, "numberOfBytes must be 1 to 1024")
	}
	end, err := c.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	b, err := c.token.Random(ctx, in.NumberOfBytes) // which needs no login on most devices
	if err == nil && !c.token.LoggedIn() {
		err = hsm.ErrNotLoggedIn
	}
	if err != nil {
		return nil, err
	}
	return &xks.ClusterRandomResponse{Bytes: b}, nil
}

func (c *Cluster) encrypt(ctx context.Context, in *xks.ClusterEncryptRequest) (*xks.ClusterSealed, error) {
	if err := checkSizes(in.Label, in.Plaintext, in.AAD); err != nil {
		return nil, err
	}
	end, err := c.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	s, err := c.token.Encrypt(ctx, in.Label, in.Plaintext, in.AAD)
	return &xks.ClusterSealed{IV: s.IV, Ciphertext: s.Ciphertext, Tag: s.Tag}, err
}

func (c *Cluster) decrypt(ctx context.Context, in *xks.ClusterDecryptRequest) (*xks.ClusterDecryptResponse, error) {
	if err := checkSizes(in.Label, in.Ciphertext, in.AAD); err != nil {
		return nil, err
	}
	if len(in.IV) != xks.IVSize || len(in.Tag) != xks.TagSize {
		return nil, refuse(xks.ClusterInvalidCiphertext, "the ciphertext or its additional data is not valid")
	}
	end, err := c.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	p, err := c.token.Decrypt(ctx, in.Label, in.IV, in.Ciphertext, in.Tag, in.AAD)
	return &xks.ClusterDecryptResponse{Plaintext: p}, err
}

func checkSizes(label string, data, aad []byte) error {
	if err := checkLabel(label); err != nil {
		return err
	}
	if len(data) > xks.ClusterMaxPlaintext || len(aad) > xks.ClusterMaxAAD {
		return refuse(xks.ClusterTooLarge, "plaintext, ciphertext or additional data is too long")
	}
	return nil
}
