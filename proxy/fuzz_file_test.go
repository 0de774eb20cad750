package proxy

import (
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"hyok/internal/config"
	"hyok/proxy/xks"
)

// FuzzFile: a file is refused with its line, or what a server takes from it is of
// the forms that the rest of the proxy relies on.
func FuzzFile(f *testing.F) {
	text, err := os.ReadFile("../cmd/xksproxy/xksproxy.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	const small = `{listen: ":1", tls: {cert: c, key: k}, modules: [{path: m}], tokens: [{pin: "1"}],
stores: [{path_prefix: /p, credentials: [{access_key_id: AAAAAAAAAAAAAAAAAAAA, secret: "0123456789012345678901234567890123456789012", since: 2026-07-14}], all_keys: true}]}`
	f.Add([]byte(small))
	for _, change := range []struct{ old, new string }{
		{"all_keys: true", "keys: [{id: .., sample_proxy_ciphertexts: {}}]"}, {"all_keys: true", "keys: []"}, {"{path: m}", "{path: m}, {path: m}"},
		{"listen: ", "clusters: [{id: cluster-1}], simulate_clusters: true, listen: "}, {`pin: "1"`, "pin: {command: [id]}"},
		{"{listen", "{tracing: {endpoint: 'http://%'}, listen"}, {"all_keys: true", "all_keys: true, deadline: -1s"}, {"/p", "''"},
	} {
		f.Add([]byte(strings.Replace(small, change.old, change.new, 1)))
	}
	env := func(name string) (string, bool) {
		return "012345678901234567890123456789012345678901234", name != "NONE"
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file := new(File)
		if err := config.Parse("f.yaml", data, env, file); err != nil {
			if msg := err.Error(); !strings.HasPrefix(msg, "f.yaml:") || strings.ContainsAny(msg, "\r\n") {
				t.Fatalf("not one line with file and line: %q", msg)
			}
			return
		}
		checkFileUse(t, file)
		again := &changed{running: file}
		if err := config.Parse("f.yaml", data, env, again); err != nil {
			t.Fatalf("refused as a change of itself: %v", err)
		}
		if keys := file.NeedsRestart(&again.File); len(keys) > 0 {
			t.Fatalf("a change to itself needs a restart for %q", keys)
		}
	})
}

// checkFileUse does with a file that was accepted what Open does, short of the device.
func checkFileUse(t *testing.T, f *File) {
	t.Helper()
	modules, tokens := map[string]*FileModule{}, map[string]*FileToken{}
	for i, m := range f.Modules {
		modules[m.Name] = &f.Modules[i]
	}
	for i, k := range f.Tokens {
		if tokens[k.Name] = &f.Tokens[i]; named(modules, k.Module) == nil {
			t.Errorf("token %q has no module", k.Name)
		}
	}
	prefixes := map[string]bool{}
	for _, s := range f.Stores {
		if slices.ContainsFunc(f.TokensOf(s), func(name string) bool { return tokens[name] == nil }) || len(f.TokensOf(s)) == 0 || prefixes[s.PathPrefix] || xks.CheckPath(s.PathPrefix+xks.BasePath) != nil {
			t.Errorf("store %q has no token, or its path is wrong or another's", s.PathPrefix)
		}
		prefixes[s.PathPrefix] = true
		creds := SigV4(s.Credentials)
		if len(creds) == 0 || len(s.since()) > len(creds) {
			t.Errorf("store %q has credentials %d", s.PathPrefix, len(creds))
		}
		if keys := s.keys(); (keys == nil) != s.AllKeys || len(keys) != len(s.Keys) {
			t.Errorf("store %q has %d keys of %d", s.PathPrefix, len(keys), len(s.Keys))
		}
	}
	for _, c := range f.Clusters {
		if !f.SimulateClusters || named(modules, c.Module) == nil || !clusterIDForm.MatchString(c.ID) {
			t.Errorf("cluster %q was accepted", c.ID)
		}
	}
	if _, err := url.Parse(f.Tracing.Endpoint); err != nil {
		t.Errorf("tracing: %v", err)
	}
}
