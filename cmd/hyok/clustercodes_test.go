package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"hyok/internal/sigv4"
)

const knownPassword = "knownPass1"

// connectionErrors are the codes of a CloudHSM key store (guide 004:19732-19768),
// each by its cause and with what repairs it. $HSM1, $HSM2, $SUBNET and $FAULT
// stand for what is found or made meanwhile. Repaired rows connect again.
var connectionErrors = []struct {
	code      string
	cause     []string // commands of hyok
	repair    []string
	password  string // that KMS is told after the repair; "": none
	reconnect bool
}{
	{"INVALID_CREDENTIALS", []string{"cluster user password kmsuser --password " + knownPassword}, nil, knownPassword, true},
	{"USER_LOCKED_OUT", []string{"hsm lock"}, []string{"cluster user password kmsuser --password " + knownPassword}, knownPassword, true},
	{"USER_LOGGED_IN", []string{"cluster user password kmsuser --password " + knownPassword, "cluster user login kmsuser --password " + knownPassword},
		[]string{"cluster user logout kmsuser"}, knownPassword, true},
	{"USER_NOT_FOUND", []string{"cluster user delete kmsuser"}, []string{"cluster user create kmsuser --password " + knownPassword}, knownPassword, true},
	{"INSUFFICIENT_CLOUDHSM_HSMS", []string{"hsm remove $HSM1", "hsm remove $HSM2"}, []string{"hsm add", "hsm add"}, "", true},
	{"INSUFFICIENT_FREE_ADDRESSES_IN_SUBNET", []string{"cluster subnet set $SUBNET --free 0"}, []string{"cluster subnet set $SUBNET --free 2"}, "", true},
	{"NETWORK_ERRORS", []string{"fault add --at network --op * --blackhole"}, []string{"fault clear"}, "", true},
	{"INTERNAL_ERROR", []string{"fault add --at hsm --op * --error CKR_TOKEN_WRITE_PROTECTED"}, []string{"fault clear"}, "", true},
	{"SUBNET_NOT_FOUND", []string{"cluster subnet delete $SUBNET"}, nil, "", false},
}

func TestEachConnectionErrorCodeOfAClusterByItsCause(t *testing.T) {
	ctx := t.Context()
	r := up(t, t.TempDir(), "--quotas", "off")
	must(t, r.createCloudHSM(ctx))
	must(t, r.createKey(ctx, hsmStore))
	kept := r.encrypt(ctx, hsmStore)
	r.disconnect(ctx)
	for _, row := range connectionErrors {
		known := r.placeholders()
		for _, c := range row.cause {
			r.do(strings.Fields(known.Replace(c))...)
		}
		if seen := fmt.Sprint(r.connect(ctx, hsmStore)); seen != "the key store failed to connect: "+row.code {
			t.Errorf("%v: %s, want %s", row.cause, seen, row.code)
		}
		r.disconnect(ctx)
		for _, c := range row.repair {
			r.do(strings.Fields(known.Replace(c))...)
		}
		if row.password != "" {
			must(t, r.update(ctx, &kms.UpdateCustomKeyStoreInput{KeyStorePassword: aws.String(row.password)}))
		}
		if !row.reconnect {
			continue
		}
		if err := r.connect(ctx, hsmStore); err != nil {
			t.Errorf("%s: after the repair: %v", row.code, err)
		}
		r.opens(ctx, kept)
		r.disconnect(ctx)
	}
	r.stop()
}

// placeholders stand for the cluster's HSMs and its first subnet.
func (r *running) placeholders() *strings.Replacer {
	r.t.Helper()
	pairs := []string{"$SUBNET", firstWord(r.do("cluster", "subnet", "list"), 1)}
	hsms := r.do("hsm", "list")
	for i := 1; i < len(strings.Split(hsms, "\n")); i++ {
		pairs = append(pairs, fmt.Sprint("$HSM", i), firstWord(hsms, i))
	}
	return strings.NewReplacer(pairs...)
}

// firstWord is that of a line of a list, whose header is line 0.
func firstWord(list string, line int) string {
	word, _, _ := strings.Cut(strings.Split(list, "\n")[line], " ")
	return word
}

