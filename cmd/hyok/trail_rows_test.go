package main

import (
	"context"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// wrongSecret is of the form that secrets have, and nobody's.
const wrongSecret = "WrongSecretAccessKeyOfNobodyWrongSecretAccessKey"

// Messages of the failures (custom-key-stores §11).
const badCiphertext = "The external key store proxy rejected the request because the specified ciphertext or additional authenticated data is corrupted, missing, or otherwise invalid."

const (
	contextShown    = `{"purpose":"demo"}` // encryptionContext
	encryptionShown = `"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":` + contextShown
	createShown     = `"bypassPolicyLockoutSafetyCheck":false,"customerMasterKeySpec":"SYMMETRIC_DEFAULT","keySpec":"SYMMETRIC_DEFAULT","keyUsage":"ENCRYPT_DECRYPT","description":""`
	metadataShown   = `"aWSAccountId":"111122223333","keyId":"*","creationDate":"*","enabled":true,"description":"","keyUsage":"ENCRYPT_DECRYPT","keyState":"Enabled",` +
		`"keyManager":"CUSTOMER","customerMasterKeySpec":"SYMMETRIC_DEFAULT","keySpec":"SYMMETRIC_DEFAULT","encryptionAlgorithms":["SYMMETRIC_DEFAULT"],"multiRegion":false`
)

func createStore(name string, change func(*trailRig, *kms.CreateCustomKeyStoreInput)) func(context.Context, *trailRig) error {
	return func(ctx context.Context, r *trailRig) error {
		in := &kms.CreateCustomKeyStoreInput{CustomKeyStoreName: aws.String(name)}
		change(r, in)
		out, err := r.client.CreateCustomKeyStore(ctx, in)
		if err == nil && in.CloudHsmClusterId != nil {
			r.stores[hsmStore] = *out.CustomKeyStoreId
		} else if err == nil {
			r.stores[external] = *out.CustomKeyStoreId
		}
		return err
	}
}

func onCluster(r *trailRig, in *kms.CreateCustomKeyStoreInput) {
	anchor, err := os.ReadFile(r.env["HYOK_TRUST_ANCHOR"])
	must(r.t, err)
	in.CloudHsmClusterId, in.TrustAnchorCertificate = aws.String(r.env["HYOK_CLUSTER_ID"]), aws.String(string(anchor))
	in.KeyStorePassword = aws.String(r.env["HYOK_KMSUSER_PASSWORD"])
}

func withSecret(secret string) func(r *trailRig, in *kms.CreateCustomKeyStoreInput) {
	return func(r *trailRig, in *kms.CreateCustomKeyStoreInput) {
		if secret == "" {
			secret = r.env["HYOK_XKS_SECRET_ACCESS_KEY"]
		}
		in.CustomKeyStoreType, in.XksProxyConnectivity = types.CustomKeyStoreTypeExternalKeyStore, types.XksProxyConnectivityTypePublicEndpoint
		in.XksProxyUriEndpoint, in.XksProxyUriPath = aws.String(r.env["HYOK_XKS_URI_ENDPOINT"]), aws.String(uriPath)
		in.XksProxyAuthenticationCredential = &types.XksProxyAuthenticationCredentialType{
			AccessKeyId: aws.String(r.env["HYOK_XKS_ACCESS_KEY_ID"]), RawSecretAccessKey: aws.String(secret)}
	}
}

// store does an operation on a key store by its ID; an ID that is none is given as such.
func store(origin string, op func(context.Context, *kms.Client, *string) error) func(context.Context, *trailRig) error {
	return func(ctx context.Context, r *trailRig) error {
		id := origin
		if known, ok := r.stores[origin]; ok {
			id = known
		}
		return op(ctx, r.client, aws.String(id))
	}
}

// then waits for a connection state after a call that succeeded.
func then(origin string, state types.ConnectionStateType, do func(context.Context, *trailRig) error) func(context.Context, *trailRig) error {
	return func(ctx context.Context, r *trailRig) error {
		if err := do(ctx, r); err != nil {
			return err
		}
		return r.await(ctx, origin, state)
	}
}

func connects(ctx context.Context, c *kms.Client, id *string) error {
	_, err := c.ConnectCustomKeyStore(ctx, &kms.ConnectCustomKeyStoreInput{CustomKeyStoreId: id})
	return err
}

func disconnects(ctx context.Context, c *kms.Client, id *string) error {
	_, err := c.DisconnectCustomKeyStore(ctx, &kms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: id})
	return err
}

