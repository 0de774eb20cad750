package kmsfront

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hyok/kmsfront/api"
	"hyok/kmsfront/quota"
)

var quotasOff = quota.Config{Off: true}

func TestCreateKeyHasTheGuidesDefaults(t *testing.T) {
	k := newKit(t, quotasOff)
	m := ok[api.CreateKeyResponse](k, "CreateKey", `{}`).KeyMetadata
	for _, c := range []struct{ name, got, want string }{
		{"Arn", m.Arn, "arn:aws:kms:us-east-1:111122223333:key/" + m.KeyId},
		{"AWSAccountId", m.AWSAccountId, testAccount}, {"Description", m.Description, ""},
		{"KeySpec", m.KeySpec, "SYMMETRIC_DEFAULT"}, {"CustomerMasterKeySpec", m.CustomerMasterKeySpec, "SYMMETRIC_DEFAULT"},
		{"KeyUsage", m.KeyUsage, "ENCRYPT_DECRYPT"}, {"KeyState", m.KeyState, "Enabled"},
		{"Origin", m.Origin, "AWS_KMS"}, {"KeyManager", m.KeyManager, "CUSTOMER"},
		{"EncryptionAlgorithms", fmt.Sprint(m.EncryptionAlgorithms), "[SYMMETRIC_DEFAULT]"},
	} {
		if c.got != c.want {
			t.Errorf("%s is %q, want %q", c.name, c.got, c.want)
		}
	}
	if !m.Enabled || m.MultiRegion == nil || *m.MultiRegion || len(m.CurrentKeyMaterialId) != 64 {
		t.Errorf("Enabled %v, MultiRegion %v, CurrentKeyMaterialId %q", m.Enabled, m.MultiRegion, m.CurrentKeyMaterialId)
	}
	p := ok[api.GetKeyPolicyResponse](k, "GetKeyPolicy", body("KeyId", m.KeyId))
	if !strings.Contains(p.Policy, "Enable IAM User Permissions") || p.PolicyName != "default" {
		t.Errorf("the default policy is %q", p.Policy)
	}
}

func TestKeyIdentifierForms(t *testing.T) {
	k := newKit(t, quotasOff)
	id := k.newKey()
	ok[api.Empty](k, "CreateAlias", body("AliasName", "alias/app", "TargetKeyId", id))
	aliasARN := "arn:aws:kms:us-east-1:111122223333:alias/app"
	for _, form := range []string{id, k.arn(id), "alias/app", aliasARN} {
		if got := ok[api.DescribeKeyResponse](k, "DescribeKey", body("KeyId", form)).KeyMetadata.KeyId; got != id {
			t.Errorf("%s names %s, want %s", form, got, id)
		}
	}
	const missing = "12345678-1234-1234-1234-123456789012"
	for _, c := range []struct{ operation, id, want string }{
		{"EnableKey", "alias/app", "NotFoundException: Invalid keyId alias/app"},
		{"EnableKey", aliasARN, "NotFoundException: Invalid keyId " + aliasARN},
		{"DescribeKey", missing, "NotFoundException: Key 'arn:aws:kms:us-east-1:111122223333:key/" + missing + "' does not exist"},
		{"DescribeKey", "nonsense", "NotFoundException: Invalid keyId 'nonsense'"},
		{"DescribeKey", "alias/none", "NotFoundException: Alias arn:aws:kms:us-east-1:111122223333:alias/none is not found."},
		{"DescribeKey", "alias/App", "NotFoundException: Alias arn:aws:kms:us-east-1:111122223333:alias/App is not found."},
		{"DescribeKey", "arn:aws:kms:eu-west-1:111122223333:key/" + id, "NotFoundException: Invalid arn eu-west-1"},
		{"DescribeKey", "arn:aws:s3:::bucket", "InvalidArnException: Invalid arn arn:aws:s3:::bucket"},
		{"DescribeKey", "arn:aws:kms:us-east-1:111122223333:grant/" + id, "InvalidArnException: Invalid arn arn:aws:kms:us-east-1:111122223333:grant/" + id},
	} {
		k.refused(c.operation, body("KeyId", c.id), c.want)
	}
}

// In another account, what does not exist looks like what is not allowed.
func TestOtherAccountsLearnNothing(t *testing.T) {
	k := newKit(t, quotasOff)
	arn := k.arn(k.newKey())
	k.account = "444455556666"
	missing := arn[:len(arn)-4] + "0000"
	_, existing := k.call("DescribeKey", body("KeyId", arn))
	_, absent := k.call("DescribeKey", body("KeyId", missing))
	for _, err := range []error{existing, absent} {
		if !strings.HasPrefix(message(err), "AccessDeniedException: User: arn:aws:iam::444455556666:user/admin is not authorized to perform: kms:DescribeKey") {
			t.Errorf("got %v", err)
		}
	}
}

