package kmsfront

import (
	"strings"
	"testing"

	"hyok/kmsfront/api"
	"hyok/kmsfront/material"
)

// typeColumns are the columns of testdata/keytypes.txt, each by a key of it.
var typeColumns = []*Key{
	{Key: material.Key{ARN: "KEY", Spec: api.KeySpecSymmetricDefault, Origin: api.OriginTypeAwsKms}, Usage: api.KeyUsageTypeEncryptDecrypt},
	{Key: material.Key{ARN: "KEY", Spec: api.KeySpecHmac256, Origin: api.OriginTypeAwsKms}, Usage: api.KeyUsageTypeGenerateVerifyMac},
	{Key: material.Key{ARN: "KEY", Spec: api.KeySpecRsa2048, Origin: api.OriginTypeAwsKms}, Usage: api.KeyUsageTypeEncryptDecrypt},
	{Key: material.Key{ARN: "KEY", Spec: api.KeySpecEccNistP256, Origin: api.OriginTypeAwsKms}, Usage: api.KeyUsageTypeSignVerify},
	{Key: material.Key{ARN: "KEY", Spec: api.KeySpecSymmetricDefault, Origin: api.OriginTypeExternalKeyStore, StoreID: "cks-1"}, Usage: api.KeyUsageTypeEncryptDecrypt},
}

func TestEveryCellOfTheKeyTypeTable(t *testing.T) {
	for operation, marks := range guideTable(t, "keytypes.txt") {
		for i, k := range typeColumns {
			err := ruleSet[operation].types.check(k)
			if valid := marks[i] == "Y"; valid != (err == nil) {
				t.Errorf("%s with %s, %s, %s: %v, want valid: %v", operation, k.Spec, k.Usage, k.Origin, err, valid)
			}
		}
	}
}

func TestWrongUsageIsNamed(t *testing.T) {
	for _, c := range []struct {
		operation string
		key       *Key
		want      string
	}{
		{"Sign", typeColumns[0], "InvalidKeyUsageException: KEY key usage is ENCRYPT_DECRYPT which is not valid for Sign."},
		{"Encrypt", typeColumns[3], "InvalidKeyUsageException: KEY key usage is SIGN_VERIFY which is not valid for Encrypt."},
		{"GenerateDataKey", typeColumns[2], "InvalidKeyUsageException: KEY key spec is RSA_2048 which is not valid for GenerateDataKey."},
		{"GetPublicKey", typeColumns[0], "UnsupportedOperationException: KEY key spec is SYMMETRIC_DEFAULT which is not valid for GetPublicKey."},
		{"GenerateDataKeyPair", typeColumns[4], "UnsupportedOperationException: KEY origin is EXTERNAL_KEY_STORE which is not valid for this operation."},
		{"EnableKeyRotation", typeColumns[3], "UnsupportedOperationException: KEY key spec is ECC_NIST_P256 which is not valid for EnableKeyRotation."},
	} {
		if got := message(ruleSet[c.operation].types.check(c.key)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.operation, got, c.want)
		}
	}
}

func TestKeyAgreementKeysDeriveSecretsAndNothingElse(t *testing.T) {
	k := &Key{Key: material.Key{ARN: "KEY", Spec: api.KeySpecEccNistP256, Origin: api.OriginTypeAwsKms}, Usage: api.KeyUsageTypeKeyAgreement}
	for _, name := range []string{"Sign", "Verify", "Encrypt", "Decrypt", "GenerateMac", "GenerateDataKey"} {
		if err := ruleSet[name].types.check(k); err == nil || !strings.Contains(err.Error(), "KEY_AGREEMENT") {
			t.Errorf("%s: %v, want the key's usage refused", name, err)
		}
	}
	for _, name := range []string{"DeriveSharedSecret", "DescribeKey", "GetPublicKey"} {
		if err := ruleSet[name].types.check(k); err != nil {
			t.Errorf("%s: %v, want it allowed", name, err)
		}
	}
}