func deletes(ctx context.Context, c *kms.Client, id *string) error {
	_, err := c.DeleteCustomKeyStore(ctx, &kms.DeleteCustomKeyStoreInput{CustomKeyStoreId: id})
	return err
}

func describes(ctx context.Context, c *kms.Client, id *string) error {
	_, err := c.DescribeCustomKeyStores(ctx, &kms.DescribeCustomKeyStoresInput{CustomKeyStoreId: id})
	return err
}

func renames(ctx context.Context, c *kms.Client, id *string) error {
	_, err := c.UpdateCustomKeyStore(ctx, &kms.UpdateCustomKeyStoreInput{CustomKeyStoreId: id, NewCustomKeyStoreName: aws.String("renamed")})
	return err
}

func movesTo(ctx context.Context, r *trailRig) error {
	_, err := r.client.UpdateCustomKeyStore(ctx, &kms.UpdateCustomKeyStoreInput{
		CustomKeyStoreId: aws.String(r.stores[hsmStore]), CloudHsmClusterId: aws.String(r.env["HYOK_CLUSTER_ID"])})
	return err
}

func givesSecret(ctx context.Context, r *trailRig) error {
	_, err := r.client.UpdateCustomKeyStore(ctx, &kms.UpdateCustomKeyStoreInput{CustomKeyStoreId: aws.String(r.stores[external]),
		XksProxyAuthenticationCredential: &types.XksProxyAuthenticationCredentialType{
			AccessKeyId: aws.String(r.env["HYOK_XKS_ACCESS_KEY_ID"]), RawSecretAccessKey: aws.String(wrongSecret)}})
	return err
}

func createsKey(origin, xksKeyID string) func(context.Context, *trailRig) error {
	return func(ctx context.Context, r *trailRig) error {
		in := &kms.CreateKeyInput{Origin: types.OriginType(origin), CustomKeyStoreId: aws.String(r.stores[origin])}
		if origin == external {
			in.XksKeyId, in.MultiRegion = aws.String(strings.ReplaceAll(xksKeyID, "$external", r.env["HYOK_XKS_KEY_ID"])), aws.Bool(false)
			in.Tags = []types.Tag{{TagKey: aws.String("team"), TagValue: aws.String("red")}}
		}
		out, err := r.client.CreateKey(ctx, in)
		if err == nil {
			r.keys[origin] = *out.KeyMetadata.Arn
		}
		return err
	}
}

func encryptsWith(origin string) func(context.Context, *trailRig) error {
	return func(ctx context.Context, r *trailRig) error {
		out, err := r.client.Encrypt(ctx, &kms.EncryptInput{KeyId: aws.String(r.keys[origin]), Plaintext: plaintext, EncryptionContext: encryptionContext})
		if err == nil {
			r.cipher[origin] = out.CiphertextBlob
		}
		return err
	}
}

// decryptsWith decrypts after the commands of hyok, each a line.
func decryptsWith(origin string, commands ...string) func(context.Context, *trailRig) error {
	return func(ctx context.Context, r *trailRig) error {
		for _, c := range commands {
			r.do(strings.Fields(c)...)
		}
		_, err := r.client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: r.cipher[origin], EncryptionContext: encryptionContext})
		return err
	}
}

func decryptsDisabled(ctx context.Context, r *trailRig) error {
	id := aws.String(r.keys[hsmStore])
	_, err := r.client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: id})
	must(r.t, err)
	failed := decryptsWith(hsmStore)(ctx, r)
	_, err = r.client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: id})
	must(r.t, err)
	return failed
}

func schedules(ctx context.Context, r *trailRig) error {
	_, err := r.client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: aws.String(r.keys[hsmStore]), PendingWindowInDays: aws.Int32(30)})
	return err
}

// deletesEmpty deletes the key store once its key has been deleted.
func deletesEmpty(ctx context.Context, r *trailRig) error {
	r.do("clock", "advance", "720h")
	r.soon(4*settled, "the deletion of the key", "NotFoundException", func() string {
		seen, _, _ := strings.Cut(r.describes(ctx, r.keys[hsmStore]), ":")
		return seen
	})
	return store(hsmStore, deletes)(ctx, r)
}

