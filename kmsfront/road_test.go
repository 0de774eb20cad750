package kmsfront

import (
	"strings"
	"sync"
	"testing"

	"hyok/kmsfront/api"
	"hyok/kmsfront/quota"
)

const throttledText = "ThrottlingException: You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."

func TestQuotaIsSpentBeforeTheKeyIsLookedAt(t *testing.T) {
	k := newKit(t, quota.Config{Values: quota.File{Requests: map[string]float64{"EnableKey": 1}}})
	id := k.newKey()
	ok[api.ScheduleKeyDeletionResponse](k, "ScheduleKeyDeletion", body("KeyId", id))
	k.refused("EnableKey", body("KeyId", id), "KMSInvalidStateException: "+k.arn(id)+" is pending deletion.")
	k.refused("EnableKey", body("KeyId", id), throttledText)
}

func TestEveryRequestLeavesOneRecord(t *testing.T) {
	k := newKit(t, quotasOff)
	id := k.newKey()
	ok[api.EncryptResponse](k, "Encrypt", body("KeyId", id, "Plaintext", "c2VjcmV0", "EncryptionContext", map[string]string{"a": "b"}))
	k.refused("DescribeKey", body("KeyId", "nonsense"), "NotFoundException: Invalid keyId 'nonsense'")
	k.refused("EnableKeyRotation", body("KeyId", id), "UnsupportedOperationException: EnableKeyRotation is not built yet in this version of hyok.")
	k.shut()
	records := k.lines("trail.jsonl")
	want := []struct{ event, code string }{{"CreateKey", ""}, {"Encrypt", ""}, {"DescribeKey", "NotFoundException"}, {"EnableKeyRotation", "UnsupportedOperationException"}}
	if len(records) != len(want) {
		t.Fatalf("%d records, want %d", len(records), len(want))
	}
	for i, w := range want {
		code, _ := records[i]["errorCode"].(string)
		if records[i]["eventName"] != w.event || code != w.code || records[i]["requestID"] != "request-1" {
			t.Errorf("record %d is %v", i, records[i])
		}
	}
	resources, _ := records[1]["resources"].([]any)
	if len(resources) != 1 || resources[0].(map[string]any)["ARN"] != k.arn(id) {
		t.Errorf("Encrypt's resources are %v", resources)
	}
}

func TestWhatCannotBeRecordedIsNotAnswered(t *testing.T) {
	k := newKit(t, quotasOff)
	id := k.newKey()
	k.must(k.trail.Close())
	_, err := k.call("Encrypt", body("KeyId", id, "Plaintext", "AAAA"))
	if message(err) != "KMSInternalException: The request could not be recorded." {
		t.Errorf("with a closed trail Encrypt answered %v", err)
	}
	k.must(k.Close())
	k.must(k.store.Close())
	k.Server = nil
}

// Changes to one key by many callers at once are all kept.
func TestConcurrentChangesOfOneKeyAreAllKept(t *testing.T) {
	k := newKit(t, quotasOff)
	id := k.newKey()
	var wg sync.WaitGroup
	errs := make(chan error, 16)
	for i := range 16 {
		wg.Go(func() {
			_, err := k.call("TagResource", body("KeyId", id, "Tags", []map[string]string{{"TagKey": string(rune('a' + i)), "TagValue": "v"}}))
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	if n := len(ok[api.ListResourceTagsResponse](k, "ListResourceTags", body("KeyId", id)).Tags); n != 16 {
		t.Errorf("%d of 16 tags were kept", n)
	}
}

func TestStoredFilesHoldNoSecret(t *testing.T) {
	k := newKit(t, quotasOff)
	ok[api.CreateKeyResponse](k, "CreateKey", `{"Description":"find me if you can"}`)
	k.shut()
	if strings.Contains(k.raw("store.db"), "find me") {
		t.Error("a record can be read in the store's file")
	}
}
