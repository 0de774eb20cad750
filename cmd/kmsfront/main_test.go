package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"hyok/kmsfront"
)

// asDaemon in the environment makes the test binary the command itself.
const asDaemon = "KMSFRONT_TEST_AS_DAEMON"

func TestMain(m *testing.M) {
	if os.Getenv(asDaemon) != "" {
		main()
	}
	os.Exit(m.Run())
}

// must fails the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// command runs the command in a process of its own and gives what it printed.
func command(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, talk bytes.Buffer
	cmd := daemonCommand(t, args...)
	cmd.Stdout, cmd.Stderr = &out, &talk
	err := cmd.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), talk.String()
}

func daemonCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), asDaemon+"=1")
	return cmd
}

// expect runs the command and checks exit status and output.
func expect(t *testing.T, status int, stdout, stderr string, args ...string) {
	t.Helper()
	got, out, talk := command(t, args...)
	if got != status || out != stdout || talk != stderr {
		t.Errorf("kmsfront %s: status %d\n%s%s\nwant status %d\n%s%s", strings.Join(args, " "), got, out, talk, status, stdout, stderr)
	}
}

// write writes a configuration file and gives its path.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kmsfront.yaml")
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestUsage(t *testing.T) {
	expect(t, 2, "", "kmsfront: --config FILE is missing; kmsfront --print-config shows a file to begin with\n")
	expect(t, 2, "", "kmsfront: unexpected argument now; see kmsfront --help\n", "now")
	expect(t, 0, reference, "", "--print-config")
	if status, out, talk := command(t, "--help"); status != 0 || !strings.HasPrefix(out, "Usage: kmsfront ") || talk != "" {
		t.Errorf("--help: status %d\n%s%s", status, out, talk)
	}
}

func TestReferenceConfigurationIsValid(t *testing.T) {
	path := write(t, reference)
	t.Setenv("HYOK_CLUSTER_SECRET", "fromTheEnvironment")
	expect(t, 0, path+" is valid\n", "", "--config", path, "--check-config")
	f, err := kmsfront.LoadFile(path)
	must(t, err)
	if got := f.KeyStores.Clusters[0].SecretAccessKey.Reveal(); got != "fromTheEnvironment" {
		t.Errorf("the secret is %q, want the environment's", got)
	}
}

func TestReferenceConfigurationHasEveryKey(t *testing.T) {
	for _, key := range keys(reflect.TypeFor[kmsfront.File]()) {
		if !regexp.MustCompile(`(?m)^[ -]*` + key + `:`).MatchString(reference) {
			t.Errorf("kmsfront.yaml does not show %s", key)
		}
	}
}

// keys are the YAML keys of a configuration struct and those inside it.
func keys(t reflect.Type) (all []string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for f := range t.Fields() {
		if key := f.Tag.Get("yaml"); key != "" {
			all = append(append(all, key), keys(f.Type)...)
		}
	}
	return all
}

// valid is the shortest configuration; tests add to it, from line 6 on.
const valid = `listen: 127.0.0.1:0
identities: identities.yaml
store: store.db
root_key: root.key
trail: trail.jsonl
`

func TestCheckConfigTellsFileAndLine(t *testing.T) {
	t.Setenv("KMSFRONT_TEST_SECRET", "hush")
	path := write(t, valid)
	expect(t, 0, path+" is valid\n", "", "--config", path, "--check-config")
	for name, row := range map[string]struct{ text, want string }{
		"a key that is unknown":         {valid + "listne: x\n", `:6: unknown key "listne"; did you mean "listen"\?`},
		"a key that is there twice":     {valid + "trail: other\n", `:6: .*trail.*`},
		"a key that is missing":         {strings.Replace(valid, "trail: trail.jsonl\n", "", 1), `:1: trail: is missing: name the file that gets the CloudTrail records`},
		"a value of the wrong type":     {valid + "regions: {a: b}\n", `:6: regions: .*`},
		"a duration without a unit":     {valid + "key_stores:\n  connect_delay: 5\n", `:7: key_stores\.connect_delay: .*`},
		"TLS without its key":           {valid + "tls:\n  listen: 127.0.0.1:0\n  cert: kms.pem\n", `:6: tls: needs listen, cert and key`},
		"a variable that is not set":    {valid + "quotas: ${KMSFRONT_TEST_UNSET}\n", `:6: environment variable KMSFRONT_TEST_UNSET is not set; set it, .*`},
		"a cluster over plain HTTP":     {valid + "key_stores:\n  clusters:\n    - {id: c, endpoint: \"http://x\", secret_access_key: hush}\n", `:8: key_stores\.clusters\.0\.endpoint: must begin with https://`},
		"a secret of the wrong type":    {valid + "key_stores:\n  clusters:\n    - secret_access_key: [hush]\n", `:8: .*secret_access_key: .*`},
		"a secret where a number is":    {valid + "key_stores:\n  connect_delay: ${KMSFRONT_TEST_SECRET}\n", `:7: key_stores\.connect_delay: .*`},
		"no YAML":                       {valid + "quotas: [\n", `:\d+: .*`},
		"a document after the first":    {valid + "---\nlisten: x\n", `:\d+: .*`},
		"nothing":                       {"", `:1: .*`},
		"a secret file that is missing": {valid + "key_stores:\n  clusters:\n    - secret_access_key: {file: nowhere}\n", `:8: .*nowhere.*`},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, row.text)
			status, out, talk := command(t, "--config", path, "--check-config")
			want := regexp.MustCompile(`^kmsfront: ` + regexp.QuoteMeta(path) + row.want + `\n$`)
			if status != 1 || out != "" || !want.MatchString(talk) {
				t.Errorf("status %d: %s%s\nwant status 1: %s", status, out, talk, want)
			}
			if strings.Contains(talk, "hush") {
				t.Errorf("a secret is in the error: %s", talk)
			}
		})
	}
}

func TestMissingConfigurationFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nowhere.yaml")
	expect(t, 1, "", fmt.Sprintf("kmsfront: %s: cannot read this file: no such file or directory; check its path and permissions\n", path),
		"--config", path, "--check-config")
}
