package api

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// decodeError decodes body, which must fail, and gives the error's code and message.
func decodeError(t *testing.T, op, body string) (code, message string) {
	t.Helper()
	in, err := Decode(Operations[op], []byte(body))
	if err == nil {
		t.Fatalf("decoded to %+v, want an error", in)
	}
	e, ok := err.(*Error)
	if !ok {
		t.Fatalf("error %T, want *Error", err)
	}
	return e.Code, e.Message
}

// A refusal is a body that does not decode, and the message that says so.
type refusal struct{ op, body, want string }

const (
	one    = "1 validation error detected: "
	failed = " failed to satisfy constraint: "
)

var invalid = map[string]refusal{
	"required member absent": {OpDescribeKey, `{}`, one + "Value at 'keyId'" + failed + "Member must not be null"},
	"empty body is {}":       {OpDescribeKey, ``, one + "Value at 'keyId'" + failed + "Member must not be null"},
	"null is absent":         {OpDescribeKey, `{"KeyId":null}`, one + "Value at 'keyId'" + failed + "Member must not be null"},
	"name in wrong case":     {OpDescribeKey, `{"keyId":"a"}`, one + "Value at 'keyId'" + failed + "Member must not be null"},
	"string too short":       {OpDescribeKey, `{"KeyId":""}`, one + "Value '' at 'keyId'" + failed + "Member must have length greater than or equal to 1"},
	"string too long": {OpDescribeKey, `{"KeyId":"` + strings.Repeat("é", 2049) + `"}`,
		one + "Value '" + strings.Repeat("é", 2049) + "' at 'keyId'" + failed + "Member must have length less than or equal to 2048"},
	"pattern": {OpCreateAlias, `{"AliasName":"alias/a b","TargetKeyId":"k"}`,
		one + "Value 'alias/a b' at 'aliasName'" + failed + "Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$"},
	"pattern needs the whole string": {OpCreateAlias, `{"AliasName":"alias/a\n","TargetKeyId":"k"}`,
		one + "Value 'alias/a\n' at 'aliasName'" + failed + "Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$"},
	"enum": {OpGenerateDataKey, `{"KeyId":"k","KeySpec":"aes"}`,
		one + "Value 'aes' at 'keySpec'" + failed + "Member must satisfy enum value set: [AES_256, AES_128]"},
	"integer too small": {OpListKeys, `{"Limit":0}`, one + "Value '0' at 'limit'" + failed + "Member must have value greater than or equal to 1"},
	"integer too large": {OpListKeys, `{"Limit":1001}`, one + "Value '1001' at 'limit'" + failed + "Member must have value less than or equal to 1000"},
	"blob empty":        {OpEncrypt, `{"KeyId":"k","Plaintext":""}`, one + "Value at 'plaintext'" + failed + "Member must have length greater than or equal to 1"},
	"blob too long counts bytes": {OpEncrypt, `{"KeyId":"k","Plaintext":"` + strings.Repeat("AAAA", 1366) + `"}`,
		one + "Value at 'plaintext'" + failed + "Member must have length less than or equal to 4096"},
	"list element of an enum": {OpCreateGrant, `{"KeyId":"k","GranteePrincipal":"p","Operations":["Encrypt","Fly"]}`,
		one + "Value '[Encrypt, Fly]' at 'operations'" + failed + "Member must satisfy constraint: [Member must satisfy enum value set: " +
			"[Decrypt, Encrypt, GenerateDataKey, GenerateDataKeyWithoutPlaintext, ReEncryptFrom, ReEncryptTo, Sign, Verify, GetPublicKey, " +
			"CreateGrant, RetireGrant, DescribeKey, GenerateDataKeyPair, GenerateDataKeyPairWithoutPlaintext, GenerateMac, VerifyMac, DeriveSharedSecret]]"},
	"list element null": {OpUntagResource, `{"KeyId":"k","TagKeys":["a",null]}`,
		one + "Value '[a, null]' at 'tagKeys'" + failed + "Member must satisfy constraint: " +
			"[Member must have length less than or equal to 128, Member must have length greater than or equal to 1]"},
	"grant tokens are not repeated": {OpDescribeKey, `{"KeyId":"k","GrantTokens":[""]}`,
		one + "Value '***' at 'grantTokens'" + failed + "Member must satisfy constraint: " +
			"[Member must have length less than or equal to 8192, Member must have length greater than or equal to 1]"},
	"list too long": {OpDescribeKey, `{"KeyId":"k","GrantTokens":["1","2","3","4","5","6","7","8","9","10","11"]}`,
		one + "Value '***' at 'grantTokens'" + failed + "Member must have length less than or equal to 10"},
	"member of a listed structure": {OpTagResource, `{"KeyId":"k","Tags":[{"TagKey":"","TagValue":"v"}]}`,
		one + "Value '' at 'tags.1.member.tagKey'" + failed + "Member must have length greater than or equal to 1"},
	"listed structure null": {OpTagResource, `{"KeyId":"k","Tags":[null]}`,
		one + "Value at 'tags.1.member'" + failed + "Member must not be null"},
	"context value null": {OpEncrypt, `{"KeyId":"k","Plaintext":"AA==","EncryptionContext":{"a":null}}`,
		one + "Value at 'encryptionContext.a.member'" + failed + "Member must not be null"},
	"secrets are not repeated": {OpCreateCustomKeyStore, `{"CustomKeyStoreName":"n","KeyStorePassword":"secret"}`,
		one + "Value '***' at 'keyStorePassword'" + failed + "Member must have length greater than or equal to 7"},
	"length counts characters": {OpCreateCustomKeyStore, `{"CustomKeyStoreName":"n","KeyStorePassword":"éééééé"}`,
		one + "Value '***' at 'keyStorePassword'" + failed + "Member must have length greater than or equal to 7"},
	"several, in the model's order": {OpCreateCustomKeyStore,
		`{"XksProxyConnectivity":"x","XksProxyAuthenticationCredential":{"RawSecretAccessKey":"!"},"CloudHsmClusterId":"cluster-1"}`,
		"7 validation errors detected: " +
			"Value 'cluster-1' at 'cloudHsmClusterId'" + failed + "Member must satisfy regular expression pattern: cluster-[2-7a-zA-Z]{11,16}; " +
			"Value 'cluster-1' at 'cloudHsmClusterId'" + failed + "Member must have length greater than or equal to 19; " +
			"Value at 'customKeyStoreName'" + failed + "Member must not be null; " +
			"Value at 'xksProxyAuthenticationCredential.accessKeyId'" + failed + "Member must not be null; " +
			"Value '***' at 'xksProxyAuthenticationCredential.rawSecretAccessKey'" + failed + `Member must satisfy regular expression pattern: ^[a-zA-Z0-9\/+=]+$; ` +
			"Value '***' at 'xksProxyAuthenticationCredential.rawSecretAccessKey'" + failed + "Member must have length greater than or equal to 43; " +
			"Value 'x' at 'xksProxyConnectivity'" + failed + "Member must satisfy enum value set: [PUBLIC_ENDPOINT, VPC_ENDPOINT_SERVICE]"},
}

