package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"hyok/proxy/xks"
)

type credentialCmd struct {
	New    credentialNewCmd    `cmd:"" help:"Make a credential and print it; nothing is changed anywhere."`
	Add    credentialAddCmd    `cmd:"" help:"Let the running proxy accept a credential too; its secret comes from standard input."`
	Remove credentialRemoveCmd `cmd:"" help:"Let it accept a credential no more."`
	List   credentialListCmd   `cmd:"" help:"List the credentials that it accepts, the one of DIR/env first."`
}

// Help shows up behind `hyok credential --help`.
func (c *credentialCmd) Help() string {
	return `Replacing a credential without losing a request:
  1. umask 077; hyok credential new --json-console > new.json
  2. jq -r .XksProxyAuthenticationCredential.RawSecretAccessKey new.json | hyok credential add ID
  3. aws kms update-custom-key-store with the new credential; KMS has taken it up everywhere after five minutes
  4. hyok credential remove OLD-ID`
}

// credentialJSON has the names of CreateCustomKeyStore.
type credentialJSON struct {
	AccessKeyID string `json:"AccessKeyId"`
	Secret      string `json:"RawSecretAccessKey"`
}

// consoleJSON is the configuration file that the KMS console takes when a key
// store is created.
type consoleJSON struct {
	Path       string         `json:"XksProxyUriPath"`
	Credential credentialJSON `json:"XksProxyAuthenticationCredential"`
}

type credentialNewCmd struct {
	URIPath string `name:"uri-path" placeholder:"PATH" default:"/kms/xks/v1" help:"The key store's path in the file for the console."`
	Console bool   `name:"json-console" xor:"form" help:"Print the JSON file that the KMS console takes, with path and credential."`
	JSON    bool   `name:"json" xor:"form" help:"Print JSON."`
}

// Run makes a credential of 264 random bits.
func (c *credentialNewCmd) Run(s streams) error {
	made := credentialJSON{letters(24), token(33)}
	encode := json.NewEncoder(s.Out)
	switch {
	case c.Console:
		if !validURIPath(c.URIPath) {
			return usagef("--uri-path: must be /kms/xks/v1, or a prefix of letters, digits, / _ - before it, at most 128 characters")
		}
		encode.SetIndent("", "  ")
		return encode.Encode(consoleJSON{c.URIPath, made})
	case c.JSON:
		return encode.Encode(made)
	}
	_, err := fmt.Fprintf(s.Out, "AccessKeyId         %s\nRawSecretAccessKey  %s\n", made.AccessKeyID, made.Secret)
	return err
}

// credentialID is the argument of add and remove.
type credentialID struct {
	ID string `arg:"" help:"The access key ID."`
	remote
}

type (
	credentialAddCmd    struct{ credentialID }
	credentialRemoveCmd struct{ credentialID }
	credentialListCmd   struct{ remote }
)

// Run adds the credential.
func (c *credentialAddCmd) Run(ctx context.Context, s streams) error {
	secret, err := readSecret(os.Stdin)
	if err != nil {
		return err
	}
	if err := checkCredential(c.ID, secret); err != nil {
		return usageError(err.Error())
	}
	return c.done(s, "added", c.call(ctx, http.MethodPost, "/credentials", newCredential{c.ID, secret}, nil))
}

// readSecret reads one line of at most 4 KiB, without the line's end.
func readSecret(r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, 4<<10))
	if err != nil {
		return "", fmt.Errorf("reading the secret from standard input: %w", err)
	}
	if len(b) == 0 {
		return "", usagef("no secret came on standard input; pipe the secret access key in")
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

// Run removes the credential.
func (c *credentialRemoveCmd) Run(ctx context.Context, s streams) error {
	return c.done(s, "removed", c.call(ctx, http.MethodDelete, "/credentials/"+url.PathEscape(c.ID), nil, nil))
}

func (c *credentialID) done(s streams, result string, err error) error {
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(map[string]string{"id": c.ID, "result": result})
	}
	_, err = fmt.Fprintf(s.Out, "%s %s\n", c.ID, result)
	return err
}

// Run lists the credentials.
func (c *credentialListCmd) Run(ctx context.Context, s streams) error {
	var all []shownCredential
	if err := c.call(ctx, http.MethodGet, "/credentials", nil, &all); err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(all)
	}
	for _, one := range all {
		if _, err := fmt.Fprintln(s.Out, one.ID); err != nil {
			return err
		}
	}
	return nil
}

// validURIPath reports whether path may be a key store's (XKS fact 19).
func validURIPath(path string) bool {
	prefix, ok := strings.CutSuffix(path, xks.BasePath)
	return ok && xks.CheckPrefix(prefix) == nil
}
