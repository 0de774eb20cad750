package deploy_test

import (
	"path/filepath"
	"strings"
	"testing"

	"hyok/proxy"
)

// examples are the files of examples/: whether the library is told by serial or
// label which token it is, and by a reserved parameter where its keys are.
var examples = map[string]struct{ named, reserved bool }{
	"softhsm.yaml":      {named: true},
	"aws-cloudhsm.yaml": {}, // the cluster is the only token
	"luna.yaml":         {named: true},
	"nshield.yaml":      {named: true},
	"nss.yaml":          {named: true, reserved: true},
}

// load reads a configuration with what it wants from the environment.
func load(t *testing.T, path string) *proxy.File {
	t.Helper()
	t.Setenv("XKSPROXY_ACCESS_KEY_ID", strings.Repeat("A", 20))
	t.Setenv("XKSPROXY_SECRET", strings.Repeat("s", 43))
	t.Setenv("XKSPROXY_PIN", "1234")
	f, err := proxy.LoadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestEachExampleLoads(t *testing.T) {
	files, err := filepath.Glob("examples/*")
	if err != nil || len(files) != len(examples) {
		t.Fatalf("%d files of %d: %v", len(files), len(examples), err)
	}
	for name, want := range examples {
		t.Run(name, func(t *testing.T) {
			f := load(t, filepath.Join("examples", name))
			token := f.Tokens[0]
			if (token.Label+token.Serial != "") != want.named || (f.Modules[0].Reserved != "") != want.reserved {
				t.Errorf("the token is %q %q, reserved %q", token.Label, token.Serial, f.Modules[0].Reserved)
			}
			if token.PIN.Reveal() != "1234" || f.Stores[0].Credentials[0].Secret.Reveal() != strings.Repeat("s", 43) {
				t.Error("PIN or secret are not those of the environment")
			}
			if token.Profile == "" {
				t.Error("it names no profile")
			}
			if f.InjectFaults || f.SimulateClusters || len(f.Stores[0].Regions) == 0 || f.Stores[0].AllKeys {
				t.Error("not a configuration for production")
			}
		})
	}
}
