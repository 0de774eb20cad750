package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"hyok/internal/fault"
)

// What callers see, as the guide words it (guide 004:22344-22929).
const (
	invalidState = "KMSInvalidStateException"
	notEnabled   = "The external key store proxy rejected the request because the external key is not enabled in the external key manager."
	tooLate      = "AWS KMS rejected the request because the external key store proxy did not respond in time. Retry the request. If you see this error repeatedly, report it to your external key store proxy administrator."
	noProxy      = "AWS KMS cannot communicate with the external key store proxy. This might be a transient network issue. If you see this error repeatedly, verify that your external key store proxy is active and is connected to the network, and that its endpoint URI is correct in your external key store."
	busyProxy    = "The external key store proxy rejected the request due to a very high request rate. Reduce the frequency of your calls using KMS keys in this external key store."
	badBlob      = "The external key store proxy rejected the request because the specified ciphertext or additional authenticated data is corrupted, missing, or otherwise invalid."
	throttled    = "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."
)

var plaintext = []byte("hold your own key")

var encryptionContext = map[string]string{"purpose": "demo"}

// externalKeyARN stands for the external key's ARN in an expected message.
const externalKeyARN = "{key}"

// steps is the story of holding one's own key.
var steps = []step{
	{"create and connect an external key store", ok, func(ctx context.Context, d *demo) error { return d.createExternal(ctx) }},
	{"create and connect a CloudHSM key store", ok, func(ctx context.Context, d *demo) error { return d.createCloudHSM(ctx) }},
	{"create a key of origin AWS_KMS", ok, createKey(software)},
	{"create a key of origin AWS_CLOUDHSM", ok, createKey(hsmStore)},
	{"create a key of origin EXTERNAL_KEY_STORE", ok, createKey(external)},
	{"AWS_KMS: encrypt, decrypt", ok, roundTrip(software)},
	{"AWS_CLOUDHSM: encrypt, decrypt", ok, roundTrip(hsmStore)},
	{"EXTERNAL_KEY_STORE: encrypt, decrypt", ok, roundTrip(external)},
	{"re-encrypt AWS_KMS to AWS_CLOUDHSM", ok, reEncrypt(software, hsmStore)},
	{"re-encrypt AWS_CLOUDHSM to EXTERNAL_KEY_STORE", ok, reEncrypt(hsmStore, external)},
	{"re-encrypt EXTERNAL_KEY_STORE to AWS_KMS", ok, reEncrypt(external, software)},
	{"AWS_KMS: another encryption context", exception("InvalidCiphertextException", ""), wrongContext(software)},
	{"EXTERNAL_KEY_STORE: another encryption context", exception(invalidState, badBlob), wrongContext(external)},
	{"external key disabled: decrypt", exception(invalidState, notEnabled), withKeyDisabled(decrypt(external))},
	{"external key enabled again: decrypt", ok, decrypt(external)},
	{"proxy 300 ms slow: decrypt", exception(invalidState, tooLate), withFault(slowProxy, decrypt(external))},
	{"proxy throttles: decrypt", exception(invalidState, busyProxy), withFault(throttlingProxy, decrypt(external))},
	{"network swallows everything: decrypt", exception(invalidState, noProxy), withFault(blackHole, decrypt(external))},
	{"proxy stopped: decrypt", exception(invalidState, noProxy), withProxyStopped(decrypt(external))},
	{"proxy back: decrypt", ok, decrypt(external)},
	{"key store disconnected: decrypt", exception(invalidState, unavailable), disconnected(decrypt(external))},
	{"key store connected again: decrypt", ok, reconnected(decrypt(external))},
	{"key store quota exceeded: decrypt", exception("ThrottlingException", throttled), often(decrypt(external))},
	{"a second later: decrypt", ok, later(decrypt(external))},
	{"AWS_KMS and AWS_CLOUDHSM were never disturbed", ok, both(decrypt(software), decrypt(hsmStore))},
}

// action is what a step does.
type action = func(ctx context.Context, d *demo) error

func createKey(origin string) action {
	return func(ctx context.Context, d *demo) error { return d.createKey(ctx, origin) }
}

