package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
)

type keyCmd struct {
	Create  keyCreateCmd  `cmd:"" help:"Make an AES-256 key that never leaves the token."`
	List    keyListCmd    `cmd:"" help:"List the keys, a line for each version."`
	Disable keyDisableCmd `cmd:"" help:"Let the key, in all versions, neither encrypt nor decrypt; the proxy says it is disabled."`
	Enable  keyEnableCmd  `cmd:"" help:"Let it do both again."`
	Rotate  keyRotateCmd  `cmd:"" help:"Make a new version of the key. New encryptions take it, old ciphertexts still decrypt."`
	Delete  keyDeleteCmd  `cmd:"" help:"Delete the key with all its versions. What they encrypted is lost."`
}

// keyName is the argument of most key commands.
type keyName struct {
	Name string `arg:"" help:"The external key ID, and the key's label on the token."`
	remote
}

type (
	keyCreateCmd  struct{ keyName }
	keyListCmd    struct{ remote }
	keyDisableCmd struct{ keyName }
	keyEnableCmd  struct{ keyName }
	keyRotateCmd  struct{ keyName }
	keyDeleteCmd  struct{ keyName }
)

// Run makes the key.
func (c *keyCreateCmd) Run(s streams) error {
	return c.change(s, "created", func(t *keyToken) error { return t.create(c.Name) })
}

// Run disables the key.
func (c *keyDisableCmd) Run(s streams) error {
	return c.change(s, "disabled", func(t *keyToken) error { return t.setEnabled(c.Name, false) })
}

// Run enables the key.
func (c *keyEnableCmd) Run(s streams) error {
	return c.change(s, "enabled", func(t *keyToken) error { return t.setEnabled(c.Name, true) })
}

// Run deletes the key.
func (c *keyDeleteCmd) Run(s streams) error {
	return c.change(s, "deleted", func(t *keyToken) error { return t.delete(c.Name) })
}

// Run makes a new version of the key.
func (c *keyRotateCmd) Run(s streams) error {
	return c.change(s, "rotated", func(t *keyToken) error { return t.rotate(c.Name) })
}

// Run lists the keys.
func (c *keyListCmd) Run(s streams) error {
	return c.onToken(func(t *keyToken) error {
		all, err := t.list()
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(s.Out).Encode(all)
		}
		w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tVERSION\tID\tBITS\tSTATE")
		for _, k := range all {
			state := "enabled"
			if !k.Enabled {
				state = "disabled"
			}
			fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%s\n", k.Name, k.Version, k.ID, k.Bits, state)
		}
		return w.Flush()
	})
}

// change does one thing to one key and says so.
func (c *keyName) change(s streams, done string, do func(*keyToken) error) error {
	if err := c.onToken(do); err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(map[string]string{"name": c.Name, "result": done})
	}
	_, err := fmt.Fprintf(s.Out, "%s %s\n", c.Name, done)
	return err
}

func (r *remote) onToken(do func(*keyToken) error) error {
	env, err := r.variables()
	if err != nil {
		return err
	}
	t, err := openToken(env)
	if err != nil {
		return err
	}
	return errors.Join(do(t), t.close())
}
