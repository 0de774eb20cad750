package main

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/google/go-cmp/cmp"
)

// A trailRig is a running hyok whose trail is read step by step.
type trailRig struct {
	*running
	read   int               // bytes of the trail
	cipher map[string][]byte // by origin
}

// A trailRow is a call and what its record must say. In the JSON of the three
// parts $chs, $xks, $cluster, $key-chs and $key-xks stand for IDs and ARNs, "*" for
// any string; empty: null, or for additional that it is absent.
type trailRow struct {
	name, ref string // of custom-key-stores §18
	do        func(ctx context.Context, r *trailRig) error
	event     string
	request   string
	response  string
	extra     string
	readOnly  bool
	failure   string // errorCode: errorMessage, the message up to *
}

// next gives the records since the last time.
func (r *trailRig) next() (records []map[string]any) {
	r.t.Helper()
	b, err := os.ReadFile(r.env["HYOK_TRAIL"])
	must(r.t, err)
	whole := b[:strings.LastIndexByte(string(b), '\n')+1]
	for line := range strings.Lines(string(whole[r.read:])) {
		var m map[string]any
		must(r.t, json.Unmarshal([]byte(line), &m))
		records = append(records, m)
	}
	r.read = len(whole)
	return records
}

// filled puts the IDs into the JSON of a row and decodes it.
func (r *trailRig) filled(text string) any {
	r.t.Helper()
	if text == "" {
		return nil
	}
	text = strings.NewReplacer("$chs", r.stores[hsmStore], "$xks", r.stores[external], "$cluster", r.env["HYOK_CLUSTER_ID"],
		"$key-chs", r.keys[hsmStore], "$key-xks", r.keys[external], "$external", r.env["HYOK_XKS_KEY_ID"],
		"$endpoint", r.env["HYOK_XKS_URI_ENDPOINT"]).Replace(text)
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		r.t.Fatalf("%s: %v", text, err)
	}
	return v
}

// anything compares equal to "*".
var anything = cmp.FilterValues(func(a, b string) bool { return a == "*" || b == "*" }, cmp.Comparer(func(_, _ string) bool { return true }))

// check compares the record of a row's call.
func (r *trailRig) check(w *trailRow, err error) {
	r.t.Helper()
	var found []map[string]any
	for _, m := range r.next() {
		if m["eventName"] == w.event {
			found = append(found, m)
		}
	}
	if len(found) != 1 {
		r.t.Fatalf("%d records of %s after %v", len(found), w.event, err)
	}
	m := found[0]
	code, message, _ := strings.Cut(w.failure, ": ")
	got, _ := m["errorMessage"].(string)
	if (err != nil) != (w.failure != "") || w.failure != "" && (m["errorCode"] != code || !strings.HasPrefix(got, strings.TrimSuffix(message, "*"))) {
		r.t.Errorf("the call gave %v, its record says %v: %s", err, m["errorCode"], got)
	}
	if err != nil && outcome(err) != exception(code, got) {
		r.t.Errorf("the caller saw %v", err)
	}
	for member, want := range map[string]any{
		"requestParameters": r.filled(w.request), "responseElements": r.filled(w.response), "additionalEventData": r.filled(w.extra),
		"readOnly": w.readOnly, "eventType": "AwsApiCall", "managementEvent": true,
	} {
		if d := cmp.Diff(want, m[member], anything); d != "" {
			r.t.Errorf("%s: %s", member, d)
		}
	}
	if _, there := m["resources"]; there == strings.Contains(w.event, "CustomKeyStore") { // CT-01
		r.t.Errorf("resources are there: %t", there)
	}
}

// Every row of custom-key-stores §18, on success and on failure.
func TestTheTrailOfCustomKeyStores(t *testing.T) {
	ctx := t.Context()
	r := &trailRig{running: up(t, t.TempDir(), "--quotas", "off"), cipher: map[string][]byte{}}
	for _, w := range trailRows {
		t.Run(w.name, func(t *testing.T) {
			r.t = t
			r.next()
			r.check(&w, w.do(ctx, r))
		})
		r.t = t
	}
	r.noConnectResult(ctx)
	r.stop()
	r.showsNoSecret()
}

