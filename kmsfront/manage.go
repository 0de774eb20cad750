package kmsfront

import (
	"context"
	"slices"
	"strings"

	"hyok/kmsfront/api"
	"hyok/kmsfront/authz"
)

// nothing answers an operation that has no output.
var nothing = &api.Empty{}

// maxPage is the most entries of a list (the API's LimitType), and the number
// given without a Limit where the API names no other.
const (
	maxPage      = 1000
	defaultPage  = 100
	defaultTags  = 50
	policyName   = "default"
	maxTags      = 50 // guide 004:3065
	reservedTags = "aws:"
)

func (s *Server) describeKey(_ context.Context, r *request, _ *api.DescribeKeyRequest) (*api.DescribeKeyResponse, error) {
	return &api.DescribeKeyResponse{KeyMetadata: s.metadata(r.key)}, nil
}

func (s *Server) listKeys(_ context.Context, r *request, in *api.ListKeysRequest) (*api.ListKeysResponse, error) {
	p, err := newPage(r.Op.Name, in.Marker, in.Limit, defaultPage)
	if err != nil {
		return nil, err
	}
	out := &api.ListKeysResponse{Keys: []*api.KeyListEntry{}}
	prefix := place(r.Caller.Account, r.Region)
	for _, k := range s.keys.Scan(prefix, p.from(prefix)) {
		if len(out.Keys) == p.limit {
			out.Truncated, out.NextMarker = true, p.marker(out.Keys[p.limit-1].KeyId)
			break
		}
		out.Keys = append(out.Keys, &api.KeyListEntry{KeyArn: k.ARN, KeyId: k.ID})
	}
	return out, nil
}

func (s *Server) enableKey(ctx context.Context, r *request, _ *api.EnableKeyRequest) (*api.Empty, error) {
	return nothing, s.change(ctx, r.key, func(k *Key) error { k.Disabled = false; return nil })
}

func (s *Server) disableKey(ctx context.Context, r *request, _ *api.DisableKeyRequest) (*api.Empty, error) {
	return nothing, s.change(ctx, r.key, func(k *Key) error { k.Disabled = true; return nil })
}

func (s *Server) updateKeyDescription(ctx context.Context, r *request, in *api.UpdateKeyDescriptionRequest) (*api.Empty, error) {
	return nothing, s.change(ctx, r.key, func(k *Key) error { k.Description = in.Description; return nil })
}

// A key has one policy, named default (guide 004:8860, 004:9565).

func (s *Server) getKeyPolicy(_ context.Context, r *request, in *api.GetKeyPolicyRequest) (*api.GetKeyPolicyResponse, error) {
	if err := checkPolicyName(in.PolicyName); err != nil {
		return nil, err
	}
	return &api.GetKeyPolicyResponse{Policy: r.key.Policy, PolicyName: policyName}, nil
}

func (s *Server) putKeyPolicy(ctx context.Context, r *request, in *api.PutKeyPolicyRequest) (*api.Empty, error) {
	if err := checkPolicyName(in.PolicyName); err != nil {
		return nil, err
	}
	if err := authz.CheckPolicyDocument(in.Policy); err != nil {
		return nil, err
	}
	return nothing, s.change(ctx, r.key, func(k *Key) error { k.Policy = in.Policy; return nil })
}

func (s *Server) listKeyPolicies(_ context.Context, r *request, in *api.ListKeyPoliciesRequest) (*api.ListKeyPoliciesResponse, error) {
	p, err := newPage(r.Op.Name, in.Marker, in.Limit, defaultPage)
	if err != nil {
		return nil, err
	}
	names, _ := cut(p, []string{policyName}, func(name string) string { return name })
	return &api.ListKeyPoliciesResponse{PolicyNames: names}, nil
}

func checkPolicyName(name string) error {
	if name == "" || name == policyName {
		return nil
	}
	return api.Errorf(api.CodeNotFoundException, "No such policy exists")
}

// Tags (guide kms-core §7).

func (s *Server) tagResource(ctx context.Context, r *request, in *api.TagResourceRequest) (*api.Empty, error) {
	if len(in.Tags) == 0 {
		return nil, invalid("Tags must not be empty.") // TG-06
	}
	return nothing, s.change(ctx, r.key, func(k *Key) (err error) {
		k.Tags, err = mergeTags(k.Tags, in.Tags)
		return err
	})
}

func (s *Server) untagResource(ctx context.Context, r *request, in *api.UntagResourceRequest) (*api.Empty, error) {
	if len(in.TagKeys) == 0 {
		return nil, invalid("TagKeys must not be empty.") // TG-06
	}
	return nothing, s.change(ctx, r.key, func(k *Key) error {
		k.Tags = slices.DeleteFunc(slices.Clone(k.Tags), func(t api.Tag) bool {
			return slices.Contains(in.TagKeys, t.TagKey)
		})
		return nil
	})
}

func (s *Server) listResourceTags(_ context.Context, r *request, in *api.ListResourceTagsRequest) (*api.ListResourceTagsResponse, error) {
	p, err := newPage(r.Op.Name, in.Marker, in.Limit, defaultTags)
	if err != nil {
		return nil, err
	}
	page, next := cut(p, r.key.Tags, func(t api.Tag) string { return t.TagKey })
	out := &api.ListResourceTagsResponse{Tags: make([]*api.Tag, len(page)), NextMarker: next, Truncated: next != ""}
	for i := range page {
		out.Tags[i] = &page[i]
	}
	return out, nil
}

// mergeTags adds tags to those there are, replacing equal keys, and keeps the
// list sorted by key.
func mergeTags(have []api.Tag, add []*api.Tag) ([]api.Tag, error) {
	out := slices.Clone(have)
	seen := make(map[string]bool, len(add))
	for _, t := range add {
		if seen[t.TagKey] {
			return nil, api.Errorf(api.CodeTagException, "Duplicate tag keys")
		}
		if len(t.TagKey) >= len(reservedTags) && t.TagKey[:len(reservedTags)] == reservedTags {
			return nil, api.Errorf(api.CodeTagException, "Tag keys must not begin with %s", reservedTags)
		}
		seen[t.TagKey] = true
		i, found := slices.BinarySearchFunc(out, t.TagKey, func(h api.Tag, key string) int {
			return strings.Compare(h.TagKey, key)
		})
		if found {
			out[i] = *t
		} else {
			out = slices.Insert(out, i, *t)
		}
	}
	if len(out) > maxTags {
		return nil, api.Errorf(api.CodeTagException, "Too many tags")
	}
	return out, nil
}
