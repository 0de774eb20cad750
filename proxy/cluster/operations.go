package cluster

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"

	"hyok/hsm"
	"hyok/internal/config"
	"hyok/proxy/xks"
)

func (c *Cluster) describe(context.Context, *xks.ClusterEmpty) (*xks.ClusterDescription, error) {
	return &c.description, nil
}

func (c *Cluster) connect(ctx context.Context, in *xks.ClusterConnectRequest) (*xks.ClusterEmpty, error) {
	if !validPassword(in.Password) || in.NewPassword != "" && !validPassword(in.NewPassword) {
		return nil, refuse(xks.ClusterInvalidRequest, "passwords have 7 to 32 alphanumeric characters")
	}
	c.login.Lock()
	defer c.login.Unlock()
	if err := c.logIn(ctx, config.Secret(in.Password)); err != nil {
		return nil, err
	}
	if in.NewPassword != "" {
		if err := c.token.SetPIN(ctx, config.Secret(in.Password), config.Secret(in.NewPassword)); err != nil {
			return nil, err
		}
	}
	return &xks.ClusterEmpty{}, nil
}

// logIn gives the password to the token at most once. To a token that is logged
// in, hsm compares it with the one in memory; when they differ, an
// administrator may have changed it since, and the token has to say. After a
// refusal nobody is logged in.
func (c *Cluster) logIn(ctx context.Context, password config.Secret) error {
	before := c.token.LoggedIn()
	err := c.token.Login(ctx, password)
	if before && errors.Is(err, hsm.ErrPIN) {
		if err := c.token.Logout(ctx); err != nil {
			return err
		}
		err = c.token.Login(ctx, password)
	}
	if errors.Is(err, hsm.ErrPIN) {
		return errors.Join(err, c.token.Logout(ctx))
	}
	return err
}

func (c *Cluster) disconnect(ctx context.Context, _ *xks.ClusterEmpty) (*xks.ClusterEmpty, error) {
	c.login.Lock()
	defer c.login.Unlock()
	return &xks.ClusterEmpty{}, c.token.Logout(ctx)
}

// validPassword keeps kmsuser's password to what the guide allows (guide 004:18623).
func validPassword(p string) bool {
	return len(p) >= 7 && len(p) <= 32 && !strings.ContainsFunc(p, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	})
}

func (c *Cluster) createKey(ctx context.Context, in *xks.ClusterKeyRequest) (*xks.ClusterKey, error) {
	if err := checkLabel(in.Label); err != nil {
		return nil, err
	}
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
	return &xks.ClusterEmpty{}, c.token.DeleteKey(ctx, in.Label)
}

func (c *Cluster) listKeys(ctx context.Context, in *xks.ClusterListKeysRequest) (*xks.ClusterKeys, error) {
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
