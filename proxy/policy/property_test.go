package policy_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"hyok/proxy/policy"
)

// conditions hold, do not hold, or fail.
var conditions = []string{
	"true", `principal.account == "111122223333"`, `principal.arn like "*app*"`, `resource.id == "orders"`,
	`action == Action::"Decrypt"`, `context.kmsOperation == "ReEncrypt"`, `context.viaServiceName == "s3"`,
	`context.sourceVpce != ""`, `resource in Store::"/tenant-1"`,
	`9223372036854775807 + (if context.region == "us-east-1" then 1 else 0) > 0`,
}

func drawRequest(t *rapid.T) policy.Request {
	pick := func(what string, from ...string) string { return rapid.SampledFrom(from).Draw(t, what) }
	return policy.Request{
		Operation:    pick("operation", "GetKeyMetadata", "Encrypt", "Decrypt"),
		Key:          pick("key", "orders", "payroll", ".."),
		Principal:    pick("principal", app, stranger, "AWS Internal", "ec2.amazonaws.com", "arn:", "*", ""),
		KMSOperation: pick("KMS operation", "Encrypt", "ReEncrypt", "CreateKey", "Unheard"),
		KMSKeyARN:    pick("KMS key", ours, foreign, "arn:aws:kms:us-east-2:123456789012:/key/1", ""),
		ViaService:   pick("service", "", "s3", "s3.us-east-1.amazonaws.com"),
		SourceVPCE:   pick("endpoint", "", "vpce-1"),
	}
}

func drawPolicies(t *rapid.T) []string {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
		return rapid.SampledFrom([]string{"permit", "permit", "forbid"}).Draw(t, "effect") +
			" (principal, action, resource) when { " + rapid.SampledFrom(conditions).Draw(t, "condition") + " };"
	}), 1, 6).Draw(t, "policies")
}

func mustParse(t *rapid.T, policies []string) *policy.Set {
	set, err := policy.Parse("x.cedar", []byte(strings.Join(policies, "\n")), "/tenant-1")
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestAddingAForbidNeverAllowsMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policies := drawPolicies(t)
		r := drawRequest(t)
		before := mustParse(t, policies).Decide(&r)
		at := rapid.IntRange(0, len(policies)).Draw(t, "at")
		forbid := "forbid (principal, action, resource) when { " + rapid.SampledFrom(conditions).Draw(t, "forbidden") + " };"
		more := append(append(append([]string{}, policies[:at]...), forbid), policies[at:]...)
		if after := mustParse(t, more).Decide(&r); after.Allowed && !before.Allowed {
			t.Fatalf("%s\nallows more: %+v, before %+v", forbid, after, before)
		}
	})
}

// The order in a file decides who is named, and nothing else.
func TestTheOrderOfPoliciesDecidesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policies := drawPolicies(t)
		r := drawRequest(t)
		shuffled := rapid.Permutation(policies).Draw(t, "shuffled")
		if a, b := mustParse(t, policies).Decide(&r), mustParse(t, shuffled).Decide(&r); a.Allowed != b.Allowed {
			t.Fatalf("%+v and %+v", a, b)
		}
	})
}