// noConnectResult: that connecting failed is no event of its own (CT-06).
func (r *trailRig) noConnectResult(ctx context.Context) {
	r.t.Helper()
	id := aws.String(r.stores[external])
	r.do("fault", "add", "--at", "proxy", "--op", "GetHealthStatus", "--error", "InternalException")
	r.next()
	_, err := r.client.ConnectCustomKeyStore(ctx, &kms.ConnectCustomKeyStoreInput{CustomKeyStoreId: id})
	must(r.t, err)
	must(r.t, r.await(ctx, external, types.ConnectionStateTypeFailed))
	for _, m := range r.next() {
		if n := m["eventName"]; n != "ConnectCustomKeyStore" && n != "DescribeCustomKeyStores" {
			r.t.Errorf("connecting left a record of %v", n)
		}
	}
}

// showsNoSecret: passwords, secret keys and certificates are never logged (CT-02).
func (r *trailRig) showsNoSecret() {
	r.t.Helper()
	trail, err := os.ReadFile(r.env["HYOK_TRAIL"])
	must(r.t, err)
	for _, secret := range []string{r.env["HYOK_KMSUSER_PASSWORD"], r.env["HYOK_XKS_SECRET_ACCESS_KEY"], wrongSecret, "BEGIN CERTIFICATE", "assword", "rustAnchor", "ecretAccessKey"} {
		if strings.Contains(string(trail), secret) {
			r.t.Errorf("the trail has a record with %q", secret)
		}
	}
}

// The deletion at the end of the waiting period is the service's own event; of a key
// in a cluster it says what came of the material (guide 004:5125-5166, 19846-19885).
func TestTheTrailOfDeletedKeys(t *testing.T) {
	ctx := t.Context()
	r := &trailRig{running: up(t, t.TempDir(), "--quotas", "off")}
	r.makeAll(ctx)
	for i, tc := range []struct{ name, origin, extra string }{
		{"in a cluster", hsmStore, `{"customKeyStoreId":"$chs","clusterId":"$cluster","backingKeys":"*","backingKeysDeletionStatus":"SUCCESS"}`},
		{"in a cluster that cannot be reached", hsmStore, `{"customKeyStoreId":"$chs","clusterId":"$cluster","backingKeys":"*","backingKeysDeletionStatus":"FAILURE"}`},
		{"of an external key", external, `{"customKeyStoreId":"$xks","xksKeyId":"$external"}`}, // CT-05
		{"in KMS", software, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r.t = t
			if i == 1 {
				must(t, r.createKey(ctx, hsmStore))
			}
			_, err := r.client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: aws.String(r.keys[tc.origin]), PendingWindowInDays: aws.Int32(7)})
			must(t, err)
			if i == 1 {
				r.do("fault", "add", "--at", "network", "--reset")
				defer r.do("fault", "clear")
			}
			r.next()
			r.do("clock", "advance", "168h")
			var m map[string]any
			r.soon(4*settled, "a record of DeleteKey", "there", func() string {
				for _, m = range r.next() {
					if m["eventName"] == "DeleteKey" {
						return "there"
					}
				}
				return "missing"
			})
			r.deletion(m, tc.origin, tc.extra)
		})
	}
}

// deletion compares a record of DeleteKey.
func (r *trailRig) deletion(m map[string]any, origin, extra string) {
	r.t.Helper()
	data, _ := m["additionalEventData"].(map[string]any)
	if text, ok := data["backingKeysDeletionStatus"].(string); ok {
		var all []struct{ KeyHandle, BackingKeyID, DeletionStatus string }
		must(r.t, json.Unmarshal([]byte(text), &all))
		var before []struct{ KeyHandle, BackingKeyID, DeletionStatus string }
		must(r.t, json.Unmarshal([]byte(data["backingKeys"].(string)), &before))
		if len(all) != 1 || len(before) != 1 || all[0].KeyHandle == "" || all[0].KeyHandle != before[0].KeyHandle { // contradiction 25
			r.t.Errorf("the keys are %v, before %v", all, before)
		}
		data["backingKeysDeletionStatus"] = all[0].DeletionStatus
	}
	want := map[string]any{
		"eventType": "AwsServiceEvent", "readOnly": false, "managementEvent": true, "requestParameters": nil,
		"responseElements": map[string]any{"keyId": r.keys[origin]}, "additionalEventData": r.filled(extra),
		"userIdentity": map[string]any{"accountId": "111122223333", "invokedBy": "AWS Internal"},
	}
	for member, v := range want {
		if d := cmp.Diff(v, m[member], anything); d != "" {
			r.t.Errorf("%s: %s", member, d)
		}
	}
}
