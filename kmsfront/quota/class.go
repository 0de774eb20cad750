package quota

// A charge says which bucket an operation spends from.
type charge uint8

const (
	own       charge = iota // the quota that bears the operation's name
	symmetric               // NameSymmetric, whatever the key
	elliptic                // NameECC
	byKey                   // the shared class of the key's spec
	byPair                  // the quota of the data key pair's spec
)

// chargeTable has the operations whose bucket is not their own (guide
// 004:23513-23519, 23541-23568). DeriveSharedSecret, marked *, is not in the
// guide: it works on elliptic curve keys only and takes their class.
var chargeTable = map[string]charge{
	"Decrypt":                             byKey,     // 004:23513-23519
	"DeriveSharedSecret":                  elliptic,  // *
	"Encrypt":                             byKey,     // 004:23513-23519
	"GenerateDataKey":                     symmetric, // 004:23513-23517
	"GenerateDataKeyPair":                 byPair,    // 004:23541-23568
	"GenerateDataKeyPairWithoutPlaintext": byPair,    // 004:23541-23568
	"GenerateDataKeyWithoutPlaintext":     symmetric, // 004:23513-23517
	"GenerateMac":                         symmetric, // 004:23513-23517
	"GenerateRandom":                      symmetric, // 004:23513-23517
	"ReEncrypt":                           byKey,     // 004:23513-23519
	"Sign":                                byKey,     // 004:23518-23519
	"Verify":                              byKey,     // 004:23518-23519
	"VerifyMac":                           symmetric, // 004:23513-23517
}

// A specRow gives the two classes of a key spec: as a KMS key, and as a data key
// pair (empty: there are no such pairs).
type specRow struct{ key, pair string }

// specTable has a row for every key spec but the symmetric ones (guide
// 004:23617-23630). ML_DSA, marked *, is newer than the guide: signatures in the
// class of the other signature keys that are not RSA.
var specTable = map[string]specRow{
	"RSA_2048":              {NameRSA, namePair + "-RSA_2048"},
	"RSA_3072":              {NameRSA, namePair + "-RSA_3072"},
	"RSA_4096":              {NameRSA, namePair + "-RSA_4096"},
	"ECC_NIST_P256":         {NameECC, namePair + "-ECC_NIST_P256"},
	"ECC_NIST_P384":         {NameECC, namePair + "-ECC_NIST_P384"},
	"ECC_NIST_P521":         {NameECC, namePair + "-ECC_NIST_P521"},
	"ECC_NIST_EDWARDS25519": {NameECC, namePair + "-ECC_NIST_EDWARDS25519"},
	"ECC_SECG_P256K1":       {NameECC, namePair + "-ECC_SECG_P256K1"},
	"SM2":                   {NameSM2, namePair + "-SM2"},
	"ML_DSA_44":             {NameECC, ""}, // *
	"ML_DSA_65":             {NameECC, ""}, // *
	"ML_DSA_87":             {NameECC, ""}, // *
}

// storeOps are the operations that also spend the quota of the custom key store
// that holds the key (guide 004:23522).
var storeOps = map[string]bool{
	"Decrypt":                         true,
	"Encrypt":                         true,
	"GenerateDataKey":                 true,
	"GenerateDataKeyWithoutPlaintext": true,
	"GenerateRandom":                  true,
	"ReEncrypt":                       true,
}

// Cryptographic tells whether requests for op also spend the quota of the custom
// key store that they work in; management of such keys does not (guide
// 004:23678).
func Cryptographic(op string) bool { return storeOps[op] }

// Class names the quota that a request spends. keySpec is the spec of the KMS
// key, or of the data key pair for GenerateDataKeyPair and its sibling; other
// operations ignore it, and an empty one counts as symmetric. The result of an
// operation or a pair spec that does not exist is refused by Quotas.Request.
func Class(op, keySpec string) string {
	switch chargeTable[op] {
	case symmetric:
		return NameSymmetric
	case elliptic:
		return NameECC
	case byPair:
		return specTable[keySpec].pair
	case byKey:
		if row, ok := specTable[keySpec]; ok {
			return row.key
		}
		return NameSymmetric
	default:
		return op
	}
}
