package main

import (
	"fmt"

	"hyok/internal/config"
	"hyok/kmsfront/authz"
)

// caller is whose credentials DIR/env has: the user admin of the account; in an
// identities file without it the first user who can sign.
func (w *workbench) caller() (credential, error) {
	if w.options.Identities == "" {
		return w.state.Admin, nil
	}
	var f authz.File
	if err := config.Load(w.options.Identities, &f); err != nil {
		return credential{}, err
	}
	var first *authz.AccessKey
	for _, a := range f.Accounts {
		for _, u := range a.Users {
			if len(u.AccessKeys) == 0 {
				continue
			}
			key := &u.AccessKeys[0]
			if a.ID == account && u.Name == "admin" {
				return credential{key.ID, key.Secret.Reveal()}, nil
			}
			if first == nil {
				first = key
			}
		}
	}
	if first == nil {
		return credential{}, fmt.Errorf("%s: no user has an access key, so nobody can sign requests; give one access_keys", w.options.Identities)
	}
	return credential{first.ID, first.Secret.Reveal()}, nil
}