func (r *running) disconnect(ctx context.Context) {
	r.t.Helper()
	_, err := r.client.DisconnectCustomKeyStore(ctx, &kms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: aws.String(r.stores[hsmStore])})
	must(r.t, err)
	must(r.t, r.await(ctx, hsmStore, types.ConnectionStateTypeDisconnected))
}

func (r *running) update(ctx context.Context, in *kms.UpdateCustomKeyStoreInput) error {
	in.CustomKeyStoreId = aws.String(r.stores[hsmStore])
	_, err := r.client.UpdateCustomKeyStore(ctx, in)
	return err
}

// TestACloudHSMKeyStoreWhileItIsConnected is custom-key-stores CH-07 and CH-15 to
// CH-17: what befalls the cluster is seen by who uses keys, and goes by.
func TestACloudHSMKeyStoreWhileItIsConnected(t *testing.T) {
	ctx := t.Context()
	r := up(t, t.TempDir(), "--quotas", "off")
	must(t, r.createCloudHSM(ctx))
	must(t, r.createKey(ctx, hsmStore))
	kept := r.encrypt(ctx, hsmStore)
	for _, row := range []struct {
		cause, repair   string
		crypto, creates string // exceptions
	}{
		{"hsm lock", "cluster user unlock kmsuser", "KMSInvalidStateException: KMS cannot communicate with your AWS CloudHSM cluster because the kmsuser is locked out", "CustomKeyStoreInvalidStateException"},
		{"cluster security-group close", "cluster security-group open", "KMSInvalidStateException: KMS cannot communicate with your CloudHSM cluster", "CustomKeyStoreInvalidStateException"},
		{"cluster limit --sessions 0", "cluster limit", "KMSInternalException: The AWS CloudHSM cluster has no PKCS #11 session", "KMSInternalException"},
		{"cluster limit --busy", "cluster limit", "ThrottlingException", "ThrottlingException"},
		{"hsm remove $HSM1", "hsm add", ok, "CloudHsmClusterInvalidConfigurationException"},
	} {
		known := r.placeholders()
		r.do(strings.Fields(known.Replace(row.cause))...)
		if seen := r.decrypts(ctx, kept); !strings.HasPrefix(seen, row.crypto) {
			t.Errorf("%s: who decrypts sees %s", row.cause, seen)
		}
		if seen := outcome(r.createKey(ctx, hsmStore)); !strings.HasPrefix(seen, row.creates) {
			t.Errorf("%s: who creates a key sees %s", row.cause, seen)
		}
		r.do(strings.Fields(row.repair)...)
		if seen := r.decrypts(ctx, kept); seen != ok {
			t.Errorf("after %s: %s", row.repair, seen)
		}
	}
	r.stop()
}

// TestDeletionLeavesAnOrphanOnlyWhileDisconnected is CH-14 (guide 004:19663-19665,
// 19840-19844).
func TestDeletionLeavesAnOrphanOnlyWhileDisconnected(t *testing.T) {
	ctx := t.Context()
	r := up(t, t.TempDir(), "--quotas", "off")
	must(t, r.createCloudHSM(ctx))
	var gone, orphan string
	for _, key := range []*string{&gone, &orphan} {
		must(t, r.createKey(ctx, hsmStore))
		*key = r.keys[hsmStore]
	}
	r.expire(ctx, gone, "SUCCESS")
	r.disconnect(ctx)
	r.expire(ctx, orphan, "FAILURE")
	r.do("cluster", "user", "password", "kmsuser", "--password", knownPassword)
	r.do("cluster", "user", "login", "kmsuser", "--password", knownPassword)
	keys := r.do("cluster", "key", "list")
	if strings.Contains(keys, gone) || !strings.Contains(keys, orphan) {
		t.Errorf("of %s and the orphan %s the cluster has\n%s", gone, orphan, keys)
	}
	r.do("cluster", "key", "delete", firstWord(keys, 1))
	if keys := r.do("cluster", "key", "list"); strings.Contains(keys, orphan) {
		t.Errorf("the orphan is still there\n%s", keys)
	}
	r.stop()
}

