package policy_test

import (
	"testing"

	"hyok/proxy/policy"
)

// asked is a request by a role of 111122223333, straight to KMS.
func asked(operation, kmsOperation string) policy.Request {
	return policy.Request{
		Operation: operation, Key: "orders", KMSOperation: kmsOperation,
		Principal: "arn:aws:sts::111122223333:assumed-role/app/session-1",
		KMSKeyARN: "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
	}
}

func parse(t testing.TB, text string) *policy.Set {
	t.Helper()
	set, err := policy.Parse("test.cedar", []byte(text), "/tenant-1")
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Each policy is about one field; the request is allowed as it is, and refused
// with the change, or the other way round.
func TestEveryFieldCanDecide(t *testing.T) {
	for _, row := range []struct {
		what, condition string
		change          func(*policy.Request)
		before, after   bool
	}{
		{"principal", `principal == Principal::"arn:aws:sts::111122223333:assumed-role/app/session-1"`, func(r *policy.Request) { r.Principal += "2" }, true, false},
		{"principal by pattern", `principal.arn like "arn:aws:sts::*:assumed-role/app/*"`, func(r *policy.Request) { r.Principal = "arn:aws:sts::1:assumed-role/apps/x" }, true, false},
		{"account", `principal.account == "111122223333"`, func(r *policy.Request) { r.Principal = "arn:aws:iam::444455556666:root" }, true, false},
		{"account as a parent", `principal in Account::"111122223333"`, func(r *policy.Request) { r.Principal = "arn:aws:iam::444455556666:root" }, true, false},
		{"account of GovCloud and China", `principal.account == "444455556666"`, func(r *policy.Request) { r.Principal = "arn:aws-cn:iam::444455556666:user/x" }, false, true},
		{"service principal", `principal.arn == "ec2.amazonaws.com"`, func(r *policy.Request) { r.Principal = "ec2.amazonaws.com" }, false, true},
		{"AWS Internal has no account", `principal.account == ""`, func(r *policy.Request) { r.Principal = "AWS Internal" }, false, true},
		{"an account of eleven digits is none", `principal.account == ""`, func(r *policy.Request) { r.Principal = "arn:aws:iam::11112222333:root" }, false, true},
		{"external key", `resource == Key::"orders"`, func(r *policy.Request) { r.Key = "payroll" }, true, false},
		{"external key by pattern", `resource.id like "ord*"`, func(r *policy.Request) { r.Key = "payroll" }, true, false},
		{"key store", `resource in Store::"/tenant-1"`, func(*policy.Request) {}, true, true},
		{"another key store", `resource in Store::"/tenant-2"`, func(*policy.Request) {}, false, false},
		{"operation", `action == Action::"Encrypt"`, func(r *policy.Request) { r.Operation = "Decrypt" }, true, false},
		{"KMS operation", `context.kmsOperation == "GenerateDataKey"`, func(r *policy.Request) { r.KMSOperation = "ReEncrypt" }, true, false},
		{"KMS operation of tomorrow", `context.kmsOperation like "Generate*"`, func(r *policy.Request) { r.KMSOperation = "GenerateDream" }, true, true},
		{"KMS key", `context.kmsKeyArn like "*key/1234abcd-*"`, func(r *policy.Request) { r.KMSKeyARN = "arn:aws:kms:us-east-1:111122223333:key/5" }, true, false},
		{"KMS key's account", `context.kmsKeyAccount == "111122223333"`, func(r *policy.Request) { r.KMSKeyARN = "arn:aws:kms:us-east-1:444455556666:key/1" }, true, false},
		{"KMS key's account, stray colon", `context.kmsKeyAccount == "123456789012"`, func(r *policy.Request) { r.KMSKeyARN = "arn:aws:kms:us-east-2:123456789012:/key/1" }, false, true},
		{"Region", `context.region == "us-east-1"`, func(r *policy.Request) { r.KMSKeyARN = "arn:aws:kms:us-east-2:123456789012:/key/1" }, true, false},
		{"no KMS key", `context.kmsKeyArn == "" && context.region == "" && context.kmsKeyAccount == ""`, func(r *policy.Request) { r.KMSKeyARN = "" }, false, true},
		{"via service", `context.viaService == "s3.us-east-1.amazonaws.com"`, func(r *policy.Request) { r.ViaService = "s3.us-east-1.amazonaws.com" }, false, true},
		{"via service by name", `context.viaServiceName == "s3"`, func(r *policy.Request) { r.ViaService = "s3.us-east-1.amazonaws.com" }, false, true},
		{"via service, short", `context.viaServiceName == "ebs"`, func(r *policy.Request) { r.ViaService = "ebs" }, false, true},
		{"VPC", `context.sourceVpc == "vpc-1"`, func(r *policy.Request) { r.SourceVPC = "vpc-1" }, false, true},
		{"VPC endpoint", `context.sourceVpce == "vpce-1"`, func(r *policy.Request) { r.SourceVPCE = "vpce-1" }, false, true},
	} {
		t.Run(row.what, func(t *testing.T) {
			r := asked("Encrypt", "GenerateDataKey")
			permit := parse(t, "@id(\"p\") permit (principal, action, resource) when { "+row.condition+" };")
			forbid := parse(t, "@id(\"a\") permit (principal, action, resource); @id(\"f\") forbid (principal, action, resource) when { "+row.condition+" };")
			check := func(when string, applies bool) {
				want, but := policy.Decision{Policy: policy.Default}, policy.Decision{Allowed: true, Policy: "a"}
				if applies {
					want, but = policy.Decision{Allowed: true, Policy: "p"}, policy.Decision{Policy: "f"}
				}
				if got := permit.Decide(&r); got != want {
					t.Errorf("%s, permit: got %+v, want %+v", when, got, want)
				}
				if got := forbid.Decide(&r); got != but {
					t.Errorf("%s, forbid: got %+v, want %+v", when, got, but)
				}
			}
			check("before", row.before)
			row.change(&r)
			check("after", row.after)
		})
	}
}

// A policy that fails while it is evaluated is not passed over when it forbids.
func TestAForbidThatFailsRefuses(t *testing.T) {
	const overflow = `when { 9223372036854775807 + (if context.region == "us-east-1" then 1 else 0) > 0 };`
	set := parse(t, "@id(\"all\") permit (principal, action, resource);\n@id(\"broken\") forbid (principal, action, resource) "+overflow)
	r := asked("Encrypt", "Encrypt")
	if d := set.Decide(&r); d.Allowed || d.Policy != "broken" || d.Fault == "" {
		t.Errorf("got %+v", d)
	}
	set = parse(t, "@id(\"broken\") permit (principal, action, resource) "+overflow)
	if d := set.Decide(&r); d.Allowed || d.Policy != policy.Default || d.Fault == "" {
		t.Errorf("got %+v", d)
	}
}

func TestTheFirstPolicyThatAgreesIsNamed(t *testing.T) {
	set := parse(t, "permit (principal, action, resource);\n\n  permit (principal, action, resource);")
	r := asked("Encrypt", "Encrypt")
	for range 50 {
		if d := set.Decide(&r); d.Policy != "test.cedar:1:1" {
			t.Fatalf("got %+v", d)
		}
	}
}
