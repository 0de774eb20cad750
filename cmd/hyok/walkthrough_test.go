package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCloudHSMWalkThrough is what a reader of docs/cloudhsm.md does, from a new
// cluster to a ciphertext and back, with the AWS CLI, openssl and hyok.
func TestCloudHSMWalkThrough(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("NOT RUN: openssl is missing; install it with: apt-get install openssl")
	}
	c := newCLI(t)
	id := c.cluster("create-cluster", "--hsm-type", "hsm1.medium", "--subnet-ids", c.twoSubnets()[0], c.twoSubnets()[1],
		"--query", "Cluster.ClusterId")
	which := []string{"--filters", "clusterIds=" + id}
	describe := func(query string) string {
		return c.cluster(append([]string{"describe-clusters", "--query", "Clusters[0]." + query}, which...)...)
	}
	must(t, os.WriteFile(filepath.Join(c.dir, "ClusterCsr.csr"), []byte(describe("Certificates.ClusterCsr")+"\n"), 0o600))
	c.openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-x509", "-days", "3652", "-subj", "/CN=owner", "-keyout", "ca.key", "-out", "walk-CA.crt")
	c.openssl("x509", "-req", "-days", "3652", "-in", "ClusterCsr.csr", "-CA", "walk-CA.crt", "-CAkey", "ca.key", "-CAcreateserial", "-out", "signed.crt")
	anchor := "file://" + filepath.Join(c.dir, "walk-CA.crt")
	c.cluster("initialize-cluster", "--cluster-id", id, "--signed-cert", "file://"+filepath.Join(c.dir, "signed.crt"), "--trust-anchor", anchor)
	for _, zone := range []string{"us-east-1a", "us-east-1b"} {
		c.cluster("create-hsm", "--cluster-id", id, "--availability-zone", zone)
	}
	c.hyok("kmsPswd1", "cluster", "user", "create", "kmsuser", "--cluster", id)
	if got := describe("[State, Hsms[0].State, Hsms[1].State]"); got != "ACTIVE\tACTIVE\tACTIVE" {
		t.Fatalf("the cluster is %s", got)
	}
	c.connected(hsmStore, "--custom-key-store-name", "walk", "--cloud-hsm-cluster-id", id,
		"--key-store-password", "kmsPswd1", "--trust-anchor-certificate", anchor)
	key := c.kms("create-key", "--origin", hsmStore, "--custom-key-store-id", c.stores[hsmStore], "--query", "KeyMetadata.Arn")
	blob := c.blob("walk", c.kms("encrypt", "--key-id", key, "--plaintext", c.file("plaintext", plaintext),
		"--encryption-context", cliContext, "--query", "CiphertextBlob"))
	c.opensTo(key, blob)
	if keys := c.hyok("", "cluster", "key", "list", "--cluster", id); !strings.Contains(keys, key) {
		t.Errorf("the cluster's keys are\n%s", keys)
	}
	c.recover(id, key, blob)
	c.stop()
}

// recover deletes the key material and brings it back from a backup (guide
// 004:19915-19926).
func (c *cli) recover(id, key, blob string) {
	c.t.Helper()
	backup := strings.TrimSpace(c.hyok("", "cluster", "backup", "create", "--cluster", id))
	store := []string{"--custom-key-store-id", c.stores[hsmStore]}
	c.kms(append([]string{"disconnect-custom-key-store"}, store...)...)
	c.state("DISCONNECTED")
	c.hyok("tempPassword1", "cluster", "user", "password", "kmsuser", "--cluster", id)
	c.hyok("tempPassword1", "cluster", "user", "login", "kmsuser", "--cluster", id)
	handle, _, _ := strings.Cut(strings.Split(c.hyok("", "cluster", "key", "list", "--cluster", id), "\n")[1], " ")
	c.hyok("", "cluster", "key", "delete", handle, "--cluster", id)
	c.hyok("", "cluster", "user", "logout", "kmsuser", "--cluster", id)
	c.reconnect(store, "--key-store-password", "tempPassword1")
	if _, talk, err := c.try("decrypt", "--ciphertext-blob", blob, "--encryption-context", cliContext); err == nil || !strings.Contains(talk, "KMSInvalidStateException") {
		c.t.Errorf("without the key material: %v, %s", err, talk)
	}
	c.kms(append([]string{"disconnect-custom-key-store"}, store...)...)
	c.state("DISCONNECTED")
	restored := c.cluster("create-cluster", "--hsm-type", "hsm1.medium", "--source-backup-id", backup,
		"--subnet-ids", c.twoSubnets()[0], c.twoSubnets()[1], "--query", "Cluster.ClusterId")
	for _, zone := range []string{"us-east-1a", "us-east-1b"} {
		c.cluster("create-hsm", "--cluster-id", restored, "--availability-zone", zone)
	}
	// The backup is younger than the last rotation but one; nobody knows kmsuser's
	// password in it, so that it is set anew.
	c.hyok("tempPassword2", "cluster", "user", "password", "kmsuser", "--cluster", restored)
	c.reconnect(store, "--cloud-hsm-cluster-id", restored, "--key-store-password", "tempPassword2")
	c.opensTo(key, blob)
}

// reconnect updates a disconnected key store and connects it.
func (c *cli) reconnect(store []string, with ...string) {
	c.t.Helper()
	c.kms(append(append([]string{"update-custom-key-store"}, store...), with...)...)
	c.kms(append([]string{"connect-custom-key-store"}, store...)...)
	c.state("CONNECTED")
}

// state waits until the CloudHSM key store has a state.
func (c *cli) state(want string) {
	c.t.Helper()
	for got := ""; got != want; {
		must(c.t, c.t.Context().Err())
		got = c.kms("describe-custom-key-stores", "--custom-key-store-id", c.stores[hsmStore],
			"--query", "CustomKeyStores[0].ConnectionState")
		if got == "FAILED" && want != got {
			c.t.Fatal("the key store failed to connect")
		}
	}
}

// cluster runs a call of the CloudHSM v2 API that must succeed.
func (c *cli) cluster(args ...string) string {
	c.t.Helper()
	global := []string{"cloudhsmv2", "--output", "text"}
	if len(c.global) > 0 {
		global = append(global, "--endpoint-url", c.env["AWS_ENDPOINT_URL_CLOUDHSM_V2"])
	}
	return c.run("", exec.Command("aws", append(global, args...)...))
}

// hyok runs a command of hyok on the running one, with a line on its standard input.
func (c *cli) hyok(input string, args ...string) string {
	c.t.Helper()
	cmd := exec.Command("hyok", append(args, "--dir", c.dir)...)
	return c.run(input, cmd) + "\n"
}

func (c *cli) openssl(args ...string) {
	c.t.Helper()
	c.run("", exec.Command("openssl", args...))
}

// run runs a program in the directory that must succeed.
func (c *cli) run(input string, cmd *exec.Cmd) string {
	c.t.Helper()
	var out, talk bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = c.dir, c.environ, strings.NewReader(input), &out, &talk
	if err := cmd.Run(); err != nil {
		c.t.Fatalf("%s: %v: %s", strings.Join(cmd.Args, " "), err, talk.String())
	}
	return strings.TrimSpace(out.String())
}

// twoSubnets are in the zones a and b.
func (c *cli) twoSubnets() []string {
	c.t.Helper()
	lines := strings.Split(c.hyok("", "cluster", "subnet", "list"), "\n")
	var ids []string
	for _, line := range lines[1:3] {
		id, _, _ := strings.Cut(line, " ")
		ids = append(ids, id)
	}
	return ids
}
