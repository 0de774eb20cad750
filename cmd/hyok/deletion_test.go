package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// settled is how long what a moved clock sets off may take.
const settled = 5 * time.Second

func (r *running) describes(ctx context.Context, key string) string {
	out, err := r.client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String(key)})
	if err != nil {
		return outcome(err)
	}
	return string(out.KeyMetadata.KeyState)
}

// doom gives an origin's key an alias, and schedules its deletion in 30 days.
func (r *running) doom(ctx context.Context, origin string) {
	r.t.Helper()
	must(r.t, r.alias(ctx, aliasOf(origin), r.keys[origin]))
	_, err := r.client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: aws.String(r.keys[origin])})
	must(r.t, err)
}

func (r *running) alias(ctx context.Context, name, key string) error {
	_, err := r.client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String(name), TargetKeyId: aws.String(key)})
	return err
}

func TestAdvancedClockDeletesKeysThatAreDue(t *testing.T) {
	ctx := t.Context()
	r := up(t, t.TempDir())
	r.makeAll(ctx)
	kept := r.encrypt(ctx, external)
	doomed := map[string]string{}
	for _, origin := range []string{software, hsmStore} {
		doomed[origin] = r.keys[origin]
		r.doom(ctx, origin)
	}

	r.do("clock", "advance", "719h")
	for origin, arn := range doomed {
		if seen := r.describes(ctx, arn); seen != "PendingDeletion" {
			t.Errorf("%s: an hour before its time the key is %s", origin, seen)
		}
	}
	r.do("clock", "advance", "1h")
	for origin, arn := range doomed {
		r.soon(settled, origin+": the key", exception("NotFoundException", fmt.Sprintf("Key '%s' does not exist", arn)),
			func() string { return r.describes(ctx, arn) })
		if seen := r.describes(ctx, aliasOf(origin)); !strings.HasPrefix(seen, "NotFoundException: ") {
			t.Errorf("%s: its alias names %s", origin, seen)
		}
		if seen := outcome(r.alias(ctx, aliasOf(origin), r.keys[external])); seen != ok {
			t.Errorf("%s: its alias is not free again: %s", origin, seen)
		}
		r.soon(settled, origin+": its DeleteKey events", "1", func() string { return fmt.Sprint(r.deletions(arn)) })
	}

	r.opens(ctx, kept) // requests go on, with the clock ahead and back again
	must(t, r.createKey(ctx, hsmStore))
	r.opens(ctx, r.encrypt(ctx, hsmStore))
	r.do("clock", "reset")
	r.opens(ctx, kept)
	if seen := r.describes(ctx, doomed[software]); !strings.HasPrefix(seen, "NotFoundException: ") {
		t.Errorf("after the clock was reset the deleted key is %s", seen)
	}
	r.stop()
}

// A deleted KMS key gives its external key back.
func TestDeletedKeyFreesItsExternalKey(t *testing.T) {
	ctx := t.Context()
	r := up(t, t.TempDir())
	must(t, r.createExternal(ctx))
	must(t, r.createKey(ctx, external))
	first := r.keys[external]
	if seen := outcome(r.createKey(ctx, external)); !strings.HasPrefix(seen, "XksKeyAlreadyInUseException: ") {
		t.Errorf("a second KMS key of the external key: %s", seen)
	}
	_, err := r.client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{
		KeyId: aws.String(first), PendingWindowInDays: aws.Int32(7)})
	must(t, err)
	r.do("clock", "advance", "168h")
	r.soon(settled, "a KMS key of the external key of one that was deleted", ok,
		func() string { return outcome(r.createKey(ctx, external)) })
	r.opens(ctx, r.encrypt(ctx, external))
}

func aliasOf(origin string) string { return "alias/" + strings.ToLower(origin) }

// deletions counts the trail's DeleteKey events of a key.
func (r *running) deletions(arn string) (n int) {
	r.t.Helper()
	trail, err := os.ReadFile(r.env["HYOK_TRAIL"])
	must(r.t, err)
	for line := range strings.Lines(string(trail)) {
		if !strings.HasSuffix(line, "\n") {
			break // it is being written
		}
		var record struct {
			EventName string
			EventType string
			Resources []struct{ ARN string }
		}
		must(r.t, json.Unmarshal([]byte(line), &record))
		if record.EventName == "DeleteKey" && record.EventType == "AwsServiceEvent" && len(record.Resources) == 1 && record.Resources[0].ARN == arn {
			n++
		}
	}
	return n
}
