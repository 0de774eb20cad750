package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// A proxy credential is replaced the guide's way (add the new one on the proxy,
// UpdateCustomKeyStore, remove the old one) while callers go on encrypting.
func TestReplacingACredentialLosesNoCall(t *testing.T) {
	ctx := t.Context()
	r := up(t, t.TempDir(), "--quotas", "off")
	must(t, r.createExternal(ctx))
	must(t, r.createKey(ctx, external))
	blob := r.encrypt(ctx, external)

	var done [4]atomic.Int64
	var failed atomic.Pointer[error]
	var callers sync.WaitGroup
	stop := make(chan struct{})
	for i := range done {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := r.client.Encrypt(ctx, &kms.EncryptInput{KeyId: aws.String(r.keys[external]), Plaintext: plaintext}); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
				done[i].Add(1)
			}
		})
	}
	goOn := func() { // until each caller has begun and ended a call
		t.Helper()
		for i := range done {
			before := done[i].Load()
			for deadline := time.Now().Add(20 * time.Second); done[i].Load() < before+2; <-time.After(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("caller %d does not get on", i)
				}
			}
		}
	}
	old := credential{r.env["HYOK_XKS_ACCESS_KEY_ID"], r.env["HYOK_XKS_SECRET_ACCESS_KEY"]}
	for range 3 {
		next := credential{letters(24), token(33)}
		goOn()
		r.command(next.Secret, "credential", "add", next.ID)
		must(t, r.sign(next))
		goOn()
		r.removes(old.ID)
		if refused := new(types.XksProxyIncorrectAuthenticationCredentialException); !errors.As(r.sign(old), &refused) {
			t.Error("the proxy takes a credential that was removed")
		}
		old = next
	}
	goOn()
	close(stop)
	callers.Wait()
	if err := failed.Load(); err != nil {
		t.Errorf("a call failed: %v", *err)
	}
	total := int64(0)
	for i := range done {
		total += done[i].Load()
	}
	t.Logf("%d calls over 3 rotations", total)

	r.stop()
	if strings.Contains(r.log.String(), old.Secret) {
		t.Error("the log shows a secret")
	}
	r = r.again("--quotas", "off")
	r.opens(ctx, blob) // with the credential that the key store has
}

// removes removes a credential. The promised second is the running hyok's, so the
// command is run in this process: to start another one is not part of it.
func (r *running) removes(id string) {
	r.t.Helper()
	var remove credentialRemoveCmd
	remove.ID, remove.Dir = id, r.dir
	start := time.Now()
	must(r.t, remove.Run(r.t.Context(), streams{io.Discard, io.Discard}))
	if took := time.Since(start); took > time.Second {
		r.t.Errorf("removing took %s", took)
	}
}

// sign gives the key store a credential.
func (r *running) sign(c credential) error {
	_, err := r.client.UpdateCustomKeyStore(r.t.Context(), &kms.UpdateCustomKeyStoreInput{
		CustomKeyStoreId: aws.String(r.stores[external]),
		XksProxyAuthenticationCredential: &types.XksProxyAuthenticationCredentialType{
			AccessKeyId: aws.String(c.ID), RawSecretAccessKey: aws.String(c.Secret)},
	})
	return err
}

// command runs a command on the running hyok, with input.
func (r *running) command(input string, args ...string) {
	r.t.Helper()
	cmd := hyok(append(args, "--dir", r.dir)...)
	cmd.Stdin = strings.NewReader(input + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatal(fmt.Errorf("hyok %s: %w: %s", args, err, out))
	}
}
