package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

var allOrigins = []string{software, hsmStore, external}

// makeAll makes both key stores and a key of each origin.
func (r *running) makeAll(ctx context.Context) {
	r.t.Helper()
	must(r.t, r.createExternal(ctx))
	must(r.t, r.createCloudHSM(ctx))
	for _, origin := range allOrigins {
		must(r.t, r.createKey(ctx, origin))
	}
}

func (r *running) encrypt(ctx context.Context, origin string) []byte {
	r.t.Helper()
	out, err := r.client.Encrypt(ctx, &kms.EncryptInput{
		KeyId: aws.String(r.keys[origin]), Plaintext: plaintext, EncryptionContext: encryptionContext})
	must(r.t, err)
	return out.CiphertextBlob
}

func (r *running) opens(ctx context.Context, blob []byte) {
	r.t.Helper()
	out, err := r.client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: encryptionContext})
	must(r.t, err)
	if !bytes.Equal(out.Plaintext, plaintext) {
		r.t.Error("another plaintext came back")
	}
}

func TestDemoEndsWithEveryStepAsExpected(t *testing.T) {
	cmd := hyok("demo")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), "steps as expected") {
		t.Errorf("hyok demo: %v\n%s\n%s", err, out, &stderr)
	}
}

func TestRestartKeepsKeysStoresAndCiphertexts(t *testing.T) {
	ctx := t.Context()
	r := up(t, t.TempDir())
	r.makeAll(ctx)
	blobs := map[string][]byte{}
	for _, origin := range allOrigins {
		blobs[origin] = r.encrypt(ctx, origin)
	}
	before := r.env
	r.stop()
	if _, err := os.Stat(filepath.Join(r.dir, "env")); !os.IsNotExist(err) {
		t.Errorf("a stopped hyok left its env file: %v", err)
	}

	r = r.again()
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "HYOK_XKS_ACCESS_KEY_ID", "HYOK_XKS_SECRET_ACCESS_KEY", "HYOK_CLUSTER_ID"} {
		if r.env[name] != before[name] || r.env[name] == "" {
			t.Errorf("%s changed over a restart", name)
		}
	}
	for origin, id := range r.stores {
		out, err := r.client.DescribeCustomKeyStores(ctx, &kms.DescribeCustomKeyStoresInput{CustomKeyStoreId: aws.String(id)})
		must(t, err)
		if got := out.CustomKeyStores[0].ConnectionState; got != types.ConnectionStateTypeConnected {
			t.Errorf("%s key store is %s after a restart", origin, got)
		}
	}
	for _, origin := range allOrigins {
		r.opens(ctx, blobs[origin])
		r.opens(ctx, r.encrypt(ctx, origin))
	}
}

func TestEnvHasEveryVariable(t *testing.T) {
	r := up(t, t.TempDir())
	info, err := os.Stat(filepath.Join(r.dir, "env"))
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("env has mode %o, want 600", info.Mode().Perm())
	}
	for _, name := range envNames {
		if r.env[name] == "" {
			t.Errorf("%s is empty", name)
		}
	}
	if len(r.env) != len(envNames) {
		t.Errorf("env has %d variables, want %d", len(r.env), len(envNames))
	}
}

// Nothing secret may show in what a running hyok writes for people to read.
func TestSecretsAndPlaintextAppearNowhere(t *testing.T) {
	ctx := t.Context()
	r := up(t, t.TempDir())
	r.makeAll(ctx)
	out, err := r.client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: aws.String(r.keys[external]), KeySpec: types.DataKeySpecAes256})
	must(t, err)
	for _, origin := range allOrigins {
		r.opens(ctx, r.encrypt(ctx, origin))
	}
	metrics := get(t, r.env["HYOK_METRICS_URL"]) + get(t, r.env["HYOK_PROXY_METRICS_URL"])
	r.stop()
	trail, err := os.ReadFile(r.env["HYOK_TRAIL"])
	must(t, err)
	seen := map[string]string{"log": r.log.String(), "trail": string(trail), "metrics": metrics}
	secrets := []string{string(plaintext), encode(plaintext), encode(out.Plaintext), string(out.Plaintext)}
	for _, name := range []string{"AWS_SECRET_ACCESS_KEY", "HYOK_XKS_SECRET_ACCESS_KEY", "HYOK_KMSUSER_PASSWORD", "HYOK_ADMIN_TOKEN", "HYOK_PKCS11_PIN"} {
		secrets = append(secrets, r.env[name])
	}
	for where, text := range seen {
		if text == "" {
			t.Errorf("the %s is empty: nothing was searched", where)
		}
		for i, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("secret %d is in the %s", i, where)
			}
		}
	}
	if n := strings.Count(string(trail), "\n"); n < 10 {
		t.Errorf("the trail has %d records", n)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	must(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(t, err)
	return string(b)
}

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func TestEnvRoundTrip(t *testing.T) {
	for _, v := range []string{"", "plain", "with 'quotes' in it", `back\slash`, "spaces and = signs"} {
		got := parseEnv("export NAME=" + shellQuote(v) + "\n")
		if got["NAME"] != v {
			t.Errorf("%q came back as %q", v, got["NAME"])
		}
	}
}
