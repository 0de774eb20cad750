package trail

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hyok/kmsfront/api"
)

const (
	aliasARN = "arn:aws:kms:us-west-2:111122223333:alias/ExampleAlias"
	otherARN = "arn:aws:kms:us-west-2:111122223333:key/0987dcba-09fe-87dc-65ba-ab0987654321"
	keyID    = "1234abcd-12ab-34cd-56ef-1234567890ab"
)

var (
	yes, no = true, false
	twenty  = int32(20)
	context = map[string]string{"Project": "Alpha", "Department": "Engineering"}
	created = time.Date(2022, 8, 10, 22, 38, 27, 169e6, time.UTC)
)

// The elements of the guide's samples, and what the rows say beyond them.
var elementCases = []struct {
	name            string
	op              string
	in, out         any
	extra           Extra
	params, answers string
}{
	{
		"CreateKey shows the defaults (004:4409-4460)", "CreateKey",
		&api.CreateKeyRequest{Origin: "EXTERNAL"},
		&api.CreateKeyResponse{KeyMetadata: &api.KeyMetadata{AWSAccountId: "111122223333", KeyId: keyID, Arn: keyARN, CreationDate: created, KeyState: "PendingImport", EncryptionAlgorithms: []string{"SYMMETRIC_DEFAULT"}, MultiRegion: &no}},
		Extra{KeyARN: keyARN},
		`{"description":"","origin":"EXTERNAL","bypassPolicyLockoutSafetyCheck":false,"customerMasterKeySpec":"SYMMETRIC_DEFAULT","keySpec":"SYMMETRIC_DEFAULT","keyUsage":"ENCRYPT_DECRYPT"}`,
		`{"keyMetadata":{"aWSAccountId":"111122223333","keyId":"` + keyID + `","arn":"` + keyARN + `","creationDate":"Aug 10, 2022, 10:38:27 PM","enabled":false,"description":"","keyState":"PendingImport","encryptionAlgorithms":["SYMMETRIC_DEFAULT"],"multiRegion":false}}`,
	},
	{
		"CreateKey in an external key store (004:4532-4605)", "CreateKey",
		&api.CreateKeyRequest{Origin: "EXTERNAL_KEY_STORE", CustomKeyStoreId: "cks-1", XksKeyId: "bb85", Tags: []*api.Tag{}, MultiRegion: &no, KeySpec: "SYMMETRIC_DEFAULT", Policy: `{"a":1}`, BypassPolicyLockoutSafetyCheck: &yes},
		&api.CreateKeyResponse{KeyMetadata: &api.KeyMetadata{Description: "d", XksKeyConfiguration: &api.XksKeyConfigurationType{Id: "bb85"}}},
		Extra{KeyARN: keyARN},
		`{"description":"","origin":"EXTERNAL_KEY_STORE","bypassPolicyLockoutSafetyCheck":true,"customerMasterKeySpec":"SYMMETRIC_DEFAULT","keySpec":"SYMMETRIC_DEFAULT","keyUsage":"ENCRYPT_DECRYPT","tags":[],"multiRegion":false,"customKeyStoreId":"cks-1","xksKeyId":"bb85","policy":"{\"a\":1}"}`,
		`{"keyMetadata":{"enabled":false,"description":"d","xksKeyConfiguration":{"id":"bb85"}}}`,
	},
	{
		"CreateKey by the deprecated name of the key spec", "CreateKey",
		&api.CreateKeyRequest{CustomerMasterKeySpec: "RSA_2048", KeyUsage: "SIGN_VERIFY"}, &api.CreateKeyResponse{}, Extra{},
		`{"description":"","origin":"AWS_KMS","bypassPolicyLockoutSafetyCheck":false,"customerMasterKeySpec":"RSA_2048","keySpec":"RSA_2048","keyUsage":"SIGN_VERIFY"}`,
		`null`,
	},
	{
		"Decrypt shows algorithm and key used, unasked (004:4613)", "Decrypt",
		&api.DecryptRequest{CiphertextBlob: []byte("x"), EncryptionContext: context}, &api.DecryptResponse{Plaintext: []byte("p")}, Extra{KeyARN: keyARN},
		`{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","keyId":"` + keyARN + `","encryptionContext":{"Department":"Engineering","Project":"Alpha"}}`,
		`null`,
	},
	{
		"Decrypt of a blob whose key was not found", "Decrypt",
		&api.DecryptRequest{KeyId: "alias/none"}, nil, Extra{},
		`{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","keyId":"alias/none"}`, `null`,
	},
	{
		"Encrypt keeps the key as it was given (004:5465-5508)", "Encrypt",
		&api.EncryptRequest{KeyId: "alias/app", Plaintext: []byte("p"), EncryptionAlgorithm: "RSAES_OAEP_SHA_256"}, &api.EncryptResponse{}, Extra{KeyARN: keyARN},
		`{"keyId":"alias/app","encryptionAlgorithm":"RSAES_OAEP_SHA_256"}`, `null`,
	},
	{
		"ReEncrypt shows both sides (004:6136-6176)", "ReEncrypt",
		&api.ReEncryptRequest{SourceEncryptionContext: context, DestinationKeyId: keyID, DestinationEncryptionContext: map[string]string{"Level": "3A"}}, &api.ReEncryptResponse{}, Extra{},
		`{"sourceEncryptionAlgorithm":"SYMMETRIC_DEFAULT","sourceEncryptionContext":{"Department":"Engineering","Project":"Alpha"},"destinationKeyId":"` + keyID + `","destinationEncryptionAlgorithm":"SYMMETRIC_DEFAULT","destinationEncryptionContext":{"Level":"3A"}}`,
		`null`,
	},
	{
		"GenerateRandom shows nothing (004:5737-5766)", "GenerateRandom",
		&api.GenerateRandomRequest{NumberOfBytes: &twenty}, &api.GenerateRandomResponse{Plaintext: []byte("p")}, Extra{}, `null`, `null`,
	},
	{
		"ListAliases without parameters", "ListAliases", &api.ListAliasesRequest{}, &api.ListAliasesResponse{}, Extra{}, `null`, `null`,
	},
	{
		"ListAliases with parameters (004:5954-5987)", "ListAliases",
		&api.ListAliasesRequest{Limit: &twenty, Marker: "m"}, &api.ListAliasesResponse{}, Extra{}, `{"limit":20,"marker":"m"}`, `null`,
	},
	{
		"CreateGrant (004:4353-4406)", "CreateGrant",
		&api.CreateGrantRequest{KeyId: keyID, GranteePrincipal: "p", Operations: []string{"Encrypt", "RetireGrant"}, Constraints: &api.GrantConstraints{EncryptionContextSubset: map[string]string{"ContextKey1": "Value1"}}, GrantTokens: []string{"t"}},
		&api.CreateGrantResponse{GrantId: "f020", GrantToken: "secret"}, Extra{KeyARN: keyARN},
		`{"keyId":"` + keyID + `","constraints":{"encryptionContextSubset":{"ContextKey1":"Value1"}},"operations":["Encrypt","RetireGrant"],"granteePrincipal":"p"}`,
		`{"grantId":"f020","keyId":"` + keyARN + `"}`,
	},
	{
		"ScheduleKeyDeletion (004:6617-6674)", "ScheduleKeyDeletion",
		&api.ScheduleKeyDeletionRequest{KeyId: keyID, PendingWindowInDays: &twenty},
		&api.ScheduleKeyDeletionResponse{KeyId: keyARN, KeyState: "PendingDeletion", DeletionDate: time.Date(2021, 11, 2, 23, 25, 25, 0, time.UTC), PendingWindowInDays: &twenty}, Extra{},
		`{"pendingWindowInDays":20,"keyId":"` + keyID + `"}`,
		`{"keyId":"` + keyARN + `","keyState":"PendingDeletion","deletionDate":"Nov 2, 2021, 11:25:25 PM","pendingWindowInDays":20}`,
	},
	{
		"ImportKeyMaterial (004:5906-5951)", "ImportKeyMaterial",
		&api.ImportKeyMaterialRequest{KeyId: keyID, ValidTo: time.Date(2021, 1, 1, 20, 0, 0, 0, time.UTC), ExpirationModel: "KEY_MATERIAL_EXPIRES", ImportToken: []byte("t")},
		&api.ImportKeyMaterialResponse{}, Extra{KeyARN: keyARN},
		`{"keyId":"` + keyID + `","validTo":"Jan 1, 2021 8:00:00 PM","expirationModel":"KEY_MATERIAL_EXPIRES"}`, `{"keyId":"` + keyARN + `"}`,
	},
	{
		"TagResource (004:6774-6823)", "TagResource",
		&api.TagResourceRequest{KeyId: keyARN, Tags: []*api.Tag{{TagKey: "Department", TagValue: "IT"}}}, &api.Empty{}, Extra{KeyARN: keyARN},
		`{"keyId":"` + keyARN + `","tags":[{"tagKey":"Department","tagValue":"IT"}]}`, `{"keyId":"` + keyARN + `"}`,
	},
	{
		"CreateCustomKeyStore on a cluster (004:4313-4350)", "CreateCustomKeyStore",
		&api.CreateCustomKeyStoreRequest{CustomKeyStoreName: "ExampleKeyStore", CloudHsmClusterId: "cluster-1", KeyStorePassword: "hunter22", TrustAnchorCertificate: "PEM"},
		&api.CreateCustomKeyStoreResponse{CustomKeyStoreId: "cks-1"}, Extra{},
		`{"customKeyStoreName":"ExampleKeyStore","clusterId":"cluster-1"}`, `{"customKeyStoreId":"cks-1"}`,
	},
	{
		"UpdateCustomKeyStore of an external key store", "UpdateCustomKeyStore",
		&api.UpdateCustomKeyStoreRequest{CustomKeyStoreId: "cks-1", XksProxyUriPath: "/kms/xks/v1", XksProxyAuthenticationCredential: &api.XksProxyAuthenticationCredentialType{AccessKeyId: "A", RawSecretAccessKey: "S"}},
		&api.UpdateCustomKeyStoreResponse{}, Extra{}, `{"customKeyStoreId":"cks-1","xksProxyUriPath":"/kms/xks/v1"}`, `null`,
	},
	{
		"UpdateKeyDescription shows an empty description", "UpdateKeyDescription",
		&api.UpdateKeyDescriptionRequest{KeyId: keyID}, &api.Empty{}, Extra{KeyARN: keyARN}, `{"keyId":"` + keyID + `","description":""}`, `null`,
	},
}

