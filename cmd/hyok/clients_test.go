package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// A cli is the AWS CLI as a caller of a running hyok.
type cli struct {
	*running
	global  []string // options of every call
	environ []string
}

// newCLI finds the AWS CLI. Where there is none, the test says that it was not run.
func newCLI(t *testing.T) *cli {
	t.Helper()
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("NOT RUN: the AWS CLI is missing; install it with: pip install awscli")
	}
	out, err := exec.Command("aws", "--version").CombinedOutput()
	must(t, err)
	r := up(t, t.TempDir())
	c := &cli{running: r, environ: clientEnv(t, r.env)}
	// Version 1 would fetch what a parameter that is a URL points to, and send that.
	config := filepath.Join(r.dir, "aws.config")
	must(t, os.WriteFile(config, []byte("[default]\ncli_follow_urlparam = false\n"), 0o600))
	c.environ = append(c.environ, "AWS_CONFIG_FILE="+config)
	if !readsEndpoint(t, string(out)) {
		c.global = []string{"--endpoint-url", r.env["AWS_ENDPOINT_URL_KMS"]}
	}
	return c
}

// readsEndpoint tells from what `aws --version` prints whether the CLI reads
// AWS_ENDPOINT_URL_KMS: since 1.29.0 and 2.13.0.
func readsEndpoint(t *testing.T, version string) bool {
	t.Helper()
	var major, minor int
	if _, err := fmt.Sscanf(version, "aws-cli/%d.%d.", &major, &minor); err != nil {
		t.Fatalf("reading the CLI's version %q: %v", version, err)
	}
	return major > 2 || major == 2 && minor >= 13 || major == 1 && minor >= 29
}

func TestOldCLIsNeedTheEndpointAsAnOption(t *testing.T) {
	for version, want := range map[string]bool{
		"aws-cli/1.28.9 Python/3.8.10": false, "aws-cli/1.29.0 Python/3.8.10": true, "aws-cli/1.45.11 Python/3.11.7": true,
		"aws-cli/2.12.7 Python/3.11.4": false, "aws-cli/2.13.0 Python/3.11.4": true, "aws-cli/3.0.0 Python/3.14.0": true,
	} {
		if got := readsEndpoint(t, version); got != want {
			t.Errorf("%s reads the endpoint from the environment: %t, want %t", version, got, want)
		}
	}
}

// clientEnv is the environment of a client: the variables of DIR/env, nothing
// of the machine's AWS settings, and no retries, so that each exception shows.
func clientEnv(t *testing.T, vars map[string]string) []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LANG=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1",
		"AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1",
	}
	for name, value := range vars {
		env = append(env, name+"="+value)
	}
	return env
}

// try runs one call of KMS.
func (c *cli) try(args ...string) (stdout, stderr string, err error) {
	cmd := exec.Command("aws", append(append([]string{"kms", "--output", "text"}, c.global...), args...)...)
	cmd.Env = c.environ
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	err = cmd.Run()
	return strings.TrimSpace(out.String()), strings.TrimSpace(talk.String()), err
}

// kms runs a call of KMS that must succeed.
func (c *cli) kms(args ...string) string {
	c.t.Helper()
	out, talk, err := c.try(args...)
	if err != nil {
		c.t.Fatalf("aws kms %s: %v: %s", strings.Join(args, " "), err, talk)
	}
	return out
}

// expect runs a call of KMS whose output must be want.
func (c *cli) expect(want string, args ...string) {
	c.t.Helper()
	if got := c.kms(args...); got != want {
		c.t.Errorf("aws kms %s: got %q, want %q", strings.Join(args, " "), got, want)
	}
}

// refused runs a call of KMS that must fail, with the line in which the CLI says so.
func (c *cli) refused(line string, args ...string) {
	c.t.Helper()
	out, talk, err := c.try(args...)
	if err == nil || out != "" || !strings.HasSuffix(talk, line) {
		c.t.Errorf("aws kms %s: %v, %q, %q; want it to fail with %q", strings.Join(args, " "), err, out, talk, line)
	}
}

// file keeps data for a call and gives its fileb:// form, which no version of the CLI decodes.
func (c *cli) file(name string, data []byte) string {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	must(c.t, os.WriteFile(path, data, 0o600))
	return "fileb://" + path
}

// blob keeps what a call printed in base64.
func (c *cli) blob(name, text string) string {
	c.t.Helper()
	data, err := base64.StdEncoding.DecodeString(text)
	must(c.t, err)
	return c.file(name, data)
}

// connected creates a key store, connects it, and waits for it.
func (c *cli) connected(origin string, args ...string) {
	c.t.Helper()
	c.stores[origin] = c.kms(append([]string{"create-custom-key-store", "--query", "CustomKeyStoreId"}, args...)...)
	c.expect("", "connect-custom-key-store", "--custom-key-store-id", c.stores[origin])
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	const query = "CustomKeyStores[0].ConnectionState"
	for state := ""; state != string(types.ConnectionStateTypeConnected); {
		must(c.t, ctx.Err())
		state = c.kms("describe-custom-key-stores", "--custom-key-store-id", c.stores[origin], "--query", query)
		if state == string(types.ConnectionStateTypeFailed) {
			c.t.Fatalf("the %s key store failed to connect", origin)
		}
	}
}

// TestBoto3 walks the road again in Python; testdata/road.py says which steps.
func TestBoto3(t *testing.T) {
	if err := exec.Command("python3", "-c", "import boto3").Run(); err != nil {
		t.Skip("NOT RUN: python3 with boto3 is missing; install it with: pip install boto3")
	}
	r := up(t, t.TempDir(), "--quotas", "off")
	cmd := exec.Command("python3", filepath.Join("testdata", "road.py"))
	cmd.Env = clientEnv(t, r.env)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "every step as expected\n") {
		t.Errorf("road.py: %v\n%s", err, out)
	}
	r.stop()
}
