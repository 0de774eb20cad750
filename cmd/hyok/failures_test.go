package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// What callers see beyond the demo's messages.
const (
	// noManager is guide 004:21477.
	noManager = "The external key store proxy rejected the request because it cannot communicate with the external key manager. Verify that the external key store proxy configuration is correct and that the external key manager is available."
	// sluggish is guide 004:22688.
	sluggish = "The external key store proxy did not respond to the request in the time allotted. Retry the request. If you see this error repeatedly, report it to your external key store proxy administrator."
)

// promised is how soon a change made by one process shows in another.
const promised = time.Second

// do runs a command of hyok on the running one and gives what it printed.
func (r *running) do(args ...string) string {
	r.t.Helper()
	cmd := hyok(append(args, "--dir", r.dir)...)
	out, err := cmd.Output()
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		r.t.Fatalf("hyok %s: %v: %s", strings.Join(args, " "), err, ended.Stderr)
	}
	must(r.t, err)
	return strings.TrimSpace(string(out))
}

// soon waits until see gives want, and fails the test if that takes too long.
func (r *running) soon(within time.Duration, what, want string, see func() string) {
	r.t.Helper()
	deadline := time.Now().Add(within)
	for {
		began := time.Now()
		seen := see()
		switch {
		case seen == want:
			return
		case began.After(deadline):
			r.t.Errorf("%s, after %s:\n got %s\nwant %s", what, within, seen, want)
			return
		}
		<-time.After(20 * time.Millisecond)
	}
}

// decrypts is what a caller sees who decrypts blob.
func (r *running) decrypts(ctx context.Context, blob []byte) string {
	_, err := r.client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: encryptionContext})
	return outcome(err)
}

func (r *running) encrypts(ctx context.Context, origin string) string {
	_, err := r.client.Encrypt(ctx, &kms.EncryptInput{
		KeyId: aws.String(r.keys[origin]), Plaintext: plaintext, EncryptionContext: encryptionContext})
	return outcome(err)
}

// failures are made with hyok's commands, and each is what the caller sees.
var failures = []struct {
	name string
	make []string
	want string // behind KMSInvalidStateException
}{
	{"the external key is disabled", []string{"key", "disable", "hyok-external-key"}, notEnabled},
	{"the proxy is 300 ms slow", []string{"fault", "add", "--at", "proxy", "--latency", "300ms"}, tooLate},
	{"the proxy is in trouble", []string{"fault", "add", "--at", "proxy", "--op", "*", "--error", "InternalException"}, noManager},
	{"the proxy waits in vain", []string{"fault", "add", "--at", "proxy", "--error", "DependencyTimeoutException"}, sluggish},
	{"the proxy throttles", []string{"fault", "add", "--at", "proxy", "--error", "ThrottlingException"}, busyProxy},
	{"the network is a black hole", []string{"fault", "add", "--at", "network", "--blackhole"}, noProxy},
	{"the network resets", []string{"fault", "add", "--at", "network", "--reset"}, noProxy},
	{"the device fails", []string{"fault", "add", "--at", "hsm", "--error", "CKR_DEVICE_ERROR"}, noManager},
}

func TestFailuresMadeByCommandsAreSeenWithinASecond(t *testing.T) {
	ctx := t.Context()
	r := up(t, t.TempDir(), "--quotas", "off")
	r.makeAll(ctx)
	blob, untouched := r.encrypt(ctx, external), r.encrypt(ctx, software)
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			r.t = t
			id := r.do(f.make...)
			want := exception(invalidState, f.want)
			r.soon(promised, "decrypting", want, func() string { return r.decrypts(ctx, blob) })
			r.soon(promised, "encrypting", want, func() string { return r.encrypts(ctx, external) })
			r.opens(ctx, untouched)
			if f.make[0] == "key" {
				r.do("key", "enable", f.make[2])
			} else {
				r.do("fault", "clear", id)
			}
			r.soon(promised, "decrypting when it is over", ok, func() string { return r.decrypts(ctx, blob) })
			r.soon(promised, "encrypting when it is over", ok, func() string { return r.encrypts(ctx, external) })
		})
	}
	r.t = t
	r.opens(ctx, blob)
	if left := r.do("fault", "list", "--json"); left != "[]" {
		t.Errorf("faults are left: %s", left)
	}
	r.stop()
}

