package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const apiDir = "../.."

func readModel(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(apiDir, modelFile))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestCommittedFilesAreWhatTheModelGives(t *testing.T) {
	files, err := generate(readModel(t))
	if err != nil {
		t.Fatal(err)
	}
	committed, err := filepath.Glob(filepath.Join(apiDir, "zz_*.go"))
	if err != nil || len(committed) != len(files) {
		t.Fatalf("%d generated files are committed, want %d (%v)", len(committed), len(files), err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(apiDir, name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is stale: run go generate in kmsfront/api (-generated +committed)\n%s", name, diff)
		}
	}
}

func TestRunWritesTheFilesBesideTheModel(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "model"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := run(dir); err == nil {
		t.Error("no model, yet no error")
	}
	if err := os.WriteFile(filepath.Join(dir, modelFile), readModel(t), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "zz_types.go"))
	if err != nil || !strings.HasPrefix(string(text), "// Code generated ") {
		t.Errorf("zz_types.go: %v, begins %.40q", err, text)
	}
}

func TestModelsThatAreRefused(t *testing.T) {
	const endpoint = `"XksProxyUriEndpointType":{"type":"string"}`
	const named = endpoint + `,"GrantTokenType":{"type":"string"}`
	for name, tt := range map[string]struct{ model, want string }{
		"no JSON":              {`{`, "reading the model"},
		"no endpoint shape":    {`{"shapes":{}}`, "no shape XksProxyUriEndpointType"},
		"no secret shape":      {`{"shapes":{` + endpoint + `}}`, "no shape GrantTokenType"},
		"no input":             {`{"operations":{"A":{}},"shapes":{` + named + `}}`, "operation A has no input"},
		"unknown shape":        {`{"operations":{"A":{"input":{"shape":"B"}}},"shapes":{` + named + `}}`, "no shape B"},
		"unknown member shape": {`{"operations":{"A":{"input":{"shape":"B"}}},"shapes":{"B":{"type":"structure","members":{"C":{"shape":"D"}}},` + named + `}}`, "no shape D"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := generate([]byte(tt.model)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestEnumValuesBecomeGoNames(t *testing.T) {
	for value, want := range map[string]string{
		"SYMMETRIC_DEFAULT":   "SymmetricDefault",
		"RSA_2048":            "Rsa2048",
		"AWS":                 "Aws",
		"GenerateDataKeyPair": "GenerateDataKeyPair",
		"RSAES_PKCS1_V1_5":    "RsaesPkcs1V15",
	} {
		if got := camel(value); got != want {
			t.Errorf("camel(%q) = %q, want %q", value, got, want)
		}
	}
}