const (
	xksCreated = `{"customKeyStoreName":"external","customKeyStoreType":"EXTERNAL_KEY_STORE","xksProxyUriEndpoint":"$endpoint","xksProxyUriPath":"/kms/xks/v1","xksProxyConnectivity":"PUBLIC_ENDPOINT"}`
	chsNamed   = `{"customKeyStoreName":"cluster","clusterId":"$cluster"}`
	xksNamed   = `{"customKeyStoreName":"external"}`
	chsID      = `{"customKeyStoreId":"$chs"}`
	xksID      = `{"customKeyStoreId":"$xks"}`
	xksUsed    = `{"customKeyStoreId":"$xks","xksKeyId":"$external"}`
	nobody     = "cks-00000000000000000"
	nobodyID   = `{"customKeyStoreId":"` + nobody + `"}`
	unknown    = "CustomKeyStoreNotFoundException: *"
	wrongState = "CustomKeyStoreInvalidStateException: *"
)

// trailRows is custom-key-stores §18, in an order in which one call can follow the
// other. Members of external key stores are those of CT-04.
var trailRows = []trailRow{
	{"CreateCustomKeyStore CHS", "004:4313-4350", createStore("cluster", onCluster), "CreateCustomKeyStore",
		`{"customKeyStoreName":"cluster","clusterId":"$cluster"}`, chsID, "", false, ""},
	{"CreateCustomKeyStore CHS fails", "CT-03", createStore("another", onCluster), "CreateCustomKeyStore",
		`{"customKeyStoreName":"another","clusterId":"$cluster"}`, "", "", false, "CloudHsmClusterInUseException: *"},
	{"CreateCustomKeyStore XKS fails", "CT-03, CT-04", createStore("external", withSecret(wrongSecret)), "CreateCustomKeyStore",
		xksCreated, "", "", false, "XksProxyIncorrectAuthenticationCredentialException: *"},
	{"CreateCustomKeyStore XKS", "CT-04", createStore("external", withSecret("")), "CreateCustomKeyStore", xksCreated, xksID, "", false, ""},

	{"CreateKey CHS fails", "CT-03", createsKey(hsmStore, ""), "CreateKey",
		`{` + createShown + `,"origin":"AWS_CLOUDHSM","customKeyStoreId":"$chs"}`, "", "", false, wrongState},
	{"UpdateCustomKeyStore CHS", "004:6936-6972", movesTo, "UpdateCustomKeyStore",
		`{"customKeyStoreId":"$chs","clusterId":"$cluster"}`, "", chsNamed, false, ""},
	{"ConnectCustomKeyStore CHS", "004:4218-4255", then(hsmStore, types.ConnectionStateTypeConnected, store(hsmStore, connects)),
		"ConnectCustomKeyStore", chsID, "", chsNamed, false, ""},
	{"UpdateCustomKeyStore CHS fails", "CT-03", movesTo, "UpdateCustomKeyStore",
		`{"customKeyStoreId":"$chs","clusterId":"$cluster"}`, "", chsNamed, false, wrongState},
	{"ConnectCustomKeyStore XKS", "004:4218-4255", then(external, types.ConnectionStateTypeConnected, store(external, connects)),
		"ConnectCustomKeyStore", xksID, "", xksNamed, false, ""},
	{"ConnectCustomKeyStore fails", "CT-03", store(nobody, connects), "ConnectCustomKeyStore", nobodyID, "", "", false, unknown},
	{"UpdateCustomKeyStore XKS fails", "CT-03", givesSecret, "UpdateCustomKeyStore", xksID, "", xksNamed, false,
		"XksProxyIncorrectAuthenticationCredentialException: *"},
	{"DescribeCustomKeyStores", "004:5169-5200", store(external, describes), "DescribeCustomKeyStores", xksID, "", "", true, ""},
	{"DescribeCustomKeyStores fails", "CT-03", store(nobody, describes), "DescribeCustomKeyStores", nobodyID, "", "", true, unknown},

	{"CreateKey CHS", "004:4484-4530", createsKey(hsmStore, ""), "CreateKey",
		`{` + createShown + `,"origin":"AWS_CLOUDHSM","customKeyStoreId":"$chs"}`,
		`{"keyMetadata":{` + metadataShown + `,"arn":"$key-chs","origin":"AWS_CLOUDHSM","customKeyStoreId":"$chs","cloudHsmClusterId":"$cluster"}}`,
		`{"backingKey":"*"}`, false, ""},
	{"CreateKey XKS fails", "CT-03", createsKey(external, "nothing"), "CreateKey",
		`{` + createShown + `,"origin":"EXTERNAL_KEY_STORE","customKeyStoreId":"$xks","xksKeyId":"nothing","multiRegion":false,"tags":[{"tagKey":"team","tagValue":"red"}]}`,
		"", "", false, "XksKeyNotFoundException: *"},
	{"CreateKey XKS", "004:4532-4605", createsKey(external, "$external"), "CreateKey",
		`{` + createShown + `,"origin":"EXTERNAL_KEY_STORE","customKeyStoreId":"$xks","xksKeyId":"$external","multiRegion":false,"tags":[{"tagKey":"team","tagValue":"red"}]}`,
		`{"keyMetadata":{` + metadataShown + `,"arn":"$key-xks","origin":"EXTERNAL_KEY_STORE","customKeyStoreId":"$xks","xksKeyConfiguration":{"id":"$external"}}}`,
		"", false, ""},

	{"Encrypt CHS", "004:4729", encryptsWith(hsmStore), "Encrypt", `{` + encryptionShown + `,"keyId":"$key-chs"}`, "", chsID, true, ""},
	{"Decrypt CHS", "004:4727-4777", decryptsWith(hsmStore), "Decrypt", `{` + encryptionShown + `,"keyId":"$key-chs"}`, "", chsID, true, ""},
	{"Decrypt CHS fails", "CT-03", decryptsDisabled, "Decrypt", `{` + encryptionShown + `,"keyId":"$key-chs"}`, "", chsID, true, "DisabledException: *"},
	{"Encrypt XKS", "004:4779", encryptsWith(external), "Encrypt", `{` + encryptionShown + `,"keyId":"$key-xks"}`, "", xksUsed, true, ""},
	{"Decrypt XKS", "004:4779-4831", decryptsWith(external), "Decrypt", `{` + encryptionShown + `,"keyId":"$key-xks"}`, "", xksUsed, true, ""},
	{"Decrypt XKS fails", "004:4834-4895", decryptsWith(external, "fault add --at proxy --op Decrypt --error InvalidCiphertextException --count 1"),
		"Decrypt", `{` + encryptionShown + `,"keyId":"$key-xks"}`, "", xksUsed, true, "KMSInvalidStateException: " + badCiphertext},

	{"ScheduleKeyDeletion CHS", "004:6617-6674", schedules, "ScheduleKeyDeletion", `{"keyId":"$key-chs","pendingWindowInDays":30}`,
		`{"keyId":"$key-chs","deletionDate":"*","keyState":"PendingDeletion","pendingWindowInDays":30}`,
		`{"customKeyStoreId":"$chs","clusterId":"$cluster","backingKeys":"*"}`, false, ""},
	{"ScheduleKeyDeletion CHS fails", "CT-03", schedules, "ScheduleKeyDeletion", `{"keyId":"$key-chs","pendingWindowInDays":30}`,
		"", "", false, "KMSInvalidStateException: *"},

	{"DisconnectCustomKeyStore CHS", "004:5334-5372", then(hsmStore, types.ConnectionStateTypeDisconnected, store(hsmStore, disconnects)),
		"DisconnectCustomKeyStore", chsID, "", chsNamed, false, ""},
	{"DisconnectCustomKeyStore CHS fails", "CT-03", store(hsmStore, disconnects), "DisconnectCustomKeyStore", chsID, "", chsNamed, false, wrongState},
	{"DisconnectCustomKeyStore XKS", "004:5334-5372", then(external, types.ConnectionStateTypeDisconnected, store(external, disconnects)),
		"DisconnectCustomKeyStore", xksID, "", xksNamed, false, ""},
	{"Decrypt XKS, not connected", "004:4836", decryptsWith(external), "Decrypt", `{` + encryptionShown + `,"keyId":"$key-xks"}`, "", xksUsed, true,
		"KMSInvalidStateException: *"},
	{"DeleteCustomKeyStore fails", "CT-03", store(external, deletes), "DeleteCustomKeyStore", xksID, "", xksNamed, false, "CustomKeyStoreHasCMKsException: *"},
	{"UpdateCustomKeyStore XKS", "004:6936-6972", store(external, renames), "UpdateCustomKeyStore",
		`{"customKeyStoreId":"$xks","newCustomKeyStoreName":"renamed"}`, "", `{"customKeyStoreName":"renamed"}`, false, ""},
	{"DeleteCustomKeyStore CHS", "004:4952-4990", deletesEmpty, "DeleteCustomKeyStore", chsID, "", chsNamed, false, ""},
}
