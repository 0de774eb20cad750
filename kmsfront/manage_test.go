package kmsfront

import (
	"fmt"
	"strings"
	"testing"

	"hyok/kmsfront/api"
	"hyok/kmsfront/quota"
)

func TestAliasRules(t *testing.T) {
	k := newKit(t, quotasOff)
	id, other := k.newKey(), k.newKey()
	ok[api.Empty](k, "CreateAlias", body("AliasName", "alias/app", "TargetKeyId", id))
	ok[api.Empty](k, "CreateAlias", body("AliasName", "alias/App", "TargetKeyId", id)) // case counts
	ok[api.Empty](k, "CreateAlias", body("AliasName", "alias/alias/x", "TargetKeyId", k.arn(id)))
	for _, c := range []struct{ name, want string }{
		{"alias/app", "AlreadyExistsException: An alias with the name arn:aws:kms:us-east-1:111122223333:alias/app already exists"},
		{"alias/aws/mine", `InvalidAliasNameException: Aliases that begin with "alias/aws/" are reserved for AWS managed keys.`},
		{"app", `InvalidAliasNameException: Alias must start with the prefix "alias/" and a name after it.`},
		{"alias/", `InvalidAliasNameException: Alias must start with the prefix "alias/" and a name after it.`},
		{"alias/a:b", "InvalidAliasNameException: An alias has letters, digits and /_- only."},
	} {
		k.refused("CreateAlias", body("AliasName", c.name, "TargetKeyId", id), c.want)
	}
	k.refused("CreateAlias", body("AliasName", "alias/b", "TargetKeyId", "alias/app"), "NotFoundException: Invalid keyId alias/app")

	before := ok[api.ListAliasesResponse](k, "ListAliases", body("KeyId", id)).Aliases
	if len(before) != 3 || before[0].AliasName != "alias/App" || before[0].TargetKeyId != id {
		t.Fatalf("the key's aliases are %+v", before)
	}
	ok[api.Empty](k, "UpdateAlias", body("AliasName", "alias/app", "TargetKeyId", other))
	after := ok[api.ListAliasesResponse](k, "ListAliases", body("KeyId", other)).Aliases
	if len(after) != 1 || after[0].AliasName != "alias/app" || after[0].LastUpdatedDate.Before(after[0].CreationDate) {
		t.Errorf("after UpdateAlias the other key's aliases are %+v", after)
	}
	k.refused("UpdateAlias", body("AliasName", "alias/none", "TargetKeyId", id),
		"NotFoundException: Alias arn:aws:kms:us-east-1:111122223333:alias/none is not found.")
	ok[api.Empty](k, "DeleteAlias", body("AliasName", "alias/app"))
	k.refused("DeleteAlias", body("AliasName", "alias/app"), "NotFoundException: Alias arn:aws:kms:us-east-1:111122223333:alias/app is not found.")
	if got := k.keyState(other); got != "Enabled" {
		t.Errorf("deleting an alias left its key %s", got)
	}
}

// Footnote [10]: away from a key that is pending deletion, but not towards one.
func TestUpdateAliasLeavesAKeyThatIsPendingDeletion(t *testing.T) {
	k := newKit(t, quotasOff)
	dying, other := k.newKey(), k.newKey()
	ok[api.Empty](k, "CreateAlias", body("AliasName", "alias/app", "TargetKeyId", dying))
	ok[api.ScheduleKeyDeletionResponse](k, "ScheduleKeyDeletion", body("KeyId", dying))
	ok[api.Empty](k, "UpdateAlias", body("AliasName", "alias/app", "TargetKeyId", other))
	k.refused("UpdateAlias", body("AliasName", "alias/app", "TargetKeyId", dying),
		"KMSInvalidStateException: "+k.arn(dying)+" is pending deletion.")
	ok[api.Empty](k, "CreateAlias", body("AliasName", "alias/b", "TargetKeyId", other))
	k.refused("CreateAlias", body("AliasName", "alias/c", "TargetKeyId", dying), "KMSInvalidStateException: "+k.arn(dying)+" is pending deletion.")
}

func TestAliasQuota(t *testing.T) {
	k := newKit(t, quota.Config{Values: quota.File{Resources: map[string]int{"aliases-per-key": 2}}})
	id := k.newKey()
	for i := range 2 {
		ok[api.Empty](k, "CreateAlias", body("AliasName", fmt.Sprintf("alias/%d", i), "TargetKeyId", id))
	}
	if _, err := k.call("CreateAlias", body("AliasName", "alias/2", "TargetKeyId", id)); !strings.HasPrefix(message(err), "LimitExceededException") {
		t.Errorf("the third alias with a quota of two: %v", err)
	}
}