func TestValidationExceptionWording(t *testing.T) {
	for name, tt := range invalid {
		t.Run(name, func(t *testing.T) {
			code, message := decodeError(t, tt.op, tt.body)
			if code != CodeValidationException {
				t.Errorf("code %s, want ValidationException", code)
			}
			if diff := cmp.Diff(tt.want, message); diff != "" {
				t.Errorf("message (-want +got)\n%s", diff)
			}
		})
	}
}

var unreadable = map[string]refusal{
	"no JSON":                   {OpListKeys, `{`, ""},
	"white space only":          {OpListKeys, ` `, ""},
	"two values":                {OpListKeys, `{}{}`, ""},
	"no UTF-8":                  {OpDescribeKey, "{\"KeyId\":\"\xff\"}", ""},
	"half a surrogate pair":     {OpDescribeKey, `{"KeyId":"\ud800"}`, ""},
	"NaN":                       {OpImportKeyMaterial, `{"ValidTo":NaN}`, ""},
	"nested too deep":           {OpListKeys, strings.Repeat(`[`, 20000) + strings.Repeat(`]`, 20000), ""},
	"top level list":            {OpListKeys, `[]`, "Start of list found where not expected"},
	"top level null":            {OpListKeys, `null`, "NULL_VALUE can not be converted to a Structure"},
	"number for a string":       {OpDescribeKey, `{"KeyId":7}`, "NUMBER_VALUE can not be converted to a String"},
	"boolean for a string":      {OpDescribeKey, `{"KeyId":true}`, "TRUE_VALUE can not be converted to a String"},
	"object for a string":       {OpDescribeKey, `{"KeyId":{}}`, "Start of structure or map found where not expected."},
	"list for a string":         {OpDescribeKey, `{"KeyId":[]}`, "Start of list found where not expected"},
	"string for an integer":     {OpListKeys, `{"Limit":"1"}`, "STRING_VALUE can not be converted to an Integer"},
	"fraction for an integer":   {OpListKeys, `{"Limit":1.5}`, "NUMBER_VALUE can not be converted to an Integer"},
	"integer past 32 bits":      {OpListKeys, `{"Limit":2147483648}`, "NUMBER_VALUE can not be converted to an Integer"},
	"number past a double":      {OpListKeys, `{"Limit":1e999}`, "NUMBER_VALUE can not be converted to an Integer"},
	"number for a boolean":      {OpEncrypt, `{"DryRun":0}`, "NUMBER_VALUE can not be converted to a Boolean"},
	"string for a boolean":      {OpEncrypt, `{"DryRun":"true"}`, "STRING_VALUE can not be converted to a Boolean"},
	"string for a time":         {OpImportKeyMaterial, `{"ValidTo":"2030-01-01"}`, "STRING_VALUE can not be converted to milliseconds since epoch"},
	"time past the year 9999":   {OpImportKeyMaterial, `{"ValidTo":1e30}`, "NUMBER_VALUE can not be converted to milliseconds since epoch"},
	"number for a blob":         {OpEncrypt, `{"Plaintext":1}`, "NUMBER_VALUE can not be converted to a Blob"},
	"blob not base64":           {OpEncrypt, `{"Plaintext":"a*=="}`, "STRING_VALUE can not be decoded as base64"},
	"blob without padding":      {OpEncrypt, `{"Plaintext":"AA"}`, "STRING_VALUE can not be decoded as base64"},
	"blob with stray bits":      {OpEncrypt, `{"Plaintext":"AB=="}`, "STRING_VALUE can not be decoded as base64"},
	"string for a list":         {OpDescribeKey, `{"GrantTokens":"t"}`, "Expected list or null"},
	"object for a list":         {OpDescribeKey, `{"GrantTokens":{}}`, "Start of structure or map found where not expected."},
	"number in a list":          {OpDescribeKey, `{"GrantTokens":[1]}`, "NUMBER_VALUE can not be converted to a String"},
	"list for a map":            {OpEncrypt, `{"EncryptionContext":[]}`, "Start of list found where not expected"},
	"object in a map":           {OpEncrypt, `{"EncryptionContext":{"a":{}}}`, "Start of structure or map found where not expected."},
	"string for a structure":    {OpDecrypt, `{"Recipient":"r"}`, "STRING_VALUE can not be converted to a Structure"},
	"string in a list of these": {OpTagResource, `{"Tags":["t"]}`, "STRING_VALUE can not be converted to a Structure"},
	"goes before validation":    {OpEncrypt, `{"KeyId":"","Plaintext":1}`, "NUMBER_VALUE can not be converted to a Blob"},
}

