package main

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"hyok/internal/nsstest"
)

// The whole road on a device of the user's: NSS, as hyok up takes it.
func TestTheRoadOnNSS(t *testing.T) {
	ctx := t.Context()
	nss := nsstest.New(t)
	t.Setenv("NSS_LIB_PARAMS", nss.Reserved)
	options := []string{"--pkcs11-module", nss.Module, "--pkcs11-token", nsstest.Label, "--pkcs11-pin-file", nss.PINFile, "--pkcs11-profile", "nss"}
	r := up(t, t.TempDir(), options...)
	if got := r.env["HYOK_PKCS11_MODULE"]; got != nss.Module {
		t.Errorf("the external keys are on %s, want %s", got, nss.Module)
	}
	must(t, r.createExternal(ctx))
	for _, origin := range []string{external, software} {
		must(t, r.createKey(ctx, origin))
	}
	blobs := [][]byte{r.encrypt(ctx, external), r.encrypt(ctx, software)}
	blobs = append(blobs, r.moved(ctx, blobs[0], software), r.moved(ctx, blobs[1], external))
	for _, blob := range blobs {
		r.opens(ctx, blob)
	}
	r.stop()

	r = r.again(options...)
	for _, blob := range append(blobs, r.encrypt(ctx, external)) {
		r.opens(ctx, blob)
	}
	r.stop()
}

// moved re-encrypts a ciphertext under the origin's key.
func (r *running) moved(ctx context.Context, blob []byte, origin string) []byte {
	r.t.Helper()
	out, err := r.client.ReEncrypt(ctx, &kms.ReEncryptInput{
		CiphertextBlob: blob, SourceEncryptionContext: encryptionContext,
		DestinationKeyId: aws.String(r.keys[origin]), DestinationEncryptionContext: encryptionContext,
	})
	must(r.t, err)
	return out.CiphertextBlob
}
