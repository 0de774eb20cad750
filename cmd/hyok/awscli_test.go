package main

import (
	"encoding/base64"
	"fmt"
	"slices"
	"testing"
)

const cliContext = "purpose=demo"

func TestAWSCLI(t *testing.T) {
	c := newCLI(t)
	c.makeAllByCLI()
	t.Run("every origin encrypts, decrypts, and re-encrypts to the next", c.on(walkRing))
	t.Run("aliases, tags, descriptions and deletion", c.on(manageByCLI))
	t.Run("a wrong call shows the exception and its message", c.on(refusedByCLI))
	c.stop()
}

// on makes a subtest of a walk.
func (c *cli) on(walk func(c *cli)) func(t *testing.T) {
	return func(t *testing.T) {
		inner := *c.running
		inner.t = t
		walk(&cli{running: &inner, global: c.global, environ: c.environ})
	}
}

// makeAllByCLI makes both key stores and a key of each origin.
func (c *cli) makeAllByCLI() {
	c.t.Helper()
	c.connected(external, "--custom-key-store-name", "external", "--custom-key-store-type", "EXTERNAL_KEY_STORE",
		"--xks-proxy-connectivity", "PUBLIC_ENDPOINT",
		"--xks-proxy-uri-endpoint", c.env["HYOK_XKS_URI_ENDPOINT"], "--xks-proxy-uri-path", c.env["HYOK_XKS_URI_PATH"],
		"--xks-proxy-authentication-credential",
		fmt.Sprintf("AccessKeyId=%s,RawSecretAccessKey=%s", c.env["HYOK_XKS_ACCESS_KEY_ID"], c.env["HYOK_XKS_SECRET_ACCESS_KEY"]))
	c.connected(hsmStore, "--custom-key-store-name", "cluster",
		"--cloud-hsm-cluster-id", c.env["HYOK_CLUSTER_ID"], "--key-store-password", c.env["HYOK_KMSUSER_PASSWORD"],
		"--trust-anchor-certificate", "file://"+c.env["HYOK_TRUST_ANCHOR"])
	for origin, more := range map[string][]string{
		software: nil,
		hsmStore: {"--custom-key-store-id", c.stores[hsmStore]},
		external: {"--custom-key-store-id", c.stores[external], "--xks-key-id", c.env["HYOK_XKS_KEY_ID"]},
	} {
		c.keys[origin] = c.kms(slices.Concat([]string{"create-key", "--origin", origin, "--query", "KeyMetadata.Arn"}, more)...)
	}
}

// opensTo decrypts a blob and wants the plaintext by a key.
func (c *cli) opensTo(key, blob string) {
	c.t.Helper()
	c.expect(base64.StdEncoding.EncodeToString(plaintext)+"\t"+key,
		"decrypt", "--ciphertext-blob", blob, "--encryption-context", cliContext, "--query", "[Plaintext, KeyId]")
}

func walkRing(c *cli) {
	open := c.file("plaintext", plaintext)
	for i, origin := range allOrigins {
		next := allOrigins[(i+1)%len(allOrigins)]
		first := c.blob("first", c.kms("encrypt", "--key-id", c.keys[origin], "--plaintext", open,
			"--encryption-context", cliContext, "--query", "CiphertextBlob"))
		c.opensTo(c.keys[origin], first)
		second := c.blob("second", c.kms("re-encrypt", "--ciphertext-blob", first, "--source-encryption-context", cliContext,
			"--destination-key-id", c.keys[next], "--destination-encryption-context", cliContext, "--query", "CiphertextBlob"))
		c.opensTo(c.keys[next], second)
	}
}

func manageByCLI(c *cli) {
	key := c.keys[software]
	c.expect("", "create-alias", "--alias-name", "alias/app", "--target-key-id", key)
	c.expect("alias/app", "list-aliases", "--key-id", key, "--query", "Aliases[].AliasName")
	c.expect("", "tag-resource", "--key-id", key, "--tags", "TagKey=team,TagValue=red")
	c.expect("team\tred", "list-resource-tags", "--key-id", key, "--query", "Tags[].[TagKey, TagValue]")
	c.expect("", "update-key-description", "--key-id", key, "--description", "held by hand")
	const described = "KeyMetadata.[Arn, Origin, KeyState, Description]"
	c.expect(key+"\tAWS_KMS\tEnabled\theld by hand", "describe-key", "--key-id", "alias/app", "--query", described)
	c.expect(key+"\tPendingDeletion\t7", "schedule-key-deletion", "--key-id", key, "--pending-window-in-days", "7",
		"--query", "[KeyId, KeyState, PendingWindowInDays]")
	c.expect(key, "cancel-key-deletion", "--key-id", key, "--query", "KeyId")
	c.expect(key+"\tAWS_KMS\tDisabled\theld by hand", "describe-key", "--key-id", key, "--query", described)
	c.expect(c.stores[external]+"\t"+c.env["HYOK_XKS_KEY_ID"], "describe-key", "--key-id", c.keys[external],
		"--query", "KeyMetadata.[CustomKeyStoreId, XksKeyConfiguration.Id]")
}

func refusedByCLI(c *cli) {
	missing := "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-4000-8000-000000000000"
	c.refused(fmt.Sprintf("An error occurred (NotFoundException) when calling the DescribeKey operation: Key '%s' does not exist", missing),
		"describe-key", "--key-id", missing)
	c.refused(fmt.Sprintf("An error occurred (DisabledException) when calling the GenerateDataKey operation: %s is disabled.", c.keys[software]),
		"generate-data-key", "--key-id", c.keys[software], "--key-spec", "AES_256")
	c.refused("An error occurred (InvalidCiphertextException) when calling the Decrypt operation:",
		"decrypt", "--ciphertext-blob", c.file("garbage", []byte("no ciphertext of KMS")))
	c.refused("An error occurred (UnsupportedOperationException) when calling the CreateGrant operation: "+
		"CreateGrant is not built yet in this version of hyok.",
		"create-grant", "--key-id", c.keys[external], "--grantee-principal", "arn:aws:iam::111122223333:user/admin", "--operations", "Decrypt")
}
