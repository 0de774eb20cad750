package trail

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hyok/kmsfront/api"
)

var deletedAt = time.Date(2021, 10, 26, 23, 41, 27, 5e8, time.UTC)

func TestADeletionIsRecordedAsTheServicesOwn(t *testing.T) {
	r := NewDeleteKey(keyARN, "111122223333", "us-west-2", deletedAt, map[string]any{"customKeyStoreId": "cks-1"})
	r.EventID = "1234585c-4b0c-4340-ab11-662414b79239"
	want := `{"eventVersion":"1.08","userIdentity":{"accountId":"111122223333","invokedBy":"AWS Internal"},"eventTime":"2021-10-26T23:41:27Z",` +
		`"eventSource":"kms.amazonaws.com","eventName":"DeleteKey","awsRegion":"us-west-2","sourceIPAddress":"AWS Internal",` +
		`"userAgent":"AWS Internal","requestParameters":null,"responseElements":{"keyId":"` + keyARN + `"},` +
		`"additionalEventData":{"customKeyStoreId":"cks-1"},"eventID":"1234585c-4b0c-4340-ab11-662414b79239","readOnly":false,` +
		`"resources":[{"accountId":"111122223333","type":"AWS::KMS::Key","ARN":"` + keyARN + `"}],"eventType":"AwsServiceEvent",` +
		`"managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management"}`
	if diff := cmp.Diff(want, string(appendRecord(nil, r))); diff != "" {
		t.Error(diff)
	}
}

func TestADeletionIsEmittedAsAnEvent(t *testing.T) {
	dir := t.TempDir()
	c := Config{Path: filepath.Join(dir, "trail.jsonl"), Events: filepath.Join(dir, "events.jsonl")}
	// A line that a crash tore is repaired in this file too.
	if err := os.WriteFile(c.Events, []byte(eventStart+`"0","id`), 0o600); err != nil {
		t.Fatal(err)
	}
	tr := openTrail(t, c)
	e := NewDeletionEvent(keyARN, "111122223333", "us-west-2", deletedAt)
	if err := tr.Emit(e); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(c.Events)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"version":"0","id":"` + e.ID + `","detail-type":"KMS CMK Deletion","source":"aws.kms","account":"111122223333",` +
		`"time":"2021-10-26T23:41:27Z","region":"us-west-2","resources":["` + keyARN + `"],"detail":{"key-id":"1234abcd-12ab-34cd-56ef-1234567890ab"}}` + "\n"
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Error(diff)
	}
	var got Event
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, &got); diff != "" {
		t.Error(diff)
	}
	if ids := requestIDs(t, c.Path); len(ids) != 0 {
		t.Errorf("the event is in the trail: %v", ids)
	}
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	if tr.Emit(e) == nil {
		t.Error("a closed trail took an event")
	}
}

func TestWithoutAFileOfEventsNoneAreKept(t *testing.T) {
	tr := openTrail(t, Config{Path: filepath.Join(t.TempDir(), "trail.jsonl")})
	if err := tr.Emit(NewDeletionEvent(keyARN, "", "", deletedAt)); err != nil {
		t.Error(err)
	}
}

func TestAFileOfEventsThatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(Config{Path: filepath.Join(dir, "trail.jsonl"), Events: filepath.Join(dir, "none", "events")})
	if err == nil || !strings.Contains(err.Error(), "file of events") {
		t.Errorf("got %v", err)
	}
}

func TestEventsOfSeveralResources(t *testing.T) {
	if got := string(appendEvent(nil, &Event{Resources: []string{"a", "b"}})); !strings.Contains(got, `["a","b"]`) {
		t.Errorf("got %s", got)
	}
}

func TestAliasOperationsListTheAliasFirstWhereTheGuideDoes(t *testing.T) {
	given := []Resource{{ARN: keyARN, AccountID: "111122223333"}, {ARN: aliasARN, AccountID: "111122223333"}}
	for op, first := range map[string]string{"CreateAlias": keyARN, "DeleteAlias": aliasARN, "UpdateAlias": aliasARN} {
		r := New(&api.Call{Op: api.Operations[op], In: api.Operations[op].New(), Caller: alice}, &api.Empty{}, nil, Extra{Resources: given})
		if len(r.Resources) != 2 || r.Resources[0].ARN != first || r.Resources[1].Type != "AWS::KMS::Key" {
			t.Errorf("%s: %v", op, r.Resources)
		}
	}
}
