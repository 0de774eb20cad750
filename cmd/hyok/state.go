package main

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"hyok/internal/durable"
)

// state is what a workbench directory remembers between runs, in state.json.
// Everything secret about the workbench is here, mode 0600.
type state struct {
	Admin         credential // of the user admin, account 111122223333
	Proxy         credential // proxy authentication credential of the external key store
	Cluster       credential // with which the front end calls the cluster
	AdminToken    string     // bearer token of the admin API
	KeysPIN       string     // user PIN of the token with the external keys
	KmsuserFirst  string     // kmsuser's password before the first connection
	SecurityPIN   string     // security officer PIN of both tokens
	ClusterID     string
	ExternalKeyID string
	// ProxyMore are accepted by the proxy besides Proxy.
	ProxyMore []credential `json:",omitempty"`
	// Addresses of the last run by listener, taken again where they are free.
	Addresses map[string]string
	// ProxyBefore are the proxy's earlier host:port, which key stores may still name.
	ProxyBefore []string
}

type credential struct{ ID, Secret string }

// newState makes fresh credentials. Access keys have the lengths and letters
// that AWS's have; the proxy's follow XKS spec fact 37.
func newState() *state {
	return &state{
		Admin:         credential{"AKIA" + letters(16), token(30)},
		Proxy:         credential{letters(24), token(33)},
		Cluster:       credential{letters(24), token(33)},
		AdminToken:    token(24),
		KeysPIN:       letters(12),
		KmsuserFirst:  letters(16),
		SecurityPIN:   letters(16),
		ClusterID:     "cluster-" + letters(11),
		ExternalKeyID: "hyok-external-key",
		Addresses:     map[string]string{},
	}
}

// letters gives n random characters of A-Z and 2-7.
func letters(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return base32.StdEncoding.EncodeToString(b)[:n]
}

// token gives n random bytes in base64.
func token(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return base64.RawStdEncoding.EncodeToString(b)
}

// loadState reads the directory's state, or makes and stores a new one.
func loadState(dir string) (*state, error) {
	path := filepath.Join(dir, "state.json")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		s := newState()
		return s, s.save(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the state of %s: %w", dir, err)
	}
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("%s is damaged (%w): restore it from a copy, or start in another directory with --dir", path, err)
	}
	return &s, nil
}

func (s *state) save(dir string) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, "state.json"), append(b, '\n'), 0o600)
}
