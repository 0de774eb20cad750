package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// remote is how a command finds the hyok that it acts on: --dir, else
// HYOK_ADMIN_URL with HYOK_ADMIN_TOKEN, else .hyok.
type remote struct {
	Dir  string `placeholder:"DIR" help:"The directory that hyok up runs in; without it HYOK_ADMIN_URL and HYOK_ADMIN_TOKEN, else .hyok."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// variables gives the variables of the running hyok.
func (r *remote) variables() (map[string]string, error) {
	dir := r.Dir
	if dir == "" {
		if os.Getenv("HYOK_ADMIN_URL") != "" {
			env := make(map[string]string)
			for _, name := range envNames {
				env[name] = os.Getenv(name)
			}
			return env, nil
		}
		dir = defaultDir
	}
	b, err := os.ReadFile(filepath.Join(dir, "env"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no hyok runs in %s: start one with hyok up --dir %s, or name another directory with --dir", dir, dir)
	}
	if err != nil {
		return nil, err
	}
	return parseEnv(string(b)), nil
}

// parseEnv reads what writeEnv wrote.
func parseEnv(text string) map[string]string {
	env := make(map[string]string)
	for line := range strings.Lines(text) {
		line = strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "export ")
		if name, value, ok := strings.Cut(line, "='"); ok {
			env[name] = strings.ReplaceAll(strings.TrimSuffix(value, "'"), `'\''`, "'")
		}
	}
	return env
}

// A refusal is an answer of the admin API that is not success.
type refusal struct {
	status  int
	message string // one line
}

func (e *refusal) Error() string { return e.message }

// call asks the admin API and decodes its answer into out, unless that is nil.
// An answer that is not success is a *refusal.
func (r *remote) call(ctx context.Context, method, path string, in, out any) error {
	env, err := r.variables()
	if err != nil {
		return err
	}
	var body []byte
	if in != nil {
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, env["HYOK_ADMIN_URL"]+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("HYOK_ADMIN_URL: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+env["HYOK_ADMIN_TOKEN"])
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("the running hyok does not answer (%w): is it still up?", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		var refused struct{ Error string }
		if json.Unmarshal(answer, &refused) != nil || refused.Error == "" {
			refused.Error = resp.Status
		}
		return &refusal{resp.StatusCode, refused.Error}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}