func TestFaultOfACountHitsSoManyCalls(t *testing.T) {
	ctx := t.Context()
	r := up(t, t.TempDir())
	must(t, r.createExternal(ctx))
	must(t, r.createKey(ctx, external))
	blob := r.encrypt(ctx, external)
	r.do("fault", "add", "--at", "proxy", "--op", "Decrypt", "--error", "ThrottlingException", "--count", "2")
	decrypting := func() string { return r.decrypts(ctx, blob) }
	encrypting := func() string { return r.encrypts(ctx, external) } // does not count
	busy := exception(invalidState, busyProxy)
	for i, call := range []struct {
		do   func() string
		want string
	}{{decrypting, busy}, {encrypting, ok}, {decrypting, busy}, {decrypting, ok}, {encrypting, ok}} {
		if seen := call.do(); seen != call.want {
			t.Errorf("call %d: got %s, want %s", i+1, seen, call.want)
		}
	}
}

func TestQuotaExceededAndOverAgain(t *testing.T) {
	ctx := t.Context()
	quotas := filepath.Join(t.TempDir(), "quotas.yaml")
	must(t, os.WriteFile(quotas, []byte("requests: {custom-key-store: 5}\n"), 0o600))
	r := up(t, t.TempDir(), "--quotas", quotas)
	r.makeAll(ctx)
	blob := r.encrypt(ctx, external)
	seen := ok
	for range 50 { // ten times a second's worth
		if seen = r.decrypts(ctx, blob); seen != ok {
			break
		}
	}
	if want := exception("ThrottlingException", throttled); seen != want {
		t.Errorf("got %s, want %s", seen, want)
	}
	r.soon(promised, "decrypting a second later", ok, func() string { return r.decrypts(ctx, blob) })
	// Keys elsewhere are none of its business; a CloudHSM key store's is not adjustable.
	for _, origin := range []string{software, hsmStore} {
		blob := r.encrypt(ctx, origin)
		for range 50 {
			r.opens(ctx, blob)
		}
	}
}

func TestDisconnectedKeyStoreIsUnavailableUntilItIsConnected(t *testing.T) {
	ctx := t.Context()
	r := up(t, t.TempDir())
	r.makeAll(ctx)
	for _, origin := range []string{external, hsmStore} {
		blob := r.encrypt(ctx, origin)
		store, key := aws.String(r.stores[origin]), aws.String(r.keys[origin])
		_, err := r.client.DisconnectCustomKeyStore(ctx, &kms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: store})
		must(t, err)
		must(t, r.await(ctx, origin, types.ConnectionStateTypeDisconnected))
		want := exception(invalidState, strings.ReplaceAll(unavailable, externalKeyARN, r.keys[origin]))
		if seen := r.decrypts(ctx, blob); seen != want {
			t.Errorf("%s: decrypting: got %s, want %s", origin, seen, want)
		}
		if seen := r.encrypts(ctx, origin); seen != want {
			t.Errorf("%s: encrypting: got %s, want %s", origin, seen, want)
		}
		out, err := r.client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: key})
		must(t, err)
		if got := out.KeyMetadata.KeyState; got != types.KeyStateUnavailable {
			t.Errorf("%s: the key is %s, want Unavailable", origin, got)
		}
		err = r.createKey(ctx, origin)
		if _, is := errors.AsType[*types.CustomKeyStoreInvalidStateException](err); !is {
			t.Errorf("%s: creating a key: got %v, want CustomKeyStoreInvalidStateException", origin, err)
		}
		must(t, r.connect(ctx, origin))
		r.opens(ctx, blob)
		r.opens(ctx, r.encrypt(ctx, origin))
	}
}
