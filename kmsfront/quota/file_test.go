package quota

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hyok/internal/config"
)

func parse(text string) (File, error) {
	var f File
	err := config.Parse("quotas.yaml", []byte(text), func(string) (string, bool) { return "", false }, &f)
	return f, err
}

func TestAFileIsReadAsYAMLAndAsJSON(t *testing.T) {
	want := File{
		Requests:  map[string]float64{"cryptographic-symmetric": 10, "CreateKey": 0.5},
		Resources: map[string]int{"keys": 3},
	}
	for _, text := range []string{
		"requests:\n  cryptographic-symmetric: 10\n  CreateKey: 0.5\nresources:\n  keys: 3\n",
		`{"requests": {"cryptographic-symmetric": 10, "CreateKey": 0.5}, "resources": {"keys": 3}}`,
	} {
		got, err := parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestAWrongFileIsRefusedInOneLine(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"unknown request quota names a near one", "requests:\n  CreateKeys: 1\n", `did you mean "CreateKey"?`},
		{"letters of the wrong case", "requests:\n  createkey: 1\n", `did you mean "CreateKey"?`},
		{"unknown resource quota names a near one", "resources:\n  key: 1\n", `did you mean "keys"?`},
		{"a request quota among the resources", "resources:\n  CreateKey: 1\n", "no such quota"},
		{"CloudHSM key stores are not adjustable", "requests:\n  cloudhsm-key-store: 1\n", "leave it out"},
		{"the policy size is not adjustable", "resources:\n  key-policy-size: 1\n", "leave it out"},
		{"on-demand rotations are not adjustable", "resources:\n  on-demand-rotations-per-key: 1\n", "leave it out"},
		{"an operation of a shared class", "requests:\n  Encrypt: 1\n", "set cryptographic-symmetric"},
		{"the sibling of GenerateDataKeyPair", "requests:\n  GenerateDataKeyPairWithoutPlaintext: 1\n", "set GenerateDataKeyPair"},
		{"no requests at all", "requests:\n  CreateKey: 0\n", "more than 0"},
		{"a negative rate", "requests:\n  CreateKey: -1\n", "more than 0"},
		{"more than a bucket can hold", "requests:\n  CreateKey: 1e300\n", "more than 0"},
		{"not a number", "requests:\n  CreateKey: .nan\n", "requests.CreateKey"},
		{"infinity", "requests:\n  CreateKey: .inf\n", "requests.CreateKey"},
		{"no resources at all", "resources:\n  keys: 0\n", "1 or more"},
		{"a key that is none", "request:\n  CreateKey: 1\n", "request"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := parse(test.text)
			if err == nil {
				t.Fatal("the file was accepted")
			}
			got := err.Error()
			if !strings.Contains(got, test.want) || !strings.HasPrefix(got, "quotas.yaml:") || strings.Contains(got, "\n") {
				t.Errorf("got %q, want one line of quotas.yaml with %q", got, test.want)
			}
		})
	}
}

func TestPairQuotasByNameAndTogether(t *testing.T) {
	q := newQuotas(t, Config{Values: File{Requests: map[string]float64{
		"GenerateDataKeyPair": 7, "GenerateDataKeyPair-RSA_4096": 2,
	}}})
	for spec, want := range map[string]int{"RSA_2048": 7, "ECC_NIST_P256": 7, "RSA_4096": 2} {
		row := requestTable[requestIndex[Class("GenerateDataKeyPair", spec)]]
		if got := q.limiter(row, "us-east-1").Burst(); got != want {
			t.Errorf("%s pairs: %d a second, want %d", spec, got, want)
		}
	}
}

func TestLoadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q.yaml")
	if err := os.WriteFile(path, []byte("requests: {ListKeys: 3}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := LoadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&File{Requests: map[string]float64{"ListKeys": 3}}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := LoadFile(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there was accepted")
	}
}

func TestNewRefusesWhatValidateRefuses(t *testing.T) {
	for _, f := range []File{
		{Resources: map[string]int{"none": 1}},
		{Requests: map[string]float64{"CreateKey": math.NaN()}},
		{Requests: map[string]float64{"CreateKey": math.Inf(1)}},
	} {
		if _, err := New(Config{Values: f}); err == nil {
			t.Errorf("New took %v", f)
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add("requests:\n  cryptographic-symmetric: 10\n")
	f.Add(`{"resources": {"keys": 3}}`)
	f.Add("requests: {CreateKey: 1e300}")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := parse(text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
			return
		}
		for name, v := range file.Requests {
			if math.IsNaN(v) || v <= 0 || v > maxRate {
				t.Errorf("%s: %v was accepted", name, v)
			}
		}
		if _, err := New(Config{Values: file}); err != nil {
			t.Errorf("an accepted file was refused: %v", err)
		}
	})
}
