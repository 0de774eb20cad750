package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The environment's credentials are of somebody whom the identities file knows.
func TestTheEnvironmentIsACallersOfTheFile(t *testing.T) {
	const other = `{id: "444455556666", users: [{name: nobody}, {name: bob, access_keys: [{id: AKIABOB0000000000000, secret: bobs}]}]}`
	const ours = `{id: "111122223333", users: [{name: eve, access_keys: [{id: AKIAEVE0000000000000, secret: eves}]}, {name: admin, access_keys: [{id: AKIAADMIN00000000000, secret: ours}]}]}`
	for _, c := range []struct{ name, accounts, want, says string }{
		{"the user admin of the account", other + "," + ours, "AKIAADMIN00000000000", ""},
		{"else the first who can sign", other, "AKIABOB0000000000000", ""},
		{"nobody", `{id: "444455556666", users: [{name: nobody}]}`, "", "give one access_keys"},
	} {
		path := filepath.Join(t.TempDir(), "identities.yaml")
		must(t, os.WriteFile(path, []byte("accounts: ["+c.accounts+"]\n"), 0o600))
		w := &workbench{options: upOptions{Identities: path}}
		got, err := w.caller()
		if got.ID != c.want || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %s, %v", c.name, got.ID, err)
		}
	}
}
