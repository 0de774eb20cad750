package quota

// Quota names that the code itself uses.
const (
	NameSymmetric     = "cryptographic-symmetric" // also HMAC keys and GenerateRandom
	NameRSA           = "cryptographic-rsa"
	NameECC           = "cryptographic-ecc"
	NameSM2           = "cryptographic-sm2"
	NameExternalStore = "custom-key-store" // per external key store
	nameCloudHSMStore = "cloudhsm-key-store"
	namePair          = "GenerateDataKeyPair" // in a file: all pair specs that it does not name
)

// Resource quota names for Quotas.Resource.
const (
	ResourceKeys            = "keys"              // customer managed keys, in any state
	ResourceAliasesPerKey   = "aliases-per-key"   // made by the customer
	ResourceGrantsPerKey    = "grants-per-key"    // those of AWS services too
	ResourceCustomKeyStores = "custom-key-stores" // both types, in any connection state
	ResourcePolicySize      = "key-policy-size"   // bytes
	ResourceRotationsPerKey = "on-demand-rotations-per-key"
)

// A requestRow is a row of the guide's table of request quotas.
type requestRow struct {
	name    string
	rate    float64            // requests a second; less than 1 is one in several seconds
	regions map[string]float64 // where the default differs
	fixed   bool               // the guide calls it not adjustable
	ref     string             // the seed's lines; *: not in the guide, see the note
}

// symmetricRegions is guide 004:23515-23517.
var symmetricRegions = map[string]float64{
	"us-east-2":      10000,
	"ap-southeast-1": 10000,
	"ap-southeast-2": 10000,
	"ap-northeast-1": 10000,
	"eu-central-1":   10000,
	"eu-west-2":      10000,
	"us-east-1":      50000,
	"us-west-2":      50000,
	"eu-west-1":      50000,
}

// requestTable is guide 004:23511-23596, a quota a row. Rows marked * are newer
// than the guide: GetKeyLastUsage has DescribeKey's quota, whose kind it is, and
// the Edwards curve has that of the other curves. ECC and SM2 share a line in the
// guide and are separate quotas (guide 004:23627-23630).
var requestTable = []requestRow{
	{NameSymmetric, 5500, symmetricRegions, false, "004:23513-23517"},
	{NameRSA, 500, nil, false, "004:23518"},
	{NameECC, 300, nil, false, "004:23519"},
	{NameSM2, 300, nil, false, "004:23519"},
	{NameExternalStore, 1800, nil, false, "004:23654"},
	{nameCloudHSMStore, 1800, nil, true, "004:23653"},
	{"CancelKeyDeletion", 5, nil, false, "004:23523"},
	{"ConnectCustomKeyStore", 5, nil, false, "004:23524"},
	{"CreateAlias", 5, nil, false, "004:23525"},
	{"CreateCustomKeyStore", 5, nil, false, "004:23526"},
	{"CreateGrant", 50, nil, false, "004:23527"},
	{"CreateKey", 5, nil, false, "004:23528"},
	{"DeleteAlias", 15, nil, false, "004:23529"},
	{"DeleteCustomKeyStore", 5, nil, false, "004:23530"},
	{"DeleteImportedKeyMaterial", 5, nil, false, "004:23531"},
	{"DescribeCustomKeyStores", 5, nil, false, "004:23532"},
	{"DescribeKey", 2000, nil, false, "004:23533"},
	{"DisableKey", 5, nil, false, "004:23536"},
	{"DisableKeyRotation", 5, nil, false, "004:23537"},
	{"DisconnectCustomKeyStore", 5, nil, false, "004:23538"},
	{"EnableKey", 5, nil, false, "004:23539"},
	{"EnableKeyRotation", 15, nil, false, "004:23540"},
	{"GenerateDataKeyPair-ECC_NIST_P256", 100, nil, false, "004:23541-23543"},
	{"GenerateDataKeyPair-ECC_NIST_P384", 100, nil, false, "004:23544-23546"},
	{"GenerateDataKeyPair-ECC_NIST_P521", 100, nil, false, "004:23547-23549"},
	{"GenerateDataKeyPair-ECC_SECG_P256K1", 100, nil, false, "004:23552-23554"},
	{"GenerateDataKeyPair-ECC_NIST_EDWARDS25519", 100, nil, false, "*"},
	{"GenerateDataKeyPair-RSA_2048", 1, nil, false, "004:23555-23557"},
	{"GenerateDataKeyPair-RSA_3072", 0.5, nil, false, "004:23558-23560"},
	{"GenerateDataKeyPair-RSA_4096", 0.1, nil, false, "004:23561-23563"},
	{"GenerateDataKeyPair-SM2", 25, nil, false, "004:23566-23568"},
	{"GetKeyLastUsage", 2000, nil, false, "*"},
	{"GetKeyPolicy", 1000, nil, false, "004:23569"},
	{"GetKeyRotationStatus", 1000, nil, false, "004:23570"},
	{"GetParametersForImport", 0.25, nil, false, "004:23571"},
	{"GetPublicKey", 2000, nil, false, "004:23572"},
	{"ImportKeyMaterial", 5, nil, false, "004:23573"},
	{"ListAliases", 500, nil, false, "004:23574"},
	{"ListGrants", 100, nil, false, "004:23575"},
	{"ListKeyPolicies", 100, nil, false, "004:23576"},
	{"ListKeys", 500, nil, false, "004:23577"},
	{"ListKeyRotations", 100, nil, false, "004:23578"},
	{"ListResourceTags", 2000, nil, false, "004:23579"},
	{"ListRetirableGrants", 100, nil, false, "004:23580"},
	{"PutKeyPolicy", 15, nil, false, "004:23581"},
	{"ReplicateKey", 5, nil, false, "004:23584-23585"},
	{"RetireGrant", 30, nil, false, "004:23586"},
	{"RevokeGrant", 30, nil, false, "004:23587"},
	{"RotateKeyOnDemand", 5, nil, false, "004:23588"},
	{"ScheduleKeyDeletion", 15, nil, false, "004:23589"},
	{"TagResource", 10, nil, false, "004:23590"},
	{"UntagResource", 5, nil, false, "004:23591"},
	{"UpdateAlias", 5, nil, false, "004:23592"},
	{"UpdateCustomKeyStore", 5, nil, false, "004:23593"},
	{"UpdateKeyDescription", 5, nil, false, "004:23594"},
	{"UpdatePrimaryRegion", 5, nil, false, "004:23595-23596"},
}

// requestIndex finds a row of requestTable by its name.
var requestIndex = func() map[string]int {
	m := make(map[string]int, len(requestTable))
	for i, r := range requestTable {
		m[r.name] = i
	}
	return m
}()

// A resourceRow is a row of the guide's table of resource quotas.
type resourceRow struct {
	name   string
	number int
	fixed  bool
	ref    string
}

// resourceTable is guide 004:23424-23479.
var resourceTable = []resourceRow{
	{ResourceKeys, 100000, false, "004:23424"},
	{ResourceAliasesPerKey, 50, false, "004:23425"},
	{ResourceGrantsPerKey, 50000, false, "004:23426"},
	{ResourceCustomKeyStores, 10, false, "004:23429"},
	{ResourcePolicySize, 32768, true, "004:23427-23428"},
	{ResourceRotationsPerKey, 10, true, "004:23475-23479"},
}
