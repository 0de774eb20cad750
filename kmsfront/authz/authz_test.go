package authz

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"hyok/kmsfront/api"
)

const (
	own      = "111122223333"
	foreign  = "444455556666"
	keyARN   = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	aliasARN = "arn:aws:kms:us-east-1:111122223333:alias/app"
)

var alice = api.Caller{Account: own, ARN: "arn:aws:iam::111122223333:user/alice", Type: TypeIAMUser}
var mallory = api.Caller{Account: foreign, ARN: "arn:aws:iam::444455556666:user/mallory", Type: TypeIAMUser}

func TestDecide(t *testing.T) {
	tests := []struct {
		name string
		r    Request
		want string // empty: allowed
	}{
		{"the own account's key", Request{Caller: alice, Action: "kms:Encrypt", Resource: keyARN, KeyAccount: own}, ""},
		{"the own account's alias", Request{Caller: alice, Action: "kms:CreateAlias", Resource: aliasARN, KeyAccount: own}, ""},
		{"an operation without a key", Request{Caller: alice, Action: "kms:ListKeys", Resource: "*"}, ""},
		{"another account's key", Request{Caller: mallory, Action: "kms:Encrypt", Resource: keyARN, KeyAccount: own},
			"User: arn:aws:iam::444455556666:user/mallory is not authorized to perform: kms:Encrypt on resource: " + keyARN +
				" because no resource-based policy allows the kms:Encrypt action"},
		{"another account's alias", Request{Caller: mallory, Action: "kms:DeleteAlias", Resource: aliasARN, KeyAccount: own},
			"User: arn:aws:iam::444455556666:user/mallory is not authorized to perform: kms:DeleteAlias on resource: " + aliasARN +
				" because no resource-based policy allows the kms:DeleteAlias action"},
		{"an action that no operation needs", Request{Caller: alice, Action: "kms:Exfiltrate", Resource: keyARN, KeyAccount: own},
			"User: arn:aws:iam::111122223333:user/alice is not authorized to perform: kms:Exfiltrate on resource: " + keyARN +
				" because no identity-based policy allows the kms:Exfiltrate action"},
		{"a key whose account was not said", Request{Caller: alice, Action: "kms:Encrypt", Resource: keyARN},
			"User: arn:aws:iam::111122223333:user/alice is not authorized to perform: kms:Encrypt on resource: " + keyARN +
				" because no resource-based policy allows the kms:Encrypt action"},
		{"a caller without an account", Request{Action: "kms:ListKeys", Resource: "*"},
			"User:  is not authorized to perform: kms:ListKeys on resource: * because no identity-based policy allows the kms:ListKeys action"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := New().Decide(&test.r)
			err := d.Err(&test.r)
			if test.want == "" {
				if !d.Allowed || d.Reason != "" || err != nil {
					t.Errorf("got %+v, %v; want it allowed", d, err)
				}
				return
			}
			var e *api.Error
			if d.Allowed || !errors.As(err, &e) || e.Code != "AccessDeniedException" || e.Message != test.want {
				t.Errorf("got %+v, %v\nwant %s", d, err, test.want)
			}
		})
	}
}

// Whatever the action, nobody reaches into another account.
func TestNoRequestCrossesAccounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		row := rapid.SampledFrom(permissionTable).Draw(t, "operation")
		need := rapid.SampledFrom(row.needs).Draw(t, "permission")
		account := rapid.StringMatching(`[0-9]{12}`).Draw(t, "account")
		r := Request{Caller: api.Caller{Account: account, ARN: "x"}, Action: need.Action, Resource: keyARN, KeyAccount: own}
		if New().Decide(&r).Allowed != (account == own) {
			t.Fatalf("%s by account %s: allowed %v", need.Action, account, account != own)
		}
	})
}

func TestEveryOperationHasItsPermissions(t *testing.T) {
	if len(permissionTable) != 54 {
		t.Errorf("%d rows, want 54", len(permissionTable))
	}
	for op := range api.Operations {
		needs := Permissions(op)
		if len(needs) == 0 {
			t.Errorf("%s has no row", op)
			continue
		}
		if op == "ReEncrypt" {
			continue
		}
		if needs[0].Action != "kms:"+op || needs[0].When != "" {
			t.Errorf("%s needs %v first", op, needs[0])
		}
	}
	for _, row := range permissionTable {
		if api.Operations[row.op] == nil || row.ref == "" {
			t.Errorf("%s: no such operation, or no reference", row.op)
		}
		for _, p := range row.needs {
			if (p.Policy == IAMPolicy) != (p.Resource == AliasResource || p.Resource == AnyResource) {
				t.Errorf("%s: %v", row.op, p)
			}
		}
	}
	if Permissions("MakeCoffee") != nil || CrossAccount("MakeCoffee") {
		t.Error("an operation that does not exist has permissions")
	}
}

func TestSeveralPermissions(t *testing.T) {
	tests := map[string]string{
		"ReEncrypt":           "kms:ReEncryptTo on key, kms:ReEncryptFrom on source key",
		"CreateAlias":         "kms:CreateAlias on key, kms:CreateAlias on alias",
		"DeleteAlias":         "kms:DeleteAlias on key, kms:DeleteAlias on alias",
		"UpdateAlias":         "kms:UpdateAlias on key, kms:UpdateAlias on source key, kms:UpdateAlias on alias",
		"CreateKey":           "kms:CreateKey on *, kms:TagResource on * with Tags, iam:CreateServiceLinkedRole on * with MultiRegion",
		"ReplicateKey":        "kms:ReplicateKey on key, kms:CreateKey on *, kms:TagResource on * with Tags",
		"UpdatePrimaryRegion": "kms:UpdatePrimaryRegion on key, kms:UpdatePrimaryRegion on source key",
	}
	for op, want := range tests {
		var got []string
		for _, p := range Permissions(op) {
			text := p.Action + " on " + string(p.Resource)
			if p.When != "" {
				text += " with " + p.When
			}
			got = append(got, text)
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %v, want %s", op, got, want)
		}
	}
	for _, row := range permissionTable {
		if _, listed := tests[row.op]; !listed && len(row.needs) != 1 {
			t.Errorf("%s needs %d permissions", row.op, len(row.needs))
		}
	}
}

// Guide 004:13387-13398, and DeriveSharedSecret, a cryptographic operation.
func TestCrossAccountOperations(t *testing.T) {
	var got []string
	for _, row := range permissionTable {
		if CrossAccount(row.op) {
			got = append(got, row.op)
		}
	}
	want := []string{"CreateGrant", "Decrypt", "DeriveSharedSecret", "DescribeKey", "Encrypt",
		"GenerateDataKey", "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext", "GenerateDataKeyWithoutPlaintext",
		"GenerateMac", "GetKeyRotationStatus", "GetPublicKey", "ListGrants", "ReEncrypt", "RetireGrant", "RevokeGrant",
		"Sign", "Verify", "VerifyMac"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func BenchmarkDecide(b *testing.B) {
	e, r := New(), &Request{Caller: alice, Action: "kms:Encrypt", Resource: keyARN, KeyAccount: own}
	b.ReportAllocs()
	for b.Loop() {
		if !e.Decide(r).Allowed {
			b.Fatal("denied")
		}
	}
}