func TestRegionsShareNothing(t *testing.T) {
	k := newKit(t, quotasOff)
	id := k.newKey()
	k.region = "eu-west-1"
	k.refused("DescribeKey", body("KeyId", id), "NotFoundException: Key 'arn:aws:kms:eu-west-1:111122223333:key/"+id+"' does not exist")
	if n := len(ok[api.ListKeysResponse](k, "ListKeys", `{}`).Keys); n != 0 {
		t.Errorf("another Region lists %d keys", n)
	}
	k.region = "cn-north-1"
	if m := ok[api.CreateKeyResponse](k, "CreateKey", `{}`).KeyMetadata; !strings.HasPrefix(m.Arn, "arn:aws-cn:kms:cn-north-1:") {
		t.Errorf("a key in China has the ARN %s", m.Arn)
	}
}

func TestListKeysPages(t *testing.T) {
	k := newKit(t, quotasOff)
	want := map[string]bool{}
	for range 7 {
		want[k.newKey()] = true
	}
	marker, pages := "", 0
	for {
		request := body("Limit", 3)
		if marker != "" {
			request = body("Limit", 3, "Marker", marker)
		}
		out := ok[api.ListKeysResponse](k, "ListKeys", request)
		pages++
		for _, e := range out.Keys {
			if !want[e.KeyId] {
				t.Errorf("%s is listed twice, or is no key", e.KeyId)
			}
			delete(want, e.KeyId)
		}
		if out.Truncated != (out.NextMarker != "") {
			t.Errorf("Truncated %v with marker %q", out.Truncated, out.NextMarker)
		}
		if marker = out.NextMarker; marker == "" {
			break
		}
	}
	if len(want) != 0 || pages != 3 {
		t.Errorf("%d keys were not listed, in %d pages", len(want), pages)
	}
	k.refused("ListKeys", body("Marker", "made-up"), "InvalidMarkerException: Could not deserialize marker 'made-up'")
	first := ok[api.ListKeysResponse](k, "ListKeys", body("Limit", 1)).NextMarker
	k.refused("ListAliases", body("Marker", first), "InvalidMarkerException: Could not deserialize marker '"+first+"'")
}

func TestEnableAndDisableAreIdempotent(t *testing.T) {
	k := newKit(t, quotasOff)
	id := k.newKey()
	for range 2 {
		ok[api.Empty](k, "DisableKey", body("KeyId", id))
		if got := k.keyState(id); got != "Disabled" {
			t.Errorf("state %s after DisableKey", got)
		}
	}
	k.refused("Encrypt", body("KeyId", id, "Plaintext", "AAAA"), "DisabledException: "+k.arn(id)+" is disabled.")
	for range 2 {
		ok[api.Empty](k, "EnableKey", body("KeyId", id))
		if got := k.keyState(id); got != "Enabled" {
			t.Errorf("state %s after EnableKey", got)
		}
	}
}

func TestDeletionWaitsAndCanBeCancelled(t *testing.T) {
	k := newKit(t, quotasOff)
	id := k.newKey()
	out := ok[api.ScheduleKeyDeletionResponse](k, "ScheduleKeyDeletion", body("KeyId", id, "PendingWindowInDays", 7))
	if d := time.Until(out.DeletionDate); out.KeyId != k.arn(id) || out.KeyState != "PendingDeletion" || d < 6*day || d > 7*day {
		t.Errorf("ScheduleKeyDeletion answered %+v", out)
	}
	k.refused("Encrypt", body("KeyId", id, "Plaintext", "AAAA"), "KMSInvalidStateException: "+k.arn(id)+" is pending deletion.")
	k.refused("ScheduleKeyDeletion", body("KeyId", id), "KMSInvalidStateException: "+k.arn(id)+" is pending deletion.")
	ok[api.CancelKeyDeletionResponse](k, "CancelKeyDeletion", body("KeyId", id))
	if got := k.keyState(id); got != "Disabled" {
		t.Errorf("state %s after CancelKeyDeletion, want Disabled", got)
	}
	k.refused("CancelKeyDeletion", body("KeyId", id), "KMSInvalidStateException: "+k.arn(id)+" is not pending deletion.")
	for _, days := range []int{6, 31} {
		if _, err := k.call("ScheduleKeyDeletion", body("KeyId", id, "PendingWindowInDays", days)); !strings.HasPrefix(message(err), "ValidationException") {
			t.Errorf("a window of %d days: %v", days, err)
		}
	}
}

func TestDeletionHappensWithAliasesAndRecords(t *testing.T) {
	k := newKit(t, quotasOff)
	id := k.newKey()
	ok[api.Empty](k, "CreateAlias", body("AliasName", "alias/app", "TargetKeyId", id))
	ok[api.ScheduleKeyDeletionResponse](k, "ScheduleKeyDeletion", body("KeyId", id, "PendingWindowInDays", 7))
	k.must(k.clock.Advance(8 * day))
	gone := func() bool { _, found := k.lookup(recordKey(testAccount, testRegion, id)); return !found }
	for deadline := time.Now().Add(10 * time.Second); !gone(); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the key is still there after its waiting period")
		}
	}
	k.refused("DescribeKey", body("KeyId", id), "NotFoundException: Key '"+k.arn(id)+"' does not exist")
	k.refused("DescribeKey", body("KeyId", "alias/app"), "NotFoundException: Alias arn:aws:kms:us-east-1:111122223333:alias/app is not found.")
	k.shut() // the records are written before Close returns
	deleted := 0
	for _, record := range k.lines("trail.jsonl") {
		if record["eventName"] == "DeleteKey" && record["eventType"] == "AwsServiceEvent" {
			deleted++
		}
	}
	if deleted != 1 {
		t.Errorf("the trail has %d DeleteKey events, want 1", deleted)
	}
	if events := k.lines("events.jsonl"); len(events) != 1 || events[0]["detail-type"] != "KMS CMK Deletion" {
		t.Errorf("events: %v", events)
	}
}