// expire lets a key be deleted, and wants the trail to say how that of its
// material ended.
func (r *running) expire(ctx context.Context, key, status string) {
	r.t.Helper()
	_, err := r.client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: aws.String(key), PendingWindowInDays: aws.Int32(7)})
	must(r.t, err)
	r.do("clock", "advance", "169h")
	r.soon(settled, "the DeleteKey events of the key", "1", func() string { return fmt.Sprint(r.deletions(key)) })
	trail, err := os.ReadFile(r.env["HYOK_TRAIL"])
	must(r.t, err)
	for line := range strings.Lines(string(trail)) {
		if strings.Contains(line, `"DeleteKey"`) && strings.Contains(line, key) && !strings.Contains(line, `\"deletionStatus\":\"`+status+`\"`) {
			r.t.Errorf("the event does not say %s: %s", status, line)
		}
	}
}

// TestADeletedClusterIsReplacedByOneOfItsBackup is CLUSTER_NOT_FOUND and its
// repair (guide 004:19732, 19915-19926); the deletion outlasts a restart.
func TestADeletedClusterIsReplacedByOneOfItsBackup(t *testing.T) {
	ctx := t.Context()
	r := up(t, t.TempDir(), "--quotas", "off")
	must(t, r.createCloudHSM(ctx))
	must(t, r.createKey(ctx, hsmStore))
	kept := r.encrypt(ctx, hsmStore)
	backup := r.do("cluster", "backup", "create")
	id := r.env["HYOK_CLUSTER_ID"]
	for range 2 {
		r.do("hsm", "remove", firstWord(r.do("hsm", "list"), 1))
	}
	must(t, r.cloudHSM(ctx, "DeleteCluster", `{"ClusterId":"`+id+`"}`))
	if seen := r.decrypts(ctx, kept); !strings.HasPrefix(seen, "KMSInvalidStateException") {
		t.Errorf("without the cluster, who decrypts sees %s", seen)
	}
	r.disconnect(ctx)
	r.stop()
	r = r.again("--quotas", "off")
	if seen := fmt.Sprint(r.connect(ctx, hsmStore)); seen != "the key store failed to connect: CLUSTER_NOT_FOUND" {
		t.Errorf("connecting: %s", seen)
	}
	r.disconnect(ctx)
	restored := r.do("cluster", "backup", "restore", backup)
	r.do("cluster", "user", "password", "kmsuser", "--cluster", restored, "--password", knownPassword)
	must(t, r.update(ctx, &kms.UpdateCustomKeyStoreInput{CloudHsmClusterId: aws.String(restored), KeyStorePassword: aws.String(knownPassword)}))
	must(t, r.connect(ctx, hsmStore))
	r.opens(ctx, kept)
	r.stop()
}

// cloudHSM calls the CloudHSM v2 API.
func (r *running) cloudHSM(ctx context.Context, operation, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.env["AWS_ENDPOINT_URL_CLOUDHSM_V2"], strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "BaldrApiService."+operation)
	key := sigv4.Credential{AccessKeyID: r.env["AWS_ACCESS_KEY_ID"], Secret: r.env["AWS_SECRET_ACCESS_KEY"]}
	if err := sigv4.Sign(req, []byte(body), key, r.env["AWS_REGION"], "cloudhsm", time.Now(), sigv4.Options{}); err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, b)
	}
	return err
}

// TestAClosedSecurityGroupIsSeenAtOnce is custom-key-stores §2.1 and LC-15 (guide
// 004:18602, 19722-19724): creating and connecting are refused, and the state stays.
func TestAClosedSecurityGroupIsSeenAtOnce(t *testing.T) {
	ctx := t.Context()
	const refusal = "CloudHsmClusterInvalidConfigurationException: The security group"
	r := up(t, t.TempDir(), "--quotas", "off")
	r.do("cluster", "security-group", "close")
	if seen := outcome(r.createCloudHSM(ctx)); !strings.HasPrefix(seen, refusal) {
		t.Errorf("creating: %s", seen)
	}
	r.do("cluster", "security-group", "open")
	must(t, r.createCloudHSM(ctx))
	r.disconnect(ctx)
	r.do("cluster", "security-group", "close")
	if seen := outcome(r.connect(ctx, hsmStore)); !strings.HasPrefix(seen, refusal) {
		t.Errorf("connecting: %s", seen)
	}
	must(t, r.await(ctx, hsmStore, types.ConnectionStateTypeDisconnected))
	r.stop()
}
