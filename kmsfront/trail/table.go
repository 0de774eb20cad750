package trail

// A row says what the record of an operation shows.
//
// request and response list the members of requestParameters (from the input)
// and responseElements (from the output), by their name in the record, which is
// the API's with a small first letter. A member that is absent or empty is left
// out, an object without members is null. After the name may stand
//
//	:Member       the API's name where it differs; A/B takes the first that is there
//	=value        what is shown for an absent member, the API's default
//	@             the ARN of the key, if one was used, before the member itself
type row struct {
	op       string
	request  string
	response string
	readOnly bool
	ref      string // the seed's lines; *: no sample there, by the nearest operation
}

// Values of row.readOnly (guide kms-core CT-09).
const (
	reads   = true
	changes = false
)

const (
	algorithm = "encryptionAlgorithm=SYMMETRIC_DEFAULT"
	bypass    = "bypassPolicyLockoutSafetyCheck=false"
	proxyURI  = "xksProxyUriEndpoint xksProxyUriPath xksProxyConnectivity xksProxyVpcEndpointServiceName xksProxyVpcEndpointServiceOwner"
)

// table is guide 004:4172-7198, an operation a row. Not one row names a member
// that holds plaintext, ciphertext, key material, a token, a tag, a signature, a
// message, a password or a certificate (guide 004:4014). Members of external key
// stores follow the guide's reading kms-custom-key-stores CT-04.
var table = []row{
	{"CancelKeyDeletion", "keyId", "keyId@", changes, "004:4172-4215"},
	{"ConnectCustomKeyStore", "customKeyStoreId", "", changes, "004:4218-4255"},
	{"CreateAlias", "aliasName targetKeyId", "keyId@", changes, "004:4258-4310"},
	{"CreateCustomKeyStore", "customKeyStoreName customKeyStoreType clusterId:CloudHsmClusterId " + proxyURI, "customKeyStoreId", changes, "004:4313-4350"},
	{"CreateGrant", "keyId constraints operations granteePrincipal retiringPrincipal name", "grantId keyId@", changes, "004:4353-4406"},
	{"CreateKey", "description= origin=AWS_KMS " + bypass + " customerMasterKeySpec:CustomerMasterKeySpec/KeySpec=SYMMETRIC_DEFAULT keySpec:KeySpec/CustomerMasterKeySpec=SYMMETRIC_DEFAULT keyUsage=ENCRYPT_DECRYPT tags multiRegion customKeyStoreId xksKeyId policy", "keyMetadata", changes, "004:4409-4606"},
	{"Decrypt", algorithm + " keyId@ encryptionContext", "", reads, "004:4609-4895"},
	{"DeleteAlias", "aliasName", "keyId@", changes, "004:4898-4949"},
	{"DeleteCustomKeyStore", "customKeyStoreId", "", changes, "004:4952-4990"},
	{"DeleteImportedKeyMaterial", "keyId keyMaterialId", "keyId@", changes, "004:5034-5080"},
	{"DeriveSharedSecret", "keyAgreementAlgorithm keyId", "", reads, "*"},
	{"DescribeCustomKeyStores", "customKeyStoreId customKeyStoreName limit marker", "", reads, "004:5169-5200"},
	{"DescribeKey", "keyId", "", reads, "004:5203-5243"},
	{"DisableKey", "keyId", "keyId@", changes, "004:5246-5285"},
	{"DisableKeyRotation", "keyId", "", changes, "004:5288-5331"},
	{"DisconnectCustomKeyStore", "customKeyStoreId", "", changes, "004:5334-5372"},
	{"EnableKey", "keyId", "keyId@", changes, "004:5375-5417"},
	{"EnableKeyRotation", "keyId rotationPeriodInDays", "keyId@", changes, "004:5420-5463"},
	{"Encrypt", "encryptionContext keyId " + algorithm, "", reads, "004:5465-5508"},
	{"GenerateDataKey", "keyId keySpec numberOfBytes encryptionContext", "", reads, "004:5511-5553"},
	{"GenerateDataKeyPair", "keyPairSpec encryptionContext keyId", "", reads, "004:5555-5600"},
	{"GenerateDataKeyPairWithoutPlaintext", "keyPairSpec encryptionContext keyId", "", reads, "004:5602-5646"},
	{"GenerateDataKeyWithoutPlaintext", "keyId keySpec numberOfBytes encryptionContext", "", reads, "004:5649-5692"},
	{"GenerateMac", "macAlgorithm keyId", "", reads, "004:5695-5735"},
	{"GenerateRandom", "", "", reads, "004:5737-5766"},
	{"GetKeyLastUsage", "keyId", "", reads, "*"},
	{"GetKeyPolicy", "keyId policyName=default", "", reads, "004:5769-5808"},
	{"GetKeyRotationStatus", "keyId", "", reads, "004:5811-5857"},
	{"GetParametersForImport", "keyId wrappingAlgorithm wrappingKeySpec", "", reads, "004:5860-5903"},
	{"GetPublicKey", "keyId", "", reads, "*"},
	{"ImportKeyMaterial", "keyId validTo expirationModel importType keyMaterialId keyMaterialDescription", "keyId@", changes, "004:5906-5951"},
	{"ListAliases", "keyId limit marker", "", reads, "004:5954-5987"},
	{"ListGrants", "keyId grantId granteePrincipal marker limit", "", reads, "004:5990-6031"},
	{"ListKeyPolicies", "keyId limit marker", "", reads, "*"},
	{"ListKeyRotations", "keyId includeKeyMaterial limit marker", "", reads, "004:6034-6082"},
	{"ListKeys", "limit marker", "", reads, "*"},
	{"ListResourceTags", "keyId limit marker", "", reads, "*"},
	{"ListRetirableGrants", "retiringPrincipal limit marker", "", reads, "*"},
	{"PutKeyPolicy", "keyId policyName=default policy " + bypass, "", changes, "004:6085-6133"},
	{"ReEncrypt", "sourceEncryptionAlgorithm=SYMMETRIC_DEFAULT sourceEncryptionContext sourceKeyId destinationKeyId destinationEncryptionAlgorithm=SYMMETRIC_DEFAULT destinationEncryptionContext", "", reads, "004:6136-6176"},
	{"ReplicateKey", "keyId replicaRegion " + bypass + " description= policy tags", "replicaKeyMetadata replicaPolicy", changes, "004:6178-6276"},
	{"RetireGrant", "", "", changes, "004:6279-6323"},
	{"RevokeGrant", "keyId grantId", "", changes, "004:6326-6369"},
	{"RotateKeyOnDemand", "keyId", "keyId@", changes, "004:6459-6508"},
	{"ScheduleKeyDeletion", "pendingWindowInDays keyId", "keyId@ keyState deletionDate pendingWindowInDays", changes, "004:6511-6674"},
	{"Sign", "messageType=RAW keyId signingAlgorithm", "", reads, "004:6677-6724"},
	{"TagResource", "keyId tags", "keyId@", changes, "004:6774-6823"},
	{"UntagResource", "keyId tagKeys", "keyId@", changes, "004:6826-6878"},
	{"UpdateAlias", "aliasName targetKeyId", "keyId@", changes, "004:6881-6933"},
	{"UpdateCustomKeyStore", "customKeyStoreId newCustomKeyStoreName clusterId:CloudHsmClusterId " + proxyURI, "", changes, "004:6936-6972"},
	{"UpdateKeyDescription", "keyId description=", "", changes, "004:6975-7016"},
	{"UpdatePrimaryRegion", "keyId primaryRegion", "keyId@", changes, "004:7019-7102"},
	{"Verify", "messageType=RAW keyId signingAlgorithm", "", reads, "004:7151-7198"},
	{"VerifyMac", "macAlgorithm keyId", "", reads, "004:7105-7148"},
}

// ofStores are the operations whose records have no resources element at all
// (guide 004:4249-4254).
var ofStores = map[string]bool{
	"ConnectCustomKeyStore":    true,
	"CreateCustomKeyStore":     true,
	"DeleteCustomKeyStore":     true,
	"DescribeCustomKeyStores":  true,
	"DisconnectCustomKeyStore": true,
	"UpdateCustomKeyStore":     true,
}
