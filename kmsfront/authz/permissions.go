package authz

// Where a permission can be given.
const (
	KeyPolicy   = PolicyKind("key policy")   // there, or by IAM policies where the key policy lets them
	IAMPolicy   = PolicyKind("IAM policy")   // there only
	GrantPolicy = PolicyKind("grant or IAM") // RetireGrant; not effective in a key policy
)

// PolicyKind is where a permission can be given.
type PolicyKind string

// What a permission is for.
const (
	KeyResource       = ResourceKind("key")        // the key the request names; ReEncrypt's destination; UpdateAlias's new target
	SourceKeyResource = ResourceKind("source key") // ReEncrypt's source; UpdateAlias's present target; UpdatePrimaryRegion's present primary
	AliasResource     = ResourceKind("alias")
	AnyResource       = ResourceKind("*") // no key or alias
)

// ResourceKind is what a permission is for.
type ResourceKind string

// Permission is one thing that a caller must be allowed to do.
type Permission struct {
	Action   string // kms:Encrypt
	Policy   PolicyKind
	Resource ResourceKind
	// When names the request member that asks for the permission. Empty: every
	// request does.
	When string
}

// A permissionRow is what an operation needs (guide 004:14203-14413). cross says
// whether a caller of another account can use it (guide 004:13387-13398).
type permissionRow struct {
	op    string
	cross bool
	ref   string // the seed's lines; *: not in the guide, see the note
	needs []Permission
}

// Values of permissionRow.cross.
const (
	ownOnly      = false
	crossAccount = true
)

func key(action string) []Permission { return []Permission{{action, KeyPolicy, KeyResource, ""}} }
func iam(action string) []Permission { return []Permission{{action, IAMPolicy, AnyResource, ""}} }
func alias(action string) Permission { return Permission{action, IAMPolicy, AliasResource, ""} }
func source(action string) Permission {
	return Permission{action, KeyPolicy, SourceKeyResource, ""}
}
func when(member, action string) Permission {
	return Permission{action, IAMPolicy, AnyResource, member}
}
func with(first []Permission, more ...Permission) []Permission { return append(first, more...) }

