package kmsfront

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"hyok/kmsfront/api"
	"hyok/proxy/xks"
)

// Contradictions of the guide about external key stores (custom-key-stores §20),
// each by what callers see. Others are named beside the tests of their subject.

// 7: an external key is used by one KMS key of a key store, and may be used in
// another key store. It is free again when the KMS key is gone (CK-02).
func TestContradiction7AnExternalKeyIsTakenWithinItsKeyStore(t *testing.T) {
	x, seen := newExternalKit(t, quotasOff)
	inUse := func() {
		t.Helper()
		_, err := x.call("CreateKey", x.createsKey("external-1"))
		if !strings.HasPrefix(message(err), "XksKeyAlreadyInUseException: ") {
			t.Errorf("the external key can be taken again: %v", err)
		}
	}
	inUse()
	first := x.storeID
	x.storeID = ok[api.CreateCustomKeyStoreResponse](x.kit, "CreateCustomKeyStore", x.creates("two")).CustomKeyStoreId
	ok[api.ConnectCustomKeyStoreResponse](x.kit, "ConnectCustomKeyStore", body("CustomKeyStoreId", x.storeID))
	seen.await(t, "CONNECTED")
	x.newExternalKey("external-1")
	x.storeID = first
	ok[api.ScheduleKeyDeletionResponse](x.kit, "ScheduleKeyDeletion", body("KeyId", x.key, "PendingWindowInDays", 7))
	inUse()
	x.must(x.clock.Advance(8 * 24 * time.Hour))
	x.until(func() bool { _, err := x.call("DescribeKey", body("KeyId", x.key)); return err != nil })
	x.newExternalKey("external-1")
}

// until waits for something that has been set off.
func (k *kit) until(done func() bool) {
	k.t.Helper()
	tick, limit := time.NewTicker(5*time.Millisecond), time.After(20*time.Second)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			k.t.Fatal("it does not happen")
		}
	}
}

// 16: nothing of a key tells of its key store but the ID, and of an external key
// but its ID; 17: dates are numbers on the wire.
func TestContradictions16And17WhatDescribeShows(t *testing.T) {
	x, _ := newExternalKit(t, quotasOff)
	key, err := api.Encode(ok[api.DescribeKeyResponse](x.kit, "DescribeKey", body("KeyId", x.key)))
	x.must(err)
	if s := string(key); strings.Contains(s, "CustomKeyStoreType") || !strings.Contains(s, `"CustomKeyStoreId":"`+x.storeID+`"`) ||
		!strings.Contains(s, `"XksKeyConfiguration":{"Id":"external-1"}`) {
		t.Errorf("DescribeKey gives %s", s)
	}
	store, err := api.Encode(ok[api.DescribeCustomKeyStoresResponse](x.kit, "DescribeCustomKeyStores", `{}`))
	x.must(err)
	if s := string(store); !regexp.MustCompile(`"CreationDate":[0-9.E]+[,}]`).MatchString(s) || !strings.Contains(s, `"CustomKeyStoreType":"EXTERNAL_KEY_STORE"`) {
		t.Errorf("DescribeCustomKeyStores gives %s", s)
	}
}

// 23: the guide's sample access key IDs have digits that the model does not allow.
func TestContradiction23TheModelsPatternsHold(t *testing.T) {
	x, _ := newExternalKit(t, quotasOff)
	sample := strings.Replace(x.creates("two"), "ABCDEFGHIJKLMNOPQRST", "ABCDE98765432EXAMPLE", 1)
	if _, err := x.call("CreateCustomKeyStore", sample); !strings.HasPrefix(message(err), "ValidationException: ") {
		t.Errorf("the guide's access key ID gives %v", err)
	}
}

// 30: the record of CreateKey has one key in resources and keyMetadata.
func TestContradiction30TheRecordOfCreateKeyAgreesWithItself(t *testing.T) {
	x, _ := newExternalKit(t, quotasOff)
	x.shut()
	for _, r := range x.lines("trail.jsonl") {
		if r["eventName"] != "CreateKey" {
			continue
		}
		metadata := r["responseElements"].(map[string]any)["keyMetadata"].(map[string]any)
		resource := r["resources"].([]any)[0].(map[string]any)
		if metadata["arn"] != resource["ARN"] || metadata["aWSAccountId"] != resource["accountId"] || metadata["customKeyStoreId"] != x.storeID {
			t.Errorf("keyMetadata is %v, resources has %v", metadata, resource)
		}
		return
	}
	t.Error("there is no record of CreateKey")
}

// 3: a port is refused where it is not allowed on purpose.
func TestContradiction3AnEndpointHasNoPort(t *testing.T) {
	x, _ := newExternalKit(t, quotasOff)
	x.stores.AllowEndpointPort = false
	x.reopen()
	_, err := x.call("CreateCustomKeyStore", strings.Replace(x.creates("two"), "/two"+xks.BasePath, xks.BasePath, 1))
	if !strings.HasPrefix(message(err), "ValidationException: ") || !strings.Contains(message(err), "xksProxyUriEndpoint") {
		t.Errorf("an endpoint with a port gives %v", err)
	}
}