func TestOverdueDeletionHappensAtTheNextStart(t *testing.T) {
	k := newKit(t, quotasOff)
	id := k.newKey()
	ok[api.ScheduleKeyDeletionResponse](k, "ScheduleKeyDeletion", body("KeyId", id, "PendingWindowInDays", 7))
	k.shut()
	k.must(k.clock.Advance(8 * day))
	k.reopen()
	for deadline := time.Now().Add(10 * time.Second); ; <-time.After(time.Millisecond) {
		if _, found := k.lookup(recordKey(testAccount, testRegion, id)); !found {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the overdue key is still there")
		}
	}
}

func TestKeysSurviveARestart(t *testing.T) {
	k := newKit(t, quotasOff)
	id := ok[api.CreateKeyResponse](k, "CreateKey", `{"Description":"kept","Tags":[{"TagKey":"a","TagValue":"b"}]}`).KeyMetadata.KeyId
	blob := ok[api.EncryptResponse](k, "Encrypt", body("KeyId", id, "Plaintext", "AAAA")).CiphertextBlob
	k.reopen()
	if got := ok[api.DescribeKeyResponse](k, "DescribeKey", body("KeyId", id)).KeyMetadata.Description; got != "kept" {
		t.Errorf("description %q after a restart", got)
	}
	if got := ok[api.DecryptResponse](k, "Decrypt", body("CiphertextBlob", blob)).Plaintext; string(got) != "\x00\x00\x00" {
		t.Errorf("plaintext %x after a restart", got)
	}
}

func TestKeyQuota(t *testing.T) {
	k := newKit(t, quota.Config{Values: quota.File{Resources: map[string]int{"keys": 2}}})
	k.newKey()
	k.newKey()
	if _, err := k.call("CreateKey", `{}`); !strings.HasPrefix(message(err), "LimitExceededException") {
		t.Errorf("the third key with a quota of two: %v", err)
	}
}

func TestWhatIsNotBuiltNamesItself(t *testing.T) {
	k := newKit(t, quotasOff)
	id := k.newKey()
	for _, c := range []struct{ operation, body, want string }{
		{"CreateKey", `{"KeySpec":"RSA_2048","KeyUsage":"SIGN_VERIFY"}`, "KeySpec RSA_2048"},
		{"CreateKey", `{"MultiRegion":true}`, "MultiRegion"},
		{"CreateKey", `{"Origin":"EXTERNAL"}`, "Origin EXTERNAL (imported key material)"},
		{"EnableKeyRotation", body("KeyId", id), "EnableKeyRotation"},
		{"CreateGrant", body("KeyId", id, "GranteePrincipal", "arn:aws:iam::111122223333:user/x", "Operations", []string{"Decrypt"}), "CreateGrant"},
		{"ListRetirableGrants", body("RetiringPrincipal", "arn:aws:iam::111122223333:user/x"), "ListRetirableGrants"},
		{"GenerateDataKeyPair", body("KeyId", id, "KeyPairSpec", "RSA_2048"), "GenerateDataKeyPair"},
	} {
		k.refused(c.operation, c.body, "UnsupportedOperationException: "+c.want+" is not built yet in this version of hyok.")
	}
}

func TestImpossibleKeysAreRefused(t *testing.T) {
	k := newKit(t, quotasOff)
	for _, request := range []string{
		`{"Origin":"AWS_CLOUDHSM"}`, `{"CustomKeyStoreId":"cks-1"}`, `{"XksKeyId":"x"}`,
		`{"Origin":"EXTERNAL_KEY_STORE","CustomKeyStoreId":"cks-1"}`,
		`{"KeySpec":"SYMMETRIC_DEFAULT","CustomerMasterKeySpec":"SYMMETRIC_DEFAULT"}`,
		`{"KeyUsage":"SIGN_VERIFY"}`,
	} {
		if _, err := k.call("CreateKey", request); !strings.HasPrefix(message(err), "ValidationException: ") {
			t.Errorf("CreateKey %s: %v, want a ValidationException", request, err)
		}
	}
	k.refused("CreateKey", `{"Origin":"EXTERNAL_KEY_STORE","CustomKeyStoreId":"cks-1","XksKeyId":"x","KeySpec":"RSA_2048"}`,
		"UnsupportedOperationException: A custom key store holds single-Region symmetric encryption keys only.")
	if n := len(ok[api.ListKeysResponse](k, "ListKeys", `{}`).Keys); n != 0 {
		t.Errorf("refused requests made %d keys", n)
	}
}
