package policy_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hyok/internal/config"
	"hyok/proxy/policy"
)

const all = "permit (principal, action, resource)"

func TestFilesThatAreRefused(t *testing.T) {
	for _, row := range []struct {
		what, text string
		line       int
		msg        string
	}{
		{"nothing", "", 1, "no policy"},
		{"comments only", "// later\n", 1, "no policy"},
		{"syntax", all + ";\n\npermit (principal, action resource);", 3, "Cedar"},
		{"no end", all + ";\n" + all, 2, "Cedar"},
		{"unknown attribute", all + ";\n\n" + all + " when { context.sourceVPC == \"vpc-1\" };", 3, "schema"},
		{"unknown attribute of the principal", all + " when { principal.name == \"x\" };", 1, "schema"},
		{"unknown action", "\npermit (principal, action == Action::\"Sign\", resource);", 2, "schema"},
		{"health is not decided on", "permit (principal, action == Action::\"GetHealthStatus\", resource);", 1, "schema"},
		{"unknown type", "permit (principal == User::\"x\", action, resource);", 1, "schema"},
		{"a string compared with a number", all + " when { context.region == 1 };", 1, "schema"},
		{"one @id twice", "@id(\"a\") " + all + ";\n@id(\"a\") " + all + ";", 2, "its own"},
		{"empty @id", "@id(\"\") " + all + ";", 1, "1 to 64"},
		{"@id with a line break", `@id("a\nb") ` + all + ";", 1, "1 to 64"},
		{"@id of the default", "@id(\"default\") " + all + ";", 1, "choose another"},
		{"too long", strings.Repeat(" ", policy.MaxFile) + all + ";", 1, "65536 bytes"},
	} {
		t.Run(row.what, func(t *testing.T) {
			_, err := policy.Parse("dir/x.cedar", []byte(row.text), "")
			var ce *config.Error
			if !errors.As(err, &ce) {
				t.Fatalf("got %v", err)
			}
			if ce.File != "dir/x.cedar" || ce.Line != row.line || !strings.Contains(ce.Msg, row.msg) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want line %d and %q", err, row.line, row.msg)
			}
		})
	}
}

func TestLoadReadsFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.cedar")
	if _, err := policy.Load(path, ""); err == nil || !strings.HasPrefix(err.Error(), path+": cannot read") {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(path, []byte("\n"+all+";"), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := policy.Load(path, "")
	if err != nil {
		t.Fatal(err)
	}
	r := asked("Encrypt", "Encrypt")
	if d := set.Decide(&r); set.Len() != 1 || d != (policy.Decision{Allowed: true, Policy: "x.cedar:2:1"}) {
		t.Errorf("%d policies, %+v", set.Len(), d)
	}
}

// A file is refused with its place, or gives policies that decide.
func FuzzParse(f *testing.F) {
	f.Add(all + ";")
	f.Add(`@id("a") forbid (principal in Account::"1", action in [Action::"Encrypt"], resource is Key in Store::"/t") unless { context has region && principal.arn like "a*" };`)
	f.Add(all + " when { [1, decimal(\"1.0\")].contains(ip(\"::1\")) };")
	f.Add(all + " when { " + strings.Repeat("(", 2000) + "true" + strings.Repeat(")", 2000) + " };")
	f.Add(all + " when { -9223372036854775808 - 1 > 0 };")
	f.Fuzz(func(t *testing.T, text string) {
		set, err := policy.Parse("x.cedar", []byte(text), "/t")
		if err != nil {
			var ce *config.Error
			if !errors.As(err, &ce) || ce.Line < 1 || strings.ContainsAny(err.Error(), "\n\r") {
				t.Fatalf("got %q", err)
			}
			return
		}
		for _, principal := range []string{"AWS Internal", "arn:", app} {
			r := asked("Encrypt", "Encrypt")
			r.Principal = principal
			if d := set.Decide(&r); d.Policy == "" {
				t.Fatalf("nobody decided: %+v", d)
			}
		}
	})
}