func TestTagRules(t *testing.T) {
	k := newKit(t, quotasOff)
	id := ok[api.CreateKeyResponse](k, "CreateKey", `{"Tags":[{"TagKey":"b","TagValue":"1"},{"TagKey":"B","TagValue":""}]}`).KeyMetadata.KeyId
	tag := func(pairs ...string) string {
		var tags []map[string]string
		for i := 0; i < len(pairs); i += 2 {
			tags = append(tags, map[string]string{"TagKey": pairs[i], "TagValue": pairs[i+1]})
		}
		return body("KeyId", id, "Tags", tags)
	}
	ok[api.Empty](k, "TagResource", tag("b", "2", "a", "3"))
	ok[api.Empty](k, "UntagResource", body("KeyId", id, "TagKeys", []string{"B", "never there"}))
	out := ok[api.ListResourceTagsResponse](k, "ListResourceTags", body("KeyId", id))
	if len(out.Tags) != 2 || *out.Tags[0] != (api.Tag{TagKey: "a", TagValue: "3"}) || *out.Tags[1] != (api.Tag{TagKey: "b", TagValue: "2"}) || out.Truncated {
		t.Errorf("tags are %+v", out)
	}
	k.refused("TagResource", tag("a", "1", "a", "2"), "TagException: Duplicate tag keys")
	k.refused("TagResource", tag("aws:a", "1"), "TagException: Tag keys must not begin with aws:")
	k.refused("TagResource", body("KeyId", id, "Tags", []string{}), "ValidationException: Tags must not be empty.")
	k.refused("UntagResource", body("KeyId", id, "TagKeys", []string{}), "ValidationException: TagKeys must not be empty.")
	var many []string
	for i := range 49 {
		many = append(many, fmt.Sprintf("k%02d", i), "v")
	}
	k.refused("TagResource", tag(many...), "TagException: Too many tags")
	ok[api.Empty](k, "TagResource", tag(many[:96]...))
	page := ok[api.ListResourceTagsResponse](k, "ListResourceTags", body("KeyId", id, "Limit", 30))
	rest := ok[api.ListResourceTagsResponse](k, "ListResourceTags", body("KeyId", id, "Limit", 30, "Marker", page.NextMarker))
	if len(page.Tags) != 30 || len(rest.Tags) != 20 || !page.Truncated || rest.Truncated {
		t.Errorf("pages of %d and %d tags", len(page.Tags), len(rest.Tags))
	}
}

func TestPolicyIsStoredAndReadBackUnchanged(t *testing.T) {
	k := newKit(t, quotasOff)
	id := k.newKey()
	policy := `{ "Version":"2012-10-17",  "Statement":{"Effect":"Allow","Principal":"*","Action":["kms:*"],"Resource":"*"}}`
	ok[api.Empty](k, "PutKeyPolicy", body("KeyId", id, "PolicyName", "default", "Policy", policy))
	if got := ok[api.GetKeyPolicyResponse](k, "GetKeyPolicy", body("KeyId", id)).Policy; got != policy {
		t.Errorf("the policy came back as %q", got)
	}
	if names := ok[api.ListKeyPoliciesResponse](k, "ListKeyPolicies", body("KeyId", id)).PolicyNames; len(names) != 1 || names[0] != "default" {
		t.Errorf("policy names are %v", names)
	}
	k.refused("GetKeyPolicy", body("KeyId", id, "PolicyName", "other"), "NotFoundException: No such policy exists")
	for _, broken := range []string{"{", `{"Version":"2012-10-17"}`, `"text"`} {
		if _, err := k.call("PutKeyPolicy", body("KeyId", id, "Policy", broken)); !strings.HasPrefix(message(err), "MalformedPolicyDocumentException") {
			t.Errorf("policy %s: %v", broken, err)
		}
	}
	if got := ok[api.GetKeyPolicyResponse](k, "GetKeyPolicy", body("KeyId", id)).Policy; got != policy {
		t.Error("a refused policy changed the one there was")
	}
}

func TestDescriptionCanChangeUntilDeletion(t *testing.T) {
	k := newKit(t, quotasOff)
	id := k.newKey()
	ok[api.Empty](k, "UpdateKeyDescription", body("KeyId", id, "Description", "new"))
	ok[api.Empty](k, "UpdateKeyDescription", body("KeyId", id, "Description", ""))
	ok[api.ScheduleKeyDeletionResponse](k, "ScheduleKeyDeletion", body("KeyId", id))
	k.refused("UpdateKeyDescription", body("KeyId", id, "Description", "late"), "KMSInvalidStateException: "+k.arn(id)+" is pending deletion.")
}