func TestSerializationException(t *testing.T) {
	for name, tt := range unreadable {
		t.Run(name, func(t *testing.T) {
			code, message := decodeError(t, tt.op, tt.body)
			if code != CodeSerializationException || message != tt.want {
				t.Errorf("%s %q, want SerializationException %q", code, message, tt.want)
			}
		})
	}
}

var lenient = map[string]struct {
	op, body string
	want     any
}{
	"numbers and booleans in a context are text (guide 004:1005)": {OpDecrypt,
		`{"EncryptionContext":{"a":10103.0,"b":true,"c":false,"d":-1e3,"e":"s"}}`,
		&DecryptRequest{EncryptionContext: map[string]string{"a": "10103.0", "b": "true", "c": "false", "d": "-1e3", "e": "s"}}},
	"also in grant constraints": {OpCreateGrant,
		`{"KeyId":"k","GranteePrincipal":"p","Operations":["Decrypt"],"Constraints":{"EncryptionContextSubset":{"n":1}}}`,
		&CreateGrantRequest{KeyId: "k", GranteePrincipal: "p", Operations: []string{"Decrypt"},
			Constraints: &GrantConstraints{EncryptionContextSubset: map[string]string{"n": "1"}}}},
	"unknown members are ignored":    {OpListKeys, `{"What":{"x":[1,{"}":"]\""}]},"Limit":10}`, &ListKeysRequest{Limit: new(int32(10))}},
	"the last of two members counts": {OpDescribeKey, `{"KeyId":"a","KeyId":"b"}`, &DescribeKeyRequest{KeyId: "b"}},
	"white space anywhere": {OpDescribeKey, " \n{ \"KeyId\" :\t\"a\" , \"GrantTokens\" : [ \"x\" , \"y\" ] } ",
		&DescribeKeyRequest{KeyId: "a", GrantTokens: []string{"x", "y"}}},
	"escapes in names and values": {OpDescribeKey, `{"Key\u0049d":"\u00e9\ud83d\ude00\/"}`, &DescribeKeyRequest{KeyId: "é😀/"}},
	"escaped slashes in base64":   {OpEncrypt, `{"KeyId":"k","Plaintext":"\/\/8="}`, &EncryptRequest{KeyId: "k", Plaintext: []byte{0xff, 0xff}}},
	"whole numbers with a point":  {OpListKeys, `{"Limit":1.0e1}`, &ListKeysRequest{Limit: new(int32(10))}},
	"required but empty":          {OpUpdateKeyDescription, `{"KeyId":"k","Description":""}`, &UpdateKeyDescriptionRequest{KeyId: "k"}},
	"empty lists are not absent":  {OpCreateKey, `{"Tags":[]}`, &CreateKeyRequest{Tags: []*Tag{}}},
	"booleans":                    {OpCreateKey, `{"MultiRegion":true}`, &CreateKeyRequest{MultiRegion: new(true)}},
	"times to the millisecond": {OpImportKeyMaterial, `{"KeyId":"k","ImportToken":"AA==","EncryptedKeyMaterial":"AA==","ValidTo":1499988169.2341}`,
		&ImportKeyMaterialRequest{KeyId: "k", ImportToken: []byte{0}, EncryptedKeyMaterial: []byte{0}, ValidTo: time.UnixMilli(1499988169234).UTC()}},
	"times in scientific notation": {OpImportKeyMaterial, `{"KeyId":"k","ImportToken":"AA==","EncryptedKeyMaterial":"AA==","ValidTo":1.499988169E9}`,
		&ImportKeyMaterialRequest{KeyId: "k", ImportToken: []byte{0}, EncryptedKeyMaterial: []byte{0}, ValidTo: time.Unix(1499988169, 0).UTC()}},
}

func TestWhatDecodeTakesLeniently(t *testing.T) {
	for name, tt := range lenient {
		t.Run(name, func(t *testing.T) {
			got, err := Decode(Operations[tt.op], []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestDecodedValuesShareNothingWithTheBody(t *testing.T) {
	body := []byte(`{"KeyId":"key","Plaintext":"AQID","GrantTokens":["tok"],"EncryptionContext":{"a":"b","c":1}}`)
	got, err := Decode(Operations[OpEncrypt], body)
	if err != nil {
		t.Fatal(err)
	}
	clear(body)
	want := &EncryptRequest{KeyId: "key", Plaintext: []byte{1, 2, 3}, GrantTokens: []string{"tok"},
		EncryptionContext: map[string]string{"a": "b", "c": "1"}}
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