func TestElements(t *testing.T) {
	for _, test := range elementCases {
		t.Run(test.name, func(t *testing.T) {
			r := New(&api.Call{Op: api.Operations[test.op], In: test.in, Caller: alice}, test.out, nil, test.extra)
			sameJSON(t, "requestParameters", r.RequestParameters, test.params)
			sameJSON(t, "responseElements", r.ResponseElements, test.answers)
		})
	}
}

func sameJSON(t *testing.T, what string, got json.RawMessage, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal(appendRaw(nil, "", got), &g); err != nil {
		t.Fatalf("%s %s: %v", what, got, err)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

func TestAWholeRecord(t *testing.T) {
	call := encryptCall()
	call.TLS = &tls.ConnectionState{Version: tls.VersionTLS12, CipherSuite: tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384}
	call.Host = "kms.us-west-2.amazonaws.com"
	r := New(call, &api.EncryptResponse{}, nil, Extra{KeyARN: keyARN,
		AdditionalEventData: map[string]any{"xksKeyId": "abc01234567890fe", "customKeyStoreId": "cks-9876543210fedcba9"}})
	r.EventID = "91235988-eb87-476a-ac2c-0cdc244e6dca"
	want := `{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","principalId":"AIDAEXAMPLE","arn":"arn:aws:iam::111122223333:user/Alice",` +
		`"accountId":"111122223333","accessKeyId":"AKIAEXAMPLE","userName":"Alice"},"eventTime":"2022-07-14T20:17:42Z",` +
		`"eventSource":"kms.amazonaws.com","eventName":"Encrypt","awsRegion":"us-west-2","sourceIPAddress":"192.0.2.0",` +
		`"userAgent":"aws-sdk-go-v2/1.30 os/linux lang/go#1.26","requestParameters":{"encryptionContext":{"purpose":"test","tenant":"42"},` +
		`"keyId":"alias/app","encryptionAlgorithm":"SYMMETRIC_DEFAULT"},"responseElements":null,` +
		`"additionalEventData":{"customKeyStoreId":"cks-9876543210fedcba9","xksKeyId":"abc01234567890fe"},` +
		`"requestID":"12345126-30d5-4b28-98b9-9153da559963","eventID":"91235988-eb87-476a-ac2c-0cdc244e6dca","readOnly":true,` +
		`"resources":[{"accountId":"111122223333","type":"AWS::KMS::Key","ARN":"` + keyARN + `"}],"eventType":"AwsApiCall",` +
		`"managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management",` +
		`"tlsDetails":{"tlsVersion":"TLSv1.2","cipherSuite":"ECDHE-RSA-AES256-GCM-SHA384","clientProvidedHostHeader":"kms.us-west-2.amazonaws.com"}}`
	if diff := cmp.Diff(want, string(appendRecord(nil, r))); diff != "" {
		t.Error(diff)
	}
}

func TestAFailureHasCodeAndMessageAndNoAnswer(t *testing.T) {
	tests := []struct {
		name          string
		err           error
		code, message string
	}{
		{"an exception", &api.Error{Code: "DisabledException", Message: "is disabled."}, "DisabledException", "is disabled."},
		{"a wrapped exception", fmt.Errorf("wrapped: %w", &api.Error{Code: "NotFoundException"}), "NotFoundException", ""},
		{"anything else, without its text", errors.New("pin 1234 is wrong"), "KMSInternalException", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			call := &api.Call{Op: api.Operations["DisableKey"], In: &api.DisableKeyRequest{KeyId: keyID}, Caller: alice}
			r := New(call, nil, test.err, Extra{KeyARN: keyARN})
			if r.ErrorCode != test.code || r.ErrorMessage != test.message || r.ResponseElements != nil {
				t.Errorf("got %q, %q, %s", r.ErrorCode, r.ErrorMessage, r.ResponseElements)
			}
			sameJSON(t, "requestParameters", r.RequestParameters, `{"keyId":"`+keyID+`"}`)
		})
	}
}

func TestResources(t *testing.T) {
	tests := []struct {
		name, op string
		extra    Extra
		want     []Resource
	}{
		{"the key", "DisableKey", Extra{KeyARN: keyARN}, []Resource{{"111122223333", "AWS::KMS::Key", keyARN}}},
		{"none without a key", "GenerateRandom", Extra{}, []Resource{}},
		{"as given, in order", "CreateAlias", Extra{KeyARN: keyARN, Resources: []Resource{NewResource(keyARN), NewResource(aliasARN)}},
			[]Resource{{"111122223333", "AWS::KMS::Key", keyARN}, {"111122223333", "AWS::KMS::Key", aliasARN}}},
		{"source before destination", "ReEncrypt", Extra{Resources: []Resource{NewResource(otherARN), NewResource(keyARN)}},
			[]Resource{{"111122223333", "AWS::KMS::Key", otherARN}, {"111122223333", "AWS::KMS::Key", keyARN}}},
		{"no element for key stores", "ConnectCustomKeyStore", Extra{KeyARN: keyARN}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			op := api.Operations[test.op]
			r := New(&api.Call{Op: op, In: op.New(), Caller: alice}, op.NewOutput(), nil, test.extra)
			if diff := cmp.Diff(test.want, r.Resources); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestIdentities(t *testing.T) {
	tests := []struct {
		name   string
		caller api.Caller
		want   Identity
	}{
		{"the root user",
			api.Caller{Account: "111122223333", ARN: "arn:aws:iam::111122223333:root", Type: "Root", PrincipalID: "111122223333", AccessKeyID: "AK"},
			Identity{Type: "Root", PrincipalID: "111122223333", ARN: "arn:aws:iam::111122223333:root", AccountID: "111122223333", AccessKeyID: "AK"}},
		{"a role session (004:8403-8420)",
			api.Caller{Account: "111122223333", ARN: "arn:aws-cn:sts::111122223333:assumed-role/Admins/example-user", Type: "AssumedRole", PrincipalID: "AROAEXAMPLE:example-user", AccessKeyID: "AK"},
			Identity{Type: "AssumedRole", PrincipalID: "AROAEXAMPLE:example-user", ARN: "arn:aws-cn:sts::111122223333:assumed-role/Admins/example-user", AccountID: "111122223333", AccessKeyID: "AK",
				SessionContext: &SessionContext{SessionIssuer{"Role", "AROAEXAMPLE", "arn:aws-cn:iam::111122223333:role/Admins", "111122223333", "Admins"}}}},
		{"a role whose name has colons (004:7501-7517)",
			api.Caller{Account: "111122223333", ARN: "arn:aws:sts::111122223333:assumed-role/aws:ec2-infrastructure/i-81e2f56c", Type: "AssumedRole", PrincipalID: "AROAEXAMPLE:i-81e2f56c"},
			Identity{Type: "AssumedRole", PrincipalID: "AROAEXAMPLE:i-81e2f56c", ARN: "arn:aws:sts::111122223333:assumed-role/aws:ec2-infrastructure/i-81e2f56c", AccountID: "111122223333",
				SessionContext: &SessionContext{SessionIssuer{"Role", "AROAEXAMPLE", "arn:aws:iam::111122223333:role/aws:ec2-infrastructure", "111122223333", "aws:ec2-infrastructure"}}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			op := api.Operations["ListKeys"]
			r := New(&api.Call{Op: op, In: op.New(), Caller: test.caller}, op.NewOutput(), nil, Extra{})
			if diff := cmp.Diff(test.want, r.UserIdentity); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTLSDetailsNameTheSuiteAsCloudTrailDoes(t *testing.T) {
	for suite, want := range map[uint16]TLSDetails{
		tls.TLS_AES_128_GCM_SHA256:                  {"TLSv1.3", "TLS_AES_128_GCM_SHA256", "h"},
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: {"TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384", "h"},
	} {
		version := uint16(tls.VersionTLS12)
		if suite == tls.TLS_AES_128_GCM_SHA256 {
			version = tls.VersionTLS13
		}
		got := tlsDetails(&tls.ConnectionState{Version: version, CipherSuite: suite}, "h")
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Error(diff)
		}
	}
	if tlsDetails(nil, "h") != nil {
		t.Error("plain HTTP has TLS details")
	}
}

func TestAdditionalEventData(t *testing.T) {
	got := additional(map[string]any{"b": "x\"y", "a": 1, "c": true, "d": func() {}})
	sameJSON(t, "additionalEventData", got, `{"a":1,"b":"x\"y","c":true,"d":null}`)
}

func TestACallThatWasNotDecodedIsRecorded(t *testing.T) {
	r := New(&api.Call{Op: api.Operations["Encrypt"], Caller: alice}, nil, &api.Error{Code: "ValidationException"}, Extra{})
	if r.RequestParameters != nil || r.ErrorCode != "ValidationException" {
		t.Errorf("got %s, %s", r.RequestParameters, r.ErrorCode)
	}
}