// permissionTable has an operation a row. Rows marked * are newer than the guide:
// DeriveSharedSecret is a cryptographic operation like Sign, GetKeyLastUsage
// shows metadata of keys of the own account.
var permissionTable = []permissionRow{
	{"CancelKeyDeletion", ownOnly, "004:14216", key("kms:CancelKeyDeletion")},
	{"ConnectCustomKeyStore", ownOnly, "004:14217", iam("kms:ConnectCustomKeyStore")},
	{"CreateAlias", ownOnly, "004:14220-14222", with(key("kms:CreateAlias"), alias("kms:CreateAlias"))},
	{"CreateCustomKeyStore", ownOnly, "004:14223", iam("kms:CreateCustomKeyStore")},
	{"CreateGrant", crossAccount, "004:14226-14246", key("kms:CreateGrant")},
	{"CreateKey", ownOnly, "004:14247-14257", with(iam("kms:CreateKey"), when("Tags", "kms:TagResource"), when("MultiRegion", "iam:CreateServiceLinkedRole"))},
	{"Decrypt", crossAccount, "004:14260-14263", key("kms:Decrypt")},
	{"DeleteAlias", ownOnly, "004:14264-14265", with(key("kms:DeleteAlias"), alias("kms:DeleteAlias"))},
	{"DeleteCustomKeyStore", ownOnly, "004:14266", iam("kms:DeleteCustomKeyStore")},
	{"DeleteImportedKeyMaterial", ownOnly, "004:14269-14278", key("kms:DeleteImportedKeyMaterial")},
	{"DeriveSharedSecret", crossAccount, "*", key("kms:DeriveSharedSecret")},
	{"DescribeCustomKeyStores", ownOnly, "004:14279-14280", iam("kms:DescribeCustomKeyStores")},
	{"DescribeKey", crossAccount, "004:14283", key("kms:DescribeKey")},
	{"DisableKey", ownOnly, "004:14286", key("kms:DisableKey")},
	{"DisableKeyRotation", ownOnly, "004:14289", key("kms:DisableKeyRotation")},
	{"DisconnectCustomKeyStore", ownOnly, "004:14290", iam("kms:DisconnectCustomKeyStore")},
	{"EnableKey", ownOnly, "004:14293", key("kms:EnableKey")},
	{"EnableKeyRotation", ownOnly, "004:14296", key("kms:EnableKeyRotation")},
	{"Encrypt", crossAccount, "004:14299-14303", key("kms:Encrypt")},
	{"GenerateDataKey", crossAccount, "004:14306-14309", key("kms:GenerateDataKey")},
	{"GenerateDataKeyPair", crossAccount, "004:14312-14316", key("kms:GenerateDataKeyPair")},
	{"GenerateDataKeyPairWithoutPlaintext", crossAccount, "004:14319-14323", key("kms:GenerateDataKeyPairWithoutPlaintext")},
	{"GenerateDataKeyWithoutPlaintext", crossAccount, "004:14326-14329", key("kms:GenerateDataKeyWithoutPlaintext")},
	{"GenerateMac", crossAccount, "004:14330", key("kms:GenerateMac")},
	{"GenerateRandom", ownOnly, "004:14331", iam("kms:GenerateRandom")},
	{"GetKeyLastUsage", ownOnly, "*", key("kms:GetKeyLastUsage")},
	{"GetKeyPolicy", ownOnly, "004:14334", key("kms:GetKeyPolicy")},
	{"GetKeyRotationStatus", crossAccount, "004:14337", key("kms:GetKeyRotationStatus")},
	{"GetParametersForImport", ownOnly, "004:14340-14341", key("kms:GetParametersForImport")},
	{"GetPublicKey", crossAccount, "004:14344", key("kms:GetPublicKey")},
	{"ImportKeyMaterial", ownOnly, "004:14347", key("kms:ImportKeyMaterial")},
	{"ListAliases", ownOnly, "004:14348", iam("kms:ListAliases")},
	{"ListGrants", crossAccount, "004:14350-14351", key("kms:ListGrants")},
	{"ListKeyPolicies", ownOnly, "004:14354", key("kms:ListKeyPolicies")},
	{"ListKeyRotations", ownOnly, "004:14357", key("kms:ListKeyRotations")},
	{"ListKeys", ownOnly, "004:14358", iam("kms:ListKeys")},
	{"ListResourceTags", ownOnly, "004:14361", key("kms:ListResourceTags")},
	{"ListRetirableGrants", ownOnly, "004:14362", iam("kms:ListRetirableGrants")},
	{"PutKeyPolicy", ownOnly, "004:14364-14365", key("kms:PutKeyPolicy")},
	{"ReEncrypt", crossAccount, "004:14368-14371", with(key("kms:ReEncryptTo"), source("kms:ReEncryptFrom"))},
	{"ReplicateKey", ownOnly, "004:14372", with(key("kms:ReplicateKey"), iam("kms:CreateKey")[0], when("Tags", "kms:TagResource"))},
	{"RetireGrant", crossAccount, "004:14375", []Permission{{"kms:RetireGrant", GrantPolicy, KeyResource, ""}}},
	{"RevokeGrant", crossAccount, "004:14378", key("kms:RevokeGrant")},
	{"RotateKeyOnDemand", ownOnly, "004:14382", key("kms:RotateKeyOnDemand")},
	{"ScheduleKeyDeletion", ownOnly, "004:14385", key("kms:ScheduleKeyDeletion")},
	{"Sign", crossAccount, "004:14388", key("kms:Sign")},
	{"TagResource", ownOnly, "004:14391", key("kms:TagResource")},
	{"UntagResource", ownOnly, "004:14394", key("kms:UntagResource")},
	{"UpdateAlias", ownOnly, "004:14397-14399", with(key("kms:UpdateAlias"), source("kms:UpdateAlias"), alias("kms:UpdateAlias"))},
	{"UpdateCustomKeyStore", ownOnly, "004:14400", iam("kms:UpdateCustomKeyStore")},
	{"UpdateKeyDescription", ownOnly, "004:14403", key("kms:UpdateKeyDescription")},
	{"UpdatePrimaryRegion", ownOnly, "004:14406", with(key("kms:UpdatePrimaryRegion"), source("kms:UpdatePrimaryRegion"))},
	{"Verify", crossAccount, "004:14409", key("kms:Verify")},
	{"VerifyMac", crossAccount, "004:14412", key("kms:VerifyMac")},
}

var rowsByOperation = func() map[string]*permissionRow {
	rows := make(map[string]*permissionRow, len(permissionTable))
	for i := range permissionTable {
		rows[permissionTable[i].op] = &permissionTable[i]
	}
	return rows
}()

// actions are all that a caller can be allowed.
var actions = func() map[string]bool {
	known := make(map[string]bool)
	for _, row := range permissionTable {
		for _, p := range row.needs {
			known[p.Action] = true
		}
	}
	return known
}()

// Permissions lists what a caller of op must be allowed, all of it; nil for an
// operation that does not exist. The list is shared and must not be changed.
func Permissions(op string) []Permission {
	if row, ok := rowsByOperation[op]; ok {
		return row.needs
	}
	return nil
}

// CrossAccount tells whether permission on another account's key has an effect
// for op (guide 004:14434).
func CrossAccount(op string) bool {
	row, ok := rowsByOperation[op]
	return ok && row.cross
}
