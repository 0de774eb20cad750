package kmsfront

import (
	"context"
	"strings"

	"hyok/kmsfront/api"
	"hyok/kmsfront/store"
)

// Alias names (guide kms-core AL-02, AL-03).
const (
	aliasPrefix   = "alias/"
	reservedAlias = "alias/aws/"
)

func checkAliasName(name string) error {
	switch {
	case !strings.HasPrefix(name, aliasPrefix) || name == aliasPrefix:
		return api.Errorf(api.CodeInvalidAliasNameException, "Alias must start with the prefix %q and a name after it.", aliasPrefix)
	case strings.HasPrefix(name, reservedAlias):
		return api.Errorf(api.CodeInvalidAliasNameException, "Aliases that begin with %q are reserved for AWS managed keys.", reservedAlias)
	case strings.Contains(name, ":"):
		return api.Errorf(api.CodeInvalidAliasNameException, "An alias has letters, digits and /_- only.")
	}
	return nil
}

func (s *Server) createAlias(ctx context.Context, r *request, in *api.CreateAliasRequest) (*api.Empty, error) {
	if err := checkAliasName(in.AliasName); err != nil {
		return nil, err
	}
	now := s.clock.Now()
	a := &Alias{
		Name: in.AliasName, ARN: arn(r.Caller.Account, r.Region, in.AliasName),
		Account: r.Caller.Account, Region: r.Region, TargetKeyID: r.key.ID, Created: now, Updated: now,
	}
	r.alias = a
	return nothing, store.Update(ctx, s.store, func(tx *store.Tx) error {
		if _, taken := s.aliases.Read(tx, a.recordKey()); taken {
			return api.Errorf(api.CodeAlreadyExistsException, "An alias with the name %s already exists", a.ARN)
		}
		return s.pointAlias(tx, a)
	})
}

// pointAlias stores an alias if its key still exists and has room for it.
func (s *Server) pointAlias(tx *store.Tx, a *Alias) error {
	k, ok := s.keys.Read(tx, a.target())
	if !ok {
		return api.Errorf(api.CodeNotFoundException, "Key '%s' does not exist", arn(a.Account, a.Region, "key/"+a.TargetKeyID))
	}
	if limit := s.quotas.Resource("aliases-per-key"); limit > 0 && s.aliases.Count(aliasesByKey, a.target()) >= limit {
		return api.Errorf(api.CodeLimitExceededException, "%s has reached the limit of %d aliases.", k.ARN, limit)
	}
	// Written unchanged, so that two changes around one key meet each other.
	if err := s.keys.Put(tx, k.recordKey(), k); err != nil {
		return err
	}
	return s.aliases.Put(tx, a.recordKey(), a)
}

// findUpdateAlias finds the alias with its present target as source, and the
// new target as the key.
func findUpdateAlias(s *Server, r *request) (err error) {
	in := r.In.(*api.UpdateAliasRequest)
	if r.key, err = s.findKey(r.Call, in.TargetKeyId, false); err != nil {
		return err
	}
	return s.findAlias(r, in.AliasName, &r.source)
}

func findDeleteAlias(s *Server, r *request) error {
	return s.findAlias(r, r.In.(*api.DeleteAliasRequest).AliasName, &r.key)
}

func (s *Server) findAlias(r *request, name string, key **Key) error {
	if err := checkAliasName(name); err != nil {
		return err
	}
	a, ok := s.lookupAlias(recordKey(r.Caller.Account, r.Region, name))
	if !ok {
		return api.Errorf(api.CodeNotFoundException, "Alias %s is not found.", arn(r.Caller.Account, r.Region, name))
	}
	r.alias = a
	*key, _ = s.lookup(a.target())
	return nil
}

// updateAlias points an alias at another key of the same type and usage
// (guide kms-core AL-07).
func (s *Server) updateAlias(ctx context.Context, r *request, in *api.UpdateAliasRequest) (*api.Empty, error) {
	if r.source != nil && (keyType(r.source) != keyType(r.key) || r.source.Usage != r.key.Usage) {
		return nil, invalid("Alias %s cannot be changed from %s (%s, %s) to %s (%s, %s): key type and usage must stay.",
			r.alias.ARN, r.source.ARN, r.source.Spec, r.source.Usage, r.key.ARN, r.key.Spec, r.key.Usage)
	}
	return nothing, store.Update(ctx, s.store, func(tx *store.Tx) error {
		now, ok := s.aliases.Read(tx, r.alias.recordKey())
		if !ok {
			return api.Errorf(api.CodeNotFoundException, "Alias %s is not found.", r.alias.ARN)
		}
		changed := *now
		changed.TargetKeyID, changed.Updated = r.key.ID, s.clock.Now()
		return s.pointAlias(tx, &changed)
	})
}

func (s *Server) deleteAlias(ctx context.Context, r *request, _ *api.DeleteAliasRequest) (*api.Empty, error) {
	return nothing, store.Update(ctx, s.store, func(tx *store.Tx) error {
		s.aliases.Delete(tx, r.alias.recordKey())
		return nil
	})
}

// findListAliases resolves the optional KeyId, which must be a key ID or ARN.
func findListAliases(s *Server, r *request) (err error) {
	if id := r.In.(*api.ListAliasesRequest).KeyId; id != "" {
		r.key, err = s.findKey(r.Call, id, false)
	}
	return err
}

func (s *Server) listAliases(_ context.Context, r *request, in *api.ListAliasesRequest) (*api.ListAliasesResponse, error) {
	p, err := newPage(r.Op.Name, in.Marker, in.Limit, defaultPage)
	if err != nil {
		return nil, err
	}
	prefix := place(r.Caller.Account, r.Region)
	list := s.aliases.Scan(prefix, p.from(prefix))
	if r.key != nil {
		list = s.aliases.By(aliasesByKey, r.key.recordKey(), p.from(prefix))
	}
	out := &api.ListAliasesResponse{Aliases: []*api.AliasListEntry{}}
	for _, a := range list {
		if len(out.Aliases) == p.limit {
			out.Truncated, out.NextMarker = true, p.marker(out.Aliases[p.limit-1].AliasName)
			break
		}
		out.Aliases = append(out.Aliases, &api.AliasListEntry{
			AliasName: a.Name, AliasArn: a.ARN, TargetKeyId: a.TargetKeyID,
			CreationDate: a.Created, LastUpdatedDate: a.Updated,
		})
	}
	return out, nil
}
