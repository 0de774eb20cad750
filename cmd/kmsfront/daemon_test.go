package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"hyok/certs"
	"hyok/kmsfront/store"
)

const (
	accessKey = "AKIAKMSFRONTTEST0000"
	secretKey = "a-secret-of-the-tests"
)

// files are what a daemon needs beside certificates, by name. Paths are those
// of its working directory.
var files = map[string]string{
	"kmsfront.yaml": valid + `operations_listen: 127.0.0.1:0
events: events.jsonl
tls: {listen: "127.0.0.1:0", cert: kms.pem, key: kms-key.pem}
`,
	"identities.yaml": `accounts:
  - id: "111122223333"
    users: [{name: admin, access_keys: [{id: ` + accessKey + `, secret: ` + secretKey + `}]}]
`,
}

// newDir makes a directory for a daemon to run in.
func newDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	ca, err := certs.NewAuthority("test CA", time.Now())
	must(t, err)
	must(t, ca.Save(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem")))
	cert, key, err := ca.Issue(certs.Leaf{CommonName: "localhost", DNSNames: []string{"localhost"}})
	must(t, err)
	must(t, certs.WriteLeaf(filepath.Join(dir, "kms.pem"), filepath.Join(dir, "kms-key.pem"), cert, key))
	return dir
}

// A child is a running kmsfront.
type child struct {
	*exec.Cmd
	t       *testing.T
	dir     string
	address map[string]string // by endpoint
	logged  chan string       // the whole log, when it has ended
}

// start runs kmsfront in dir and waits until it serves its three endpoints.
func start(t *testing.T, dir string) *child {
	t.Helper()
	c := &child{Cmd: daemonCommand(t, "--config", "kmsfront.yaml"), t: t, dir: dir, address: map[string]string{}, logged: make(chan string, 1)}
	c.Dir = dir
	stderr, err := c.StderrPipe()
	must(t, err)
	must(t, c.Start())
	t.Cleanup(func() { _ = c.Process.Kill() })
	log := bufio.NewReader(stderr)
	var seen strings.Builder
	for len(c.address) < 3 {
		text, err := log.ReadString('\n')
		if err != nil {
			t.Fatalf("kmsfront ended before it served: %s%s", &seen, text)
		}
		seen.WriteString(text)
		var line struct{ Msg, Endpoint, Address string }
		must(t, json.Unmarshal([]byte(text), &line))
		if line.Msg == "serving" {
			c.address[line.Endpoint] = line.Address
		}
	}
	go func() {
		_, _ = io.Copy(&seen, log) // ends with the process
		c.logged <- seen.String()
	}()
	return c
}

// stop sends SIGTERM, wants exit status 0 within five seconds, and gives the log.
func (c *child) stop() string {
	c.t.Helper()
	began := time.Now()
	must(c.t, c.Process.Signal(syscall.SIGTERM))
	log := <-c.logged
	if err := c.Wait(); err != nil {
		c.t.Errorf("after SIGTERM: %v\n%s", err, log)
	}
	if took := time.Since(began); took > 5*time.Second {
		c.t.Errorf("it took %s to stop", took)
	}
	return log
}

// client calls over plain HTTP, or over TLS with the test's CA.
func (c *child) client(endpoint string) *kms.Client {
	c.t.Helper()
	roots, err := certs.LoadPool(filepath.Join(c.dir, "ca.pem"))
	must(c.t, err)
	base := "http://" + c.address[endpoint]
	if endpoint == "kms-tls" {
		_, port, _ := strings.Cut(c.address[endpoint], ":")
		base = "https://localhost:" + port
	}
	return kms.New(kms.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(base), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
		HTTPClient:  &http.Client{Transport: &http.Transport{TLSClientConfig: certs.ClientConfig(roots)}},
	})
}

// operations is what a path of the operations endpoint answers.
func (c *child) operations(path string) string {
	c.t.Helper()
	resp, err := http.Get("http://" + c.address["operations"] + path)
	must(c.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(c.t, err)
	return string(text)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return b
}

const plaintext = "hold your own key"

func (c *child) opens(ctx context.Context, client *kms.Client, blob []byte) {
	c.t.Helper()
	out, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob})
	must(c.t, err)
	if string(out.Plaintext) != plaintext {
		c.t.Errorf("another plaintext came back: %q", out.Plaintext)
	}
}

