package hyok_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestOthersCanImportThePackages builds a program of another module with hsm,
// proxy and certs: a type of an internal package in what they ask for would stop it.
func TestOthersCanImportThePackages(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(t.TempDir(), "go.work")
	outside := filepath.Join(here, "testdata", "outside")
	if err := os.WriteFile(work, fmt.Appendf(nil, "go 1.26.0\n\nuse (\n\t%q\n\t%q\n)\n", here, outside), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "vet", ".")
	build.Dir, build.Env = outside, append(os.Environ(), "GOWORK="+work)
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("building it: %v\n%s", err, out)
	}
}
