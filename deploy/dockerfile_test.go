package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// An instruction is a line of a Dockerfile.
type instruction struct{ name, rest string }

func readDockerfile(t *testing.T) []instruction {
	t.Helper()
	b, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	var all []instruction
	for line := range strings.Lines(strings.ReplaceAll(string(b), "\\\n", " ")) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		all = append(all, instruction{name, strings.TrimSpace(rest)})
	}
	return all
}

// last is the rest of the last instruction with this name, in the last stage.
func last(all []instruction, name string) (rest string) {
	for _, i := range all {
		switch i.name {
		case "FROM":
			rest = ""
		case name:
			rest = i.rest
		}
	}
	return rest
}

func TestTheImageIsPinnedAndRunsWithoutRoot(t *testing.T) {
	all := readDockerfile(t)
	pinned := regexp.MustCompile(`^debian:[a-z0-9.-]+( AS [a-z]+)?$`)
	for _, i := range all {
		if i.name == "FROM" && (!pinned.MatchString(i.rest) || strings.Contains(i.rest, ":latest")) {
			t.Errorf("FROM %s: not a Debian image with a tag", i.rest)
		}
		if i.name == "ADD" {
			t.Errorf("ADD %s: only COPY is predictable", i.rest)
		}
		if i.name == "RUN" && regexp.MustCompile(`https?://|\|\s*(ba)?sh\b|\b(curl|wget)\s+-`).MatchString(i.rest) {
			t.Errorf("RUN %s: it fetches something else than packages and modules", i.rest)
		}
	}
	if user := last(all, "USER"); user == "" || user == "root" || user == "0" {
		t.Errorf("USER %q", user)
	}
	if check := last(all, "HEALTHCHECK"); !strings.Contains(check, "/readyz") {
		t.Errorf("HEALTHCHECK %q does not ask /readyz", check)
	}
}

func TestWhatTheImageCopiesIsAllThatTheProgramNeeds(t *testing.T) {
	var copied []string
	for _, i := range readDockerfile(t) {
		if i.name != "COPY" || strings.HasPrefix(i.rest, "--from=") {
			continue
		}
		paths := strings.Fields(i.rest)
		for _, p := range paths[:len(paths)-1] {
			if _, err := os.Stat(filepath.Join("..", p)); err != nil {
				t.Errorf("COPY %s: %v", i.rest, err)
			}
			copied = append(copied, "hyok/"+p)
		}
	}
	out, err := exec.Command("go", "list", "-deps", "hyok/cmd/xksproxy").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range strings.Fields(string(out)) {
		under := func(p string) bool { return pkg == p || strings.HasPrefix(pkg, p+"/") }
		if strings.HasPrefix(pkg, "hyok/") && !slices.ContainsFunc(copied, under) {
			t.Errorf("%s is needed and not copied", pkg)
		}
	}
}

func TestDebianHasThePackagesOfTheImage(t *testing.T) {
	var packages []string
	for _, i := range readDockerfile(t) {
		_, list, ok := strings.Cut(i.rest, "--no-install-recommends ")
		if i.name != "RUN" || !ok {
			continue
		}
		list, _, _ = strings.Cut(list, "&&")
		packages = append(packages, strings.Fields(list)...)
	}
	if len(packages) == 0 {
		t.Fatal("no RUN line installs packages")
	}
	cache, err := exec.LookPath("apt-cache")
	if err != nil {
		t.Logf("no apt-cache here: %v; %v were not looked up", err, packages)
		return
	}
	if exec.Command(cache, "show", "softhsm2").Run() != nil {
		t.Log("apt-cache has no lists here; run apt-get update")
		return
	}
	for _, p := range packages {
		if out, err := exec.Command(cache, "show", p).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", p, err, out)
		}
	}
}