// roundTrip encrypts under the origin's key, keeps the ciphertext, and opens it.
func roundTrip(origin string) action {
	return func(ctx context.Context, d *demo) error {
		out, err := d.client.Encrypt(ctx, &kms.EncryptInput{
			KeyId: aws.String(d.keys[origin]), Plaintext: plaintext, EncryptionContext: encryptionContext})
		if err != nil {
			return err
		}
		d.blobs[origin] = out.CiphertextBlob
		return decrypt(origin)(ctx, d)
	}
}

func decrypt(origin string) action {
	return func(ctx context.Context, d *demo) error {
		return d.opens(ctx, d.blobs[origin], d.keys[origin], encryptionContext)
	}
}

func (d *demo) opens(ctx context.Context, blob []byte, key string, ec map[string]string) error {
	out, err := d.client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: ec})
	if err != nil {
		return err
	}
	if !bytes.Equal(out.Plaintext, plaintext) {
		return errors.New("another plaintext came back")
	}
	if got := aws.ToString(out.KeyId); got != key {
		return fmt.Errorf("decrypted by %s, want %s", got, key)
	}
	return nil
}

func reEncrypt(from, to string) action {
	return func(ctx context.Context, d *demo) error {
		out, err := d.client.ReEncrypt(ctx, &kms.ReEncryptInput{
			CiphertextBlob: d.blobs[from], SourceEncryptionContext: encryptionContext,
			DestinationKeyId: aws.String(d.keys[to]), DestinationEncryptionContext: encryptionContext,
		})
		if err != nil {
			return err
		}
		return d.opens(ctx, out.CiphertextBlob, d.keys[to], encryptionContext)
	}
}

func wrongContext(origin string) action {
	return func(ctx context.Context, d *demo) error {
		return d.opens(ctx, d.blobs[origin], d.keys[origin], map[string]string{"purpose": "Demo"})
	}
}

// withKeyDisabled disables the external key on its token for one action.
func withKeyDisabled(do action) action {
	return func(ctx context.Context, d *demo) (err error) {
		if err := d.w.keys.SetEnabled(ctx, d.w.state.ExternalKeyID, false); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, d.w.keys.SetEnabled(ctx, d.w.state.ExternalKeyID, true)) }()
		return do(ctx, d)
	}
}

var (
	slowProxy       = fault.Rule{At: fault.Proxy, Op: "*", Latency: 300 * time.Millisecond}
	throttlingProxy = fault.Rule{At: fault.Proxy, Op: "Decrypt", Error: "ThrottlingException"}
	blackHole       = fault.Rule{At: fault.Network, Op: "*", Blackhole: true}
)

func withFault(r fault.Rule, do action) action {
	return func(ctx context.Context, d *demo) error {
		id, err := d.w.faults.Add(r)
		if err != nil {
			return err
		}
		defer d.w.faults.Clear(id)
		return do(ctx, d)
	}
}

func withProxyStopped(do action) action {
	return func(ctx context.Context, d *demo) (err error) {
		if err := d.w.stopProxy(); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, d.w.startProxy()) }()
		return do(ctx, d)
	}
}

// unavailable has the key's ARN in it.
const unavailable = externalKeyARN + " is unavailable. You cannot perform this operation on an unavailable KMS key."

func disconnected(do action) action {
	return func(ctx context.Context, d *demo) error {
		_, err := d.client.DisconnectCustomKeyStore(ctx, &kms.DisconnectCustomKeyStoreInput{
			CustomKeyStoreId: aws.String(d.stores[external])})
		if err != nil {
			return err
		}
		if err := d.await(ctx, external, types.ConnectionStateTypeDisconnected); err != nil {
			return err
		}
		return do(ctx, d)
	}
}

func reconnected(do action) action {
	return func(ctx context.Context, d *demo) error {
		if err := d.connect(ctx, external); err != nil {
			return err
		}
		return do(ctx, d)
	}
}

// often repeats an action until it fails, a few times more often than the
// quota of the demo allows within a second.
func often(do action) action {
	return func(ctx context.Context, d *demo) error {
		for range 20 * demoQuota {
			if err := do(ctx, d); err != nil {
				return err
			}
		}
		return nil
	}
}

func later(do action) action {
	return func(ctx context.Context, d *demo) error {
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
		return do(ctx, d)
	}
}

func both(a, b action) action {
	return func(ctx context.Context, d *demo) error { return errors.Join(a(ctx, d), b(ctx, d)) }
}
