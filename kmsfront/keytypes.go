package kmsfront

import (
	"strings"

	"hyok/kmsfront/api"
)

// A typeRule says whether an operation takes keys of one type.
type typeRule uint8

const (
	no     typeRule = iota // the key's spec is not valid for the operation
	yes                    // the operation takes such keys
	usage                  // the spec could do it, the key's usage does not allow it
	refuse                 // a feature that such keys do not have
)

// keyTypes is a row of the key type table: the four types, then whether a key
// in a custom key store is taken.
type keyTypes struct {
	Operation                                       string
	Symmetric, HMAC, AsymEncrypt, AsymSign, InStore typeRule
}

// typeTable is guide 004:22949-23004 and, for the last column, 004:23033-23089;
// rotation in a custom key store is left to the key state table, which has its
// exception. * marks what the guide has no row for: RotateKeyOnDemand and
// ListKeyRotations (004:3808, 004:14357), DeriveSharedSecret (as Sign, with the
// usage KEY_AGREEMENT) and GetKeyLastUsage (as DescribeKey).
var typeTable = []keyTypes{
	//                                       Sym     HMAC    AsymEnc AsymSign InStore
	{"CancelKeyDeletion" /*                */, yes, yes, yes, yes, yes},
	{"CreateAlias" /*                      */, yes, yes, yes, yes, yes},
	{"CreateGrant" /*                      */, yes, yes, yes, yes, yes},
	{"Decrypt" /*                          */, yes, usage, yes, usage, yes},
	{"DeleteAlias" /*                      */, yes, yes, yes, yes, yes},
	{"DeleteImportedKeyMaterial" /*        */, yes, yes, yes, yes, refuse},
	{"DeriveSharedSecret" /* *             */, usage, usage, usage, usage, refuse},
	{"DescribeKey" /*                      */, yes, yes, yes, yes, yes},
	{"DisableKey" /*                       */, yes, yes, yes, yes, yes},
	{"DisableKeyRotation" /*               */, yes, refuse, refuse, refuse, yes},
	{"EnableKey" /*                        */, yes, yes, yes, yes, yes},
	{"EnableKeyRotation" /*                */, yes, refuse, refuse, refuse, yes},
	{"Encrypt" /*                          */, yes, usage, yes, usage, yes},
	{"GenerateDataKey" /*                  */, yes, usage, no, usage, yes},
	{"GenerateDataKeyPair" /*              */, yes, usage, no, usage, refuse},
	{"GenerateDataKeyPairWithoutPlaintext", yes, usage, no, usage, refuse},
	{"GenerateDataKeyWithoutPlaintext" /*  */, yes, usage, no, usage, yes},
	{"GenerateMac" /*                      */, usage, yes, usage, usage, refuse},
	{"GetKeyLastUsage" /* *                */, yes, yes, yes, yes, yes},
	{"GetKeyPolicy" /*                     */, yes, yes, yes, yes, yes},
	{"GetKeyRotationStatus" /*             */, yes, yes, yes, yes, yes}, // HMAC and asymmetric: always false (004:22977)
	{"GetParametersForImport" /*           */, yes, yes, yes, yes, refuse},
	{"GetPublicKey" /*                     */, refuse, refuse, yes, yes, refuse},
	{"ImportKeyMaterial" /*                */, yes, yes, yes, yes, refuse},
	{"ListAliases" /*                      */, yes, yes, yes, yes, yes},
	{"ListGrants" /*                       */, yes, yes, yes, yes, yes},
	{"ListKeyPolicies" /*                  */, yes, yes, yes, yes, yes},
	{"ListKeyRotations" /* *               */, yes, refuse, refuse, refuse, yes},
	{"ListResourceTags" /*                 */, yes, yes, yes, yes, yes},
	{"ListRetirableGrants" /*              */, yes, yes, yes, yes, yes},
	{"PutKeyPolicy" /*                     */, yes, yes, yes, yes, yes},
	{"ReEncrypt" /*                        */, yes, usage, yes, usage, yes},
	{"ReplicateKey" /*                     */, yes, yes, yes, yes, refuse},
	{"RetireGrant" /*                      */, yes, yes, yes, yes, yes},
	{"RevokeGrant" /*                      */, yes, yes, yes, yes, yes},
	{"RotateKeyOnDemand" /* *              */, yes, refuse, refuse, refuse, yes},
	{"ScheduleKeyDeletion" /*              */, yes, yes, yes, yes, yes},
	{"Sign" /*                             */, usage, usage, usage, yes, refuse},
	{"TagResource" /*                      */, yes, yes, yes, yes, yes},
	{"UntagResource" /*                    */, yes, yes, yes, yes, yes},
	{"UpdateAlias" /*                      */, yes, yes, yes, yes, yes},
	{"UpdateKeyDescription" /*             */, yes, yes, yes, yes, yes},
	{"UpdatePrimaryRegion" /*              */, yes, yes, yes, yes, refuse},
	{"Verify" /*                           */, usage, usage, usage, yes, refuse},
	{"VerifyMac" /*                        */, usage, yes, usage, usage, refuse},

	// Operations without a key have nothing to look up (guide 004:749).
	{Operation: "ConnectCustomKeyStore"},
	{Operation: "CreateCustomKeyStore"},
	{Operation: "CreateKey"},
	{Operation: "DeleteCustomKeyStore"},
	{Operation: "DescribeCustomKeyStores"},
	{Operation: "DisconnectCustomKeyStore"},
	{Operation: "GenerateRandom"},
	{Operation: "ListKeys"},
	{Operation: "UpdateCustomKeyStore"},
}

// keyType is what UpdateAlias must not change (guide 004:23000).
func keyType(k *Key) string {
	switch {
	case k.Spec == api.KeySpecSymmetricDefault:
		return "symmetric"
	case strings.HasPrefix(k.Spec, "HMAC_"):
		return "HMAC"
	default:
		return "asymmetric"
	}
}

// rule is the cell of the row for the key's type.
func (t *keyTypes) rule(k *Key) typeRule {
	switch kind := keyType(k); {
	case kind == "symmetric":
		return t.Symmetric
	case kind == "HMAC":
		return t.HMAC
	case k.Usage == api.KeyUsageTypeEncryptDecrypt:
		return t.AsymEncrypt
	case k.Usage == api.KeyUsageTypeKeyAgreement:
		return t.agreement()
	default:
		return t.AsymSign
	}
}

// agreement is the cell for keys with the usage KEY_AGREEMENT, which the guide
// has no column for: they derive secrets and are managed like signing keys.
func (t *keyTypes) agreement() typeRule {
	switch {
	case t.Operation == "DeriveSharedSecret":
		return yes
	case t.AsymEncrypt != t.AsymSign: // cryptography, or for one of the two usages only
		return usage
	default:
		return t.AsymSign
	}
}

// check refuses a key whose type, usage or store the operation does not take.
func (t *keyTypes) check(k *Key) error {
	switch t.rule(k) {
	case usage:
		return api.Errorf(api.CodeInvalidKeyUsageException,
			"%s key usage is %s which is not valid for %s.", k.ARN, k.Usage, t.Operation)
	case no:
		return api.Errorf(api.CodeInvalidKeyUsageException,
			"%s key spec is %s which is not valid for %s.", k.ARN, k.Spec, t.Operation)
	case refuse:
		return api.Errorf(api.CodeUnsupportedOperationException,
			"%s key spec is %s which is not valid for %s.", k.ARN, k.Spec, t.Operation)
	}
	if k.StoreID != "" && t.InStore == refuse {
		return unsupported(k)
	}
	return nil
}
