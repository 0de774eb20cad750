package proxy

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"hyok/hsm"
)

// FileGroup is a group of tokens that hold the same keys.
type FileGroup struct {
	Name   string   `yaml:"name"`
	Tokens []string `yaml:"tokens"`
}

// validateGroups checks the groups and adds to devices what a store's token may
// name: the tokens and the groups, no two of which share a name.
func (f *File) validateGroups(tokens, devices names) error {
	maps.Copy(devices, tokens)
	return each("groups", f.Groups, func(g FileGroup) error { return g.validate(tokens, devices) })
}

func (g FileGroup) validate(tokens, devices names) error {
	switch n := len(g.Tokens); {
	case n == 0:
		return fieldError("tokens", "must have at least one entry")
	case n > hsm.MaxMembers:
		return fieldError("tokens", "must be at most %d, as many as KMS can be told of, these are %d", hsm.MaxMembers, n)
	}
	members := names{}
	for i, token := range g.Tokens {
		key := fmt.Sprintf("tokens.%d", i)
		if members[token] {
			return fieldError(key, "%q is in the group already", token)
		}
		members[token] = true
		if !tokens[token] {
			return fieldError(key, "%q is no token of this file", token)
		}
	}
	return devices.add("name", g.Name)
}

// TokensOf are the names of the tokens that a store works with: one, or those of
// its group, in their order.
func (f *File) TokensOf(st FileStore) []string {
	name := st.Token
	for _, g := range f.Groups {
		if g.Name == name {
			return g.Tokens
		}
	}
	if name == "" && len(f.Tokens) > 0 {
		name = f.Tokens[0].Name // the only one, as is checked
	}
	return []string{name}
}

// inGroup tells whether a group has the token: it may be away at the start then.
func (f *File) inGroup(token string) bool {
	return slices.ContainsFunc(f.Groups, func(g FileGroup) bool { return slices.Contains(g.Tokens, token) })
}

// makeGroups makes the groups of a file. One of which no token is well is more
// likely a mistake in the file than an outage, and refused.
func (d *devices) makeGroups(ctx context.Context, f *File) error {
	for _, g := range f.Groups {
		tokens := make([]*hsm.Token, len(g.Tokens))
		for i, name := range g.Tokens {
			tokens[i] = d.tokens[name]
		}
		if !slices.ContainsFunc(tokens, func(t *hsm.Token) bool { return t.Health(ctx).OK }) {
			return fmt.Errorf("group %q: none of its tokens is well: %w", g.Name, tokens[0].Health(ctx).Err)
		}
		group, err := hsm.NewGroup(tokens...)
		if err != nil {
			return fmt.Errorf("group %q: %w", g.Name, err)
		}
		d.groups[g.Name] = group
	}
	return nil
}

// device finds what a store's token names; nil for what was not opened.
func (d *devices) device(name string) Device {
	if g := d.groups[name]; g != nil {
		return g
	}
	if t := named(d.tokens, name); t != nil {
		return t
	}
	return nil
}
