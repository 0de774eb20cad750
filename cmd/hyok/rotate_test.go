package main

import (
	"context"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"hyok/certs"
	"hyok/internal/loadgen"
	"hyok/internal/sigv4"
	"hyok/proxy/xks"
)

// asKMS calls the proxy itself, as KMS does.
func (r *running) asKMS() *xks.Client {
	r.t.Helper()
	pem, err := os.ReadFile(r.env["HYOK_CA_BUNDLE"])
	must(r.t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	c, err := xks.NewClient(xks.ClientConfig{
		Endpoint: r.env["HYOK_XKS_URI_ENDPOINT"], Path: r.env["HYOK_XKS_URI_PATH"], Region: r.env["AWS_REGION"], TLS: certs.ClientConfig(roots),
		Credential: sigv4.Credential{AccessKeyID: r.env["HYOK_XKS_ACCESS_KEY_ID"], Secret: r.env["HYOK_XKS_SECRET_ACCESS_KEY"]},
	})
	must(r.t, err)
	r.t.Cleanup(c.Close)
	return c
}

// version is that of the external key which encrypts now.
func (r *running) version(ctx context.Context, c *xks.Client) uint32 {
	r.t.Helper()
	out, err := c.Encrypt(ctx, r.env["HYOK_XKS_KEY_ID"], &xks.EncryptRequest{
		RequestMetadata: xks.RequestMetadata{AWSPrincipalArn: "arn", KMSKeyArn: "arn", KMSOperation: "Encrypt", KMSRequestID: "id"},
		Plaintext:       plaintext, EncryptionAlgorithm: xks.AlgorithmAESGCM})
	must(r.t, err)
	return binary.BigEndian.Uint32(out.CiphertextMetadata[1:])
}

func (r *running) rotate() {
	r.t.Helper()
	if out, err := hyok("key", "rotate", r.env["HYOK_XKS_KEY_ID"], "--dir", r.dir).CombinedOutput(); err != nil {
		r.t.Fatalf("hyok key rotate: %v: %s", err, out)
	}
}

func TestRotatedKeysOpenOldAndNewCiphertexts(t *testing.T) {
	ctx := t.Context()
	r := up(t, t.TempDir())
	r.makeAll(ctx)
	direct := r.asKMS()
	blobs := [][]byte{r.encrypt(ctx, external)}
	for want := uint32(2); want <= 3; want++ {
		r.rotate()
		r.soon(time.Second, "the new version encrypts", fmt.Sprint(want), func() string { return fmt.Sprint(r.version(ctx, direct)) })
		blobs = append(blobs, r.encrypt(ctx, external))
	}
	opens := func() {
		for _, blob := range blobs {
			r.opens(ctx, blob)
		}
	}
	opens()
	r.stop()
	r = r.again()
	opens()
	if got := r.version(ctx, r.asKMS()); got != 3 {
		t.Errorf("after a restart version %d encrypts, want 3", got)
	}
}

// loadRate is in requests a second. The race detector leaves a processor's time for
// few of them, since KMS waits no longer than 250 ms.
func loadRate() float64 {
	if raceEnabled {
		return 40
	}
	return 240
}

func TestRotationUnderLoadLosesNoRequest(t *testing.T) {
	ctx := t.Context()
	r := up(t, t.TempDir(), "--quotas", "off")
	r.makeAll(ctx)
	direct := r.asKMS()
	old := r.encrypt(ctx, external)
	var calls atomic.Int64
	decrypt := func(ctx context.Context, blob []byte) error {
		_, err := r.client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: encryptionContext})
		return err
	}
	call := func(ctx context.Context) error { // by turns: the old one, and a new one there and back
		if calls.Add(1)%2 == 0 {
			return decrypt(ctx, old)
		}
		out, err := r.client.Encrypt(ctx, &kms.EncryptInput{
			KeyId: aws.String(r.keys[external]), Plaintext: plaintext, EncryptionContext: encryptionContext})
		if err != nil {
			return err
		}
		return decrypt(ctx, out.CiphertextBlob)
	}
	rotated := make(chan struct{})
	go func() {
		defer close(rotated)
		for range 3 {
			<-time.After(900 * time.Millisecond)
			if out, err := hyok("key", "rotate", r.env["HYOK_XKS_KEY_ID"], "--dir", r.dir).CombinedOutput(); err != nil {
				t.Errorf("hyok key rotate: %v: %s", err, out)
			}
		}
	}()
	got, err := loadgen.Run(ctx, loadgen.Config{Rate: loadRate(), Duration: 4 * time.Second,
		Operations: []loadgen.Operation{{Do: call}}})
	must(t, err)
	<-rotated
	t.Logf("%+v", got.Latency)
	if got.Errors > 0 || float64(got.Sent) < 4*loadRate() {
		t.Errorf("%d of %d calls failed: %+v", got.Errors, got.Sent, got.Failures)
	}
	r.soon(time.Second, "the new version encrypts", "4", func() string { return fmt.Sprint(r.version(ctx, direct)) })
}
