package kmsfront

import (
	"context"
	"log/slog"

	"hyok/kmsfront/api"
	"hyok/kmsfront/authz"
	"hyok/kmsfront/material"
	"hyok/kmsfront/quota"
	"hyok/kmsfront/trail"
)

// A request is a call on its way along the road.
type request struct {
	*api.Call
	rules *rules
	// key is the key that the operation works on, ReEncrypt's destination; nil
	// where it names none.
	key *Key
	// source is the key that ReEncrypt decrypts with, UpdateAlias's present target.
	source *Key
	// alias is the alias that an alias operation works on.
	alias *Alias
	extra trail.Extra
}

// Do takes one call along the road that all operations share, and leaves its
// record before the answer: what cannot be recorded is not answered.
func (s *Server) Do(ctx context.Context, c *api.Call) (any, error) {
	c.Caller = authz.InPartition(c.Caller, partition(c.Region))
	r := &request{Call: c, rules: ruleSet[c.Op.Name]}
	out, err := s.walk(ctx, r)
	record := trail.New(c, out, err, s.recorded(r))
	if werr := s.trail.Write(record); werr != nil {
		s.log.LogAttrs(ctx, slog.LevelError, "the trail cannot be written; the request fails",
			slog.String("request", c.RequestID), slog.Any("error", werr))
		return nil, api.Errorf(api.CodeKMSInternalException, "The request could not be recorded.")
	}
	return out, err
}

func (s *Server) walk(ctx context.Context, r *request) (any, error) {
	if r.OnBehalfOf != "" {
		return nil, api.Errorf(api.CodeAccessDeniedException, "User: %s is no service that may act on behalf of another principal", r.Caller.ARN)
	}
	if err := s.resolve(r); err != nil {
		return nil, err
	}
	if err := s.authorize(r); err != nil {
		return nil, err
	}
	if err := s.spend(r); err != nil {
		return nil, err
	}
	if err := s.suffer(ctx, r); err != nil {
		return nil, err
	}
	if err := s.checkKeys(r); err != nil {
		return nil, err
	}
	if r.rules.run == nil {
		return nil, api.Errorf(api.CodeUnsupportedOperationException,
			"%s is not built yet in this version of hyok.", r.Op.Name)
	}
	return r.rules.run(s, ctx, r)
}

// resolve finds the keys that the request names.
func (s *Server) resolve(r *request) (err error) {
	switch {
	case r.rules.find != nil:
		return r.rules.find(s, r)
	case r.rules.keyID != nil:
		r.key, err = s.findKey(r.Call, r.rules.keyID(r.In), r.rules.aliases)
	}
	return err
}

// authorize asks for each permission that the operation needs (guide 004:14203-14413).
func (s *Server) authorize(r *request) error {
	for _, p := range authz.Permissions(r.Op.Name) {
		if p.When != "" && !r.has(p.When) {
			continue
		}
		q := authz.Request{Caller: r.Caller, Operation: r.Op.Name, Action: p.Action, Resource: "*"}
		switch key := r.permissionKey(p); {
		case key != nil:
			q.Resource, q.KeyAccount, q.KeyPolicy = key.ARN, key.Account, key.Policy
		case p.Resource == authz.AliasResource && r.alias != nil:
			q.Resource, q.KeyAccount = r.alias.ARN, r.alias.Account
		}
		if d := s.authz.Decide(&q); !d.Allowed {
			return d.Err(&q)
		}
	}
	return nil
}

// has says whether the request has a member that asks for a permission of its own.
func (r *request) has(member string) bool {
	in, ok := r.In.(*api.CreateKeyRequest)
	return ok && (member == "Tags" && len(in.Tags) > 0 || member == "MultiRegion" && isTrue(in.MultiRegion))
}

func (r *request) permissionKey(p authz.Permission) *Key {
	switch p.Resource {
	case authz.KeyResource:
		return r.key
	case authz.SourceKeyResource:
		return r.source
	}
	return nil
}

// spend takes the request from the caller's bucket and, for cryptography in a
// custom key store, from the store's, shared by all accounts (guide 004:23666-23678).
func (s *Server) spend(r *request) error {
	spec := ""
	if r.key != nil {
		spec = r.key.Spec
	}
	if err := s.quotas.Request(r.Caller.Account, r.Region, quota.Class(r.Op.Name, spec)); err != nil {
		if r.Op.Name == "DescribeKey" && r.key != nil { // metric ExternalKeyStoreThrottle: guide 004:7616-7626
			s.stores.Throttled(r.key.StoreID, r.Op.Name)
		}
		return err
	}
	if !quota.Cryptographic(r.Op.Name) {
		return nil
	}
	for _, k := range [...]*Key{r.source, r.key} {
		if k == nil || k.StoreID == "" {
			continue
		}
		if err := s.quotas.Store(k.StoreID, k.Origin); err != nil {
			s.stores.Throttled(k.StoreID, r.Op.Name)
			return err
		}
	}
	return s.spendRandom(r)
}

// spendRandom is for random bytes from a cluster, which count as well (guide 004:23522).
func (s *Server) spendRandom(r *request) error {
	in, ok := r.In.(*api.GenerateRandomRequest)
	if !ok || in.CustomKeyStoreId == "" {
		return nil
	}
	st, ok := s.stores.Get(in.CustomKeyStoreId)
	if !ok || st.Owner != r.owner() || st.External() {
		return nil // refused by the operation
	}
	return s.quotas.Store(st.ID, st.Type)
}

// checkKeys looks the keys up in the key type and key state tables.
func (s *Server) checkKeys(r *request) error {
	keys := [...]*Key{r.source, r.key}
	if r.Op.Name == "UpdateAlias" {
		keys[0] = nil // a source that is pending deletion does not matter: footnote [10]
	}
	for _, k := range keys {
		if k == nil {
			continue
		}
		if err := r.rules.types.check(k); err != nil {
			return err
		}
		if err := r.rules.states.check(k, s.state(k)); err != nil {
			return err
		}
	}
	return nil
}

// recorded is what the trail keeps of the keys on the way.
func (s *Server) recorded(r *request) trail.Extra {
	for _, k := range [...]*Key{r.source, r.key} {
		if k != nil && k.StoreID != "" && quota.Cryptographic(r.Op.Name) { // failed requests too: guide 004:4729, 4836
			r.extra.AdditionalEventData = inStore(k)
		}
		if k != nil && (k != r.source || r.Op.Name != "UpdateAlias") { // the old target is not shown (guide 004:2153-2204)
			r.extra.Resources = append(r.extra.Resources, trail.Resource{ARN: k.ARN, AccountID: k.Account})
		}
	}
	if r.alias != nil {
		r.extra.Resources = append(r.extra.Resources, trail.Resource{ARN: r.alias.ARN, AccountID: r.alias.Account})
	}
	if r.key != nil {
		r.extra.KeyARN = r.key.ARN
	}
	return r.extra
}

// inStore is what the trail says of the key store that a key is in (guide 004:4727-4831).
func inStore(k *Key) map[string]any {
	data := map[string]any{"customKeyStoreId": k.StoreID}
	if k.XksKeyID != "" {
		data["xksKeyId"] = k.XksKeyID
	}
	return data
}

// withRequest hands down what a key store proxy is told of the call
// (XKS spec, request metadata; guide 004:20423-20438).
func (r *request) withRequest(ctx context.Context, keyARN string) context.Context {
	return material.WithRequest(ctx, material.Request{
		Operation: r.Op.Name, RequestID: r.RequestID, PrincipalARN: r.Caller.ARN, KeyARN: keyARN,
	})
}
