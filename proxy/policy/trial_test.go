package policy_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"hyok/proxy/policy"
)

// try gives the trials of policies, by operation of KMS and of the proxy.
func try(t *testing.T, text string, keys, regions []string) map[string]policy.Trial {
	t.Helper()
	set, err := policy.Parse("x.cedar", []byte(text), "/tenant-1")
	if err != nil {
		t.Fatal(err)
	}
	trials, err := set.Try(keys, regions)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]policy.Trial, len(trials))
	for _, trial := range trials {
		all[trial.KMSOperation+"/"+trial.Operation] = trial
	}
	if len(all) != 8 {
		t.Fatalf("%d trials", len(all))
	}
	return all
}

func example(t *testing.T, name string) string {
	t.Helper()
	text, err := fs.ReadFile(policy.Examples(), name+".cedar")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestTryFindsWhomPoliciesLetIn has each kind of thing that a policy can name.
func TestTryFindsWhomPoliciesLetIn(t *testing.T) {
	for _, row := range []struct {
		what, text, call string
		allowed          string // what decided and a part of the request; "": nothing is allowed
		stranger         bool   // is allowed
	}{
		{"accounts", example(t, "accounts"), "Encrypt/Encrypt", "accounts arn:aws:sts::111122223333:assumed-role/example/session", false},
		{"accounts, before the KMS key", example(t, "accounts"), "CreateKey/GetKeyMetadata", "accounts 111122223333", false},
		{"a role by a pattern", example(t, "role"), "Decrypt/Decrypt", "app arn:aws:sts::111122223333:assumed-role/app/example", false},
		{"a role's account", example(t, "role"), "CreateKey/GetKeyMetadata", "administrators 111122223333", false},
		{"services", example(t, "services"), "GenerateDataKey/Encrypt", "storage-services s3", false},
		{"an endpoint", example(t, "vpc-endpoint"), "ReEncrypt/Decrypt", "our-endpoint vpce-1a2b3c4d", false},
		{"nobody, for one operation", example(t, "decrypt-only"), "GenerateDataKey/Encrypt", "", false},
		{"somebody, for the others", example(t, "decrypt-only"), "Decrypt/Decrypt", "break-glass break-glass/example", false},
		{"everybody but some", example(t, "deny-principal"), "Decrypt/Decrypt", "all", true},
		{"a principal entity", `@id("p") permit (principal == Principal::"odd one", action, resource);`, "Encrypt/Encrypt", "p odd one", false},
		{"a service that calls for itself", `@id("p") permit (principal, action, resource) when { principal.arn == "ec2.amazonaws.com" };`, "Encrypt/Encrypt", "p ec2.amazonaws.com", false},
		{"a key of the policy", `@id("p") permit (principal, action, resource == Key::"payroll");`, "Encrypt/Encrypt", "p payroll", false},
		{"keys by a pattern", `@id("p") permit (principal, action, resource) when { resource.id like "hr-*-1" };`, "Encrypt/Encrypt", "p hr-example-1", false},
		{"the store", `@id("p") permit (principal, action, resource in Store::"/tenant-1");`, "Encrypt/Encrypt", "p", true},
		{"another store", `permit (principal, action, resource in Store::"/tenant-2");`, "Encrypt/Encrypt", "", false},
		{"a Region", `@id("p") permit (principal, action, resource) when { context.region == "eu-west-3" };`, "Encrypt/Encrypt", "p eu-west-3", false},
		{"a KMS key", `@id("p") permit (principal, action, resource) when { context.kmsKeyArn == "arn:aws:kms:eu-west-3:111122223333:key/1" };`, "Encrypt/Encrypt", "p key/1", false},
		{"a KMS key, before there is one", `permit (principal, action, resource) when { context.kmsKeyArn like "arn:*" };`, "CreateKey/GetKeyMetadata", "", false},
		{"a VPC", `@id("p") permit (principal, action, resource) when { context.sourceVpc == "vpc-7" };`, "Encrypt/Encrypt", "p vpc-7", false},
		{"a condition that never holds", `permit (principal, action, resource) when { 1 > 2 };`, "Encrypt/Encrypt", "", false},
		{"a forbid of everything", `permit (principal, action, resource); forbid (principal, action, resource);`, "Encrypt/Encrypt", "", false},
	} {
		trial := try(t, row.text, []string{"orders"}, []string{"us-west-2"})[row.call]
		if trial.Stranger.Decision.Allowed != row.stranger {
			t.Errorf("%s: a stranger: %+v", row.what, trial.Stranger.Decision)
		}
		if trial.Allowed == nil || row.allowed == "" {
			if trial.Allowed != nil || row.allowed != "" {
				t.Errorf("%s: got %+v, want %q", row.what, trial.Allowed, row.allowed)
			}
			continue
		}
		name, part, _ := strings.Cut(row.allowed, " ")
		if d := trial.Allowed.Decision; !d.Allowed || d.Policy != name || !strings.Contains(fmt.Sprintf("%+v", trial.Allowed.Request), part) {
			t.Errorf("%s: got %+v, want %q", row.what, trial.Allowed, row.allowed)
		}
	}
}

// TestTheStrangerIsOfNoAccountThatIsNamed names many, and forbids them all.
func TestTheStrangerIsOfNoAccountThatIsNamed(t *testing.T) {
	var text strings.Builder
	text.WriteString(`permit (principal, action, resource);`)
	for i := range 200 {
		fmt.Fprintf(&text, `forbid (principal in Account::"%012d", action, resource);`, 999999999999-i)
	}
	trial := try(t, text.String(), nil, nil)["Encrypt/Encrypt"]
	if d := trial.Stranger; !d.Decision.Allowed {
		t.Errorf("got %+v", d)
	}
}
