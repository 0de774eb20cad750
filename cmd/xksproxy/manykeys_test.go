package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"hyok/proxy/xks"
	"hyok/softhsm"
	"hyok/softhsm/softhsmtest"
)

// keysToken is the label of a token with many keys.
const keysToken = "many"

// productive is a file without what is for tests alone.
const productive = `
listen: 127.0.0.1:0
metrics_listen: 127.0.0.1:0
tls: {cert: server.pem, key: server-key.pem}
modules: [{name: softhsm, path: %s}]
tokens: [{name: main, label: many, pin: {env: XKSPROXY_PIN}, profile: softhsm}]
stores:
  - path_prefix: /tenant
    credentials: [{access_key_id: %s, secret: %s}]
    all_keys: true
    deadline: 5s
    rate_limit: -1
audit: {file: audit.jsonl}
log: {sample: 1000}
`

// startWithKeys starts the command on a token with n keys of
// softhsmtest.KeyLabel.
func startWithKeys(t testing.TB, n int) *child {
	t.Helper()
	c := &child{dir: t.TempDir()}
	tokens := softhsmtest.MemoryDir(t)
	if err := tokens.InitToken(keysToken, softhsmtest.PIN, softhsmtest.SOPIN); err != nil {
		t.Fatal(err)
	}
	c.env = slices.Concat(os.Environ(), []string{"XKSPROXY_PIN=" + softhsmtest.PIN, "SOFTHSM2_CONF=" + tokens.Conf()})
	maker := exec.Command(os.Args[0])
	maker.Env = append(c.env, fmt.Sprintf("%s=%d", asKeyMaker, n))
	if out, err := maker.CombinedOutput(); err != nil {
		t.Fatalf("making %d keys: %v: %s", n, err, out)
	}
	var err error
	if c.module, err = softhsm.Module(); err != nil {
		t.Fatal(err)
	}
	if err := writeCertificate(c.dir); err != nil {
		t.Fatal(err)
	}
	c.write(t, "xksproxy.yaml", fmt.Sprintf(productive, c.module, first.AccessKeyID, first.Secret))
	c.env = append(c.env, asDaemon+"=1")
	c.start(t)
	return c
}

// encryptUnder encrypts under key i, and gives the time that took.
func encryptUnder(t testing.TB, client *xks.Client, i int) time.Duration {
	t.Helper()
	start := time.Now()
	_, err := client.Encrypt(t.Context(), softhsmtest.KeyLabel(i), &xks.EncryptRequest{
		RequestMetadata: callMetadata("Encrypt"), Plaintext: callPlaintext,
		EncryptionAlgorithm: xks.AlgorithmAESGCM, CiphertextDataIntegrityValueAlgorithm: xks.AlgorithmSHA256,
	})
	if err != nil {
		t.Fatalf("encrypting under key %d: %v", i, err)
	}
	return time.Since(start)
}