// makeKey makes a key and encrypts under it.
func makeKey(ctx context.Context, t *testing.T, client *kms.Client) (arn string, blob []byte) {
	t.Helper()
	made, err := client.CreateKey(ctx, &kms.CreateKeyInput{})
	must(t, err)
	out, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: made.KeyMetadata.Arn, Plaintext: []byte(plaintext)})
	must(t, err)
	return aws.ToString(made.KeyMetadata.Arn), out.CiphertextBlob
}

func TestDaemonServesHTTPAndTLSAndKeepsItsKeys(t *testing.T) {
	ctx := t.Context()
	dir := newDir(t)
	c := start(t, dir)
	plain, tls := c.client("kms"), c.client("kms-tls")
	first, blob := makeKey(ctx, t, plain)
	second, tlsBlob := makeKey(ctx, t, tls)
	c.opens(ctx, tls, blob)
	c.opens(ctx, plain, tlsBlob)
	for _, want := range []string{"hyok_build_info", `operation="Encrypt"`} {
		if !strings.Contains(c.operations("/metrics"), want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if answer := c.operations("/getmetricdata"); !strings.Contains(answer, "the request for data is a POST") {
		t.Errorf("/getmetricdata answers %s", answer)
	}
	log := c.stop()

	c = start(t, dir)
	again := c.client("kms")
	c.opens(ctx, again, blob)
	c.opens(ctx, again, tlsBlob)
	for _, arn := range []string{first, second} {
		_, err := again.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String(arn)})
		must(t, err)
	}
	log += c.stop()
	trail := read(t, filepath.Join(dir, "trail.jsonl"))
	if n := bytes.Count(trail, []byte(`"eventName":"CreateKey"`)); n != 2 {
		t.Errorf("the trail has %d CreateKey records, want 2", n)
	}
	for _, secret := range []string{secretKey, plaintext} {
		if strings.Contains(log, secret) || bytes.Contains(trail, []byte(secret)) {
			t.Errorf("%q is in the log or the trail", secret)
		}
	}
}

// Without its root key a store is nothing; with another it must stay as it is.
func TestWrongRootKeyIsOneLineAndNothingIsOverwritten(t *testing.T) {
	ctx := t.Context()
	dir := newDir(t)
	c := start(t, dir)
	_, blob := makeKey(ctx, t, c.client("kms"))
	c.stop()
	rootKey, database := filepath.Join(dir, "root.key"), filepath.Join(dir, "store.db")
	right, sealed := read(t, rootKey), read(t, database)
	other := filepath.Join(t.TempDir(), "root.key")
	_, err := store.CreateRootKey(other)
	must(t, err)
	wrong := read(t, other)
	for name, content := range map[string][]byte{
		"another's": wrong, "one that is cut short": right[:len(right)/2], "none": nil,
	} {
		must(t, os.Remove(rootKey))
		if content != nil {
			must(t, os.WriteFile(rootKey, content, 0o600))
		}
		cmd := daemonCommand(t, "--config", "kmsfront.yaml", "--log-level", "error")
		cmd.Dir = dir
		said, err := cmd.CombinedOutput()
		line := string(said)
		if cmd.ProcessState.ExitCode() != 1 || strings.Count(line, "\n") != 1 || !strings.HasPrefix(line, "kmsfront: ") || !strings.Contains(line, "root") {
			t.Errorf("root key %s: %v: %q, want exit status 1 and one line about the root key", name, err, line)
		}
		key, err := os.ReadFile(rootKey)
		if !bytes.Equal(read(t, database), sealed) || !bytes.Equal(key, content) || os.IsNotExist(err) != (content == nil) {
			t.Errorf("root key %s: the store or the root key was changed", name)
		}
		must(t, os.WriteFile(rootKey, right, 0o600))
	}
	c = start(t, dir)
	c.opens(ctx, c.client("kms"), blob)
	c.stop()
}
