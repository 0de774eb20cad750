// Package hyok_test holds the rules of the house: who may import whom, and how
// long a file may be.
package hyok_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// importRules says which packages of the house a package may import besides
// itself. A pattern that ends in /... stands for a folder with all below it;
// the first row whose package matches counts.
var importRules = []struct {
	pkg string
	may []string
}{
	{"hyok/internal/...", []string{"hyok/internal/..."}},
	{"hyok/certs/...", []string{"hyok/internal/...", "hyok/certs/..."}},
	{"hyok/softhsm/...", []string{"hyok/internal/...", "hyok/softhsm/..."}},
	{"hyok/hsm/...", []string{"hyok/internal/...", "hyok/hsm/..."}},
	{"hyok/proxy/xks", []string{"hyok/internal/...", "hyok/certs"}},
	{"hyok/proxy/cluster", []string{"hyok/internal/...", "hyok/certs", "hyok/hsm", "hyok/softhsm", "hyok/proxy/xks"}},
	{"hyok/proxy/...", []string{"hyok/internal/...", "hyok/certs", "hyok/hsm", "hyok/proxy/..."}},
	{"hyok/kmsfront/...", []string{"hyok/internal/...", "hyok/certs", "hyok/hsm", "hyok/proxy/xks", "hyok/kmsfront/..."}},
	{"hyok/cmd/...", []string{"hyok/..."}},
	{"hyok/deploy", nil}, // tests alone
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func TestImportsPointOneWay(t *testing.T) {
	for _, p := range listPackages(t) {
		may, ok := allowedImports(p.ImportPath)
		if !ok {
			t.Errorf("%s has no row in importRules", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, "hyok/") && !matchesAny(may, imported) {
				t.Errorf("%s imports %s; it may import %v", p.ImportPath, imported, may)
			}
			if strings.HasPrefix(imported, "hyok/cmd") {
				t.Errorf("%s imports %s: nothing imports a command", p.ImportPath, imported)
			}
			if imported == "hyok/kmsfront" && strings.HasPrefix(p.ImportPath, "hyok/kmsfront/") {
				t.Errorf("%s imports the package above it", p.ImportPath)
			}
		}
	}
}

func TestImportRulesRefuseWhatTheHouseForbids(t *testing.T) {
	for _, c := range []struct{ from, to string }{
		{"hyok/kmsfront/keystore", "hyok/proxy"},
		{"hyok/kmsfront/keystore", "hyok/proxy/cluster"},
		{"hyok/proxy", "hyok/softhsm"},
		{"hyok/proxy", "hyok/kmsfront/api"},
		{"hyok/hsm", "hyok/proxy/xks"},
		{"hyok/internal/sigv4", "hyok/certs"},
	} {
		if may, ok := allowedImports(c.from); !ok || matchesAny(may, c.to) {
			t.Errorf("the rules let %s import %s", c.from, c.to)
		}
	}
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("reading go list: %v", err)
		}
		all = append(all, p)
	}
}

func allowedImports(pkg string) ([]string, bool) {
	if pkg == "hyok" {
		return nil, true
	}
	for _, r := range importRules {
		if matches(r.pkg, pkg) {
			return r.may, true
		}
	}
	return nil, false
}

func matchesAny(patterns []string, pkg string) bool {
	for _, p := range patterns {
		if matches(p, pkg) {
			return true
		}
	}
	return false
}

func matches(pattern, pkg string) bool {
	folder, all := strings.CutSuffix(pattern, "/...")
	return pkg == folder || all && strings.HasPrefix(pkg, folder+"/")
}

// maxLines is the longest a hand-written file may be.
const maxLines = 450

func TestNoHandWrittenFileIsTooLong(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".go" || strings.HasPrefix(d.Name(), "zz_") {
			return nil
		}
		b, err := os.ReadFile(path)
		if n := bytes.Count(b, []byte("\n")); n > maxLines {
			t.Errorf("%s has %d lines, more than %d: split it", path, n, maxLines)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
