package kmsfront

import "hyok/kmsfront/api"

// A stateRule says what an operation meets in one key state. The numbers are
// the guide's footnotes (guide 004:8621-8638).
type stateRule uint8

const (
	allowed     stateRule = iota
	absent                // the state cannot occur for a key that the operation takes
	disabled              // [1]
	pending               // [2] or [3]; read as [3] (guide kms-core X-07)
	notPending            // [4]
	importing             // [5]
	external              // [6]
	ifMaterial            // [7] only: refused for imported material and custom key stores
	disabledOr7           // [1] or [7]
	pendingOr7            // [3] or [7]
	ifImported            // [9]: refused unless the key takes imported material
	pendingOr9            // [8] or [9]
	target                // [10]: the alias's new target is what counts
	unavailable           // [11]
	deferred              // [12]: succeeds, seen once the key is available again
	creating              // [14]
	updating              // [15]
)

// keyStates is a row of the key state table, in the order of its columns.
type keyStates struct {
	Operation                                                              string
	Enabled, Disabled, Pending, Importing, Unavailable, Creating, Updating stateRule
}

// stateTable is guide 004:8541-8619, a row an operation. Rows marked * are not
// in the guide: DeriveSharedSecret takes Sign's row and GetKeyLastUsage
// DescribeKey's, by their kind; the last group names no existing key (guide
// 004:8513), so no state can stand in its way.
var stateTable = []keyStates{
	//                                        Enabled     Disabled     Pending     Importing   Unavailable  Creating    Updating
	{"CancelKeyDeletion" /*                */, notPending, notPending, allowed, notPending, notPending, notPending, notPending},
	{"CreateAlias" /*                      */, allowed, allowed, pending, allowed, allowed, allowed, allowed},
	{"CreateGrant" /*                      */, allowed, disabled, pending, importing, allowed, creating, allowed},
	{"Decrypt" /*                          */, allowed, disabled, pending, importing, unavailable, creating, allowed},
	{"DeleteAlias" /*                      */, allowed, allowed, allowed, allowed, allowed, allowed, allowed},
	{"DeleteImportedKeyMaterial" /*        */, ifImported, ifImported, ifImported, allowed, ifImported, creating, updating},
	{"DeriveSharedSecret" /* *             */, allowed, disabled, pending, importing, absent, creating, allowed},
	{"DescribeKey" /*                      */, allowed, allowed, allowed, allowed, allowed, allowed, allowed},
	{"DisableKey" /*                       */, allowed, allowed, pending, importing, deferred, creating, updating},
	{"DisableKeyRotation" /*               */, ifMaterial, disabledOr7, pendingOr7, external, ifMaterial, creating, ifMaterial},
	{"EnableKey" /*                        */, allowed, allowed, pending, importing, deferred, creating, updating},
	{"EnableKeyRotation" /*                */, ifMaterial, disabledOr7, pendingOr7, external, ifMaterial, creating, ifMaterial},
	{"Encrypt" /*                          */, allowed, disabled, pending, importing, unavailable, creating, allowed},
	{"GenerateDataKey" /*                  */, allowed, disabled, pending, importing, unavailable, creating, allowed},
	{"GenerateDataKeyPair" /*              */, allowed, disabled, pending, importing, unavailable, creating, allowed},
	{"GenerateDataKeyPairWithoutPlaintext", allowed, disabled, pending, importing, unavailable, creating, allowed},
	{"GenerateDataKeyWithoutPlaintext" /*  */, allowed, disabled, pending, importing, unavailable, creating, allowed},
	{"GenerateMac" /*                      */, allowed, disabled, pending, importing, absent, creating, allowed}, // importing: X-05
	{"GetKeyLastUsage" /* *                */, allowed, allowed, allowed, allowed, allowed, allowed, allowed},
	{"GetKeyPolicy" /*                     */, allowed, allowed, allowed, allowed, allowed, allowed, allowed},
	{"GetKeyRotationStatus" /*             */, ifMaterial, ifMaterial, ifMaterial, external, ifMaterial, ifMaterial, ifMaterial},
	{"GetParametersForImport" /*           */, ifImported, ifImported, pendingOr9, allowed, ifImported, creating, updating},
	{"GetPublicKey" /*                     */, allowed, disabled, pending, importing, absent, creating, allowed}, // importing: X-05
	{"ImportKeyMaterial" /*                */, ifImported, ifImported, pendingOr9, allowed, ifImported, creating, allowed},
	{"ListAliases" /*                      */, allowed, allowed, allowed, allowed, allowed, allowed, allowed},
	{"ListGrants" /*                       */, allowed, allowed, allowed, allowed, allowed, allowed, allowed},
	{"ListKeyPolicies" /*                  */, allowed, allowed, allowed, allowed, allowed, allowed, allowed},
	{"ListKeyRotations" /*                 */, ifMaterial, ifMaterial, ifMaterial, external, ifMaterial, ifMaterial, ifMaterial},
	{"ListResourceTags" /*                 */, allowed, allowed, allowed, allowed, allowed, allowed, allowed},
	{"PutKeyPolicy" /*                     */, allowed, allowed, allowed, allowed, allowed, allowed, allowed},
	{"ReEncrypt" /*                        */, allowed, disabled, pending, importing, unavailable, creating, allowed},
	{"ReplicateKey" /*                     */, allowed, disabled, pending, importing, absent, creating, updating},
	{"RetireGrant" /*                      */, allowed, allowed, allowed, allowed, allowed, allowed, allowed},
	{"RevokeGrant" /*                      */, allowed, allowed, allowed, allowed, allowed, allowed, allowed},
	{"RotateKeyOnDemand" /*                */, ifMaterial, disabledOr7, pendingOr7, external, ifMaterial, creating, ifMaterial},
	{"ScheduleKeyDeletion" /*              */, allowed, allowed, pending, allowed, allowed, allowed, updating},
	{"Sign" /*                             */, allowed, disabled, pending, importing, absent, creating, allowed}, // importing: X-05
	{"TagResource" /*                      */, allowed, allowed, pending, allowed, allowed, allowed, allowed},
	{"UntagResource" /*                    */, allowed, allowed, pending, allowed, allowed, allowed, allowed},
	{"UpdateAlias" /*                      */, allowed, allowed, target, allowed, allowed, allowed, allowed},
	{"UpdateKeyDescription" /*             */, allowed, allowed, pending, allowed, allowed, allowed, allowed},
	{"UpdatePrimaryRegion" /*              */, allowed, disabled, pending, importing, absent, creating, updating}, // updating: X-06
	{"Verify" /*                           */, allowed, disabled, pending, importing, absent, creating, allowed},  // importing: X-05
	{"VerifyMac" /*                        */, allowed, disabled, pending, importing, absent, creating, allowed},  // importing: X-05

	{Operation: "ConnectCustomKeyStore"},    // *
	{Operation: "CreateCustomKeyStore"},     // *
	{Operation: "CreateKey"},                // *
	{Operation: "DeleteCustomKeyStore"},     // *
	{Operation: "DescribeCustomKeyStores"},  // *
	{Operation: "DisconnectCustomKeyStore"}, // *
	{Operation: "GenerateRandom"},           // *
	{Operation: "ListKeys"},                 // *
	{Operation: "ListRetirableGrants"},      // *
	{Operation: "UpdateCustomKeyStore"},     // *
}

// rule is the cell of the row for a key state of the API model.
func (s *keyStates) rule(state string) stateRule {
	switch state {
	case api.KeyStateDisabled:
		return s.Disabled
	case api.KeyStatePendingDeletion, api.KeyStatePendingReplicaDeletion:
		return s.Pending
	case api.KeyStatePendingImport:
		return s.Importing
	case api.KeyStateUnavailable:
		return s.Unavailable
	case api.KeyStateCreating:
		return s.Creating
	case api.KeyStateUpdating:
		return s.Updating
	default:
		return s.Enabled
	}
}

// check applies the row to a key in a state: nil where the operation may go on.
func (s *keyStates) check(k *Key, state string) error {
	imported := k.Origin == api.OriginTypeExternal
	rule := s.rule(state)
	switch {
	case rule == disabledOr7 && foreign(k), rule == pendingOr7 && foreign(k), rule == ifMaterial && foreign(k):
		return unsupported(k) // [7]
	case rule == pendingOr9 && !imported, rule == ifImported && !imported:
		return unsupported(k) // [9]
	}
	switch rule {
	case disabled, disabledOr7:
		return api.Errorf(api.CodeDisabledException, "%s is disabled.", k.ARN)
	case pending, pendingOr7, pendingOr9, target:
		return api.Errorf(api.CodeKMSInvalidStateException, "%s is %s.", k.ARN, pendingWords(state))
	case notPending:
		return api.Errorf(api.CodeKMSInvalidStateException, "%s is not pending deletion.", k.ARN)
	case importing:
		return api.Errorf(api.CodeKMSInvalidStateException, "%s is pending import.", k.ARN)
	case external:
		return unsupported(k)
	case unavailable:
		return errUnavailable(k)
	case creating:
		return api.Errorf(api.CodeKMSInvalidStateException, "%s is creating.", k.ARN)
	case updating:
		return api.Errorf(api.CodeKMSInvalidStateException, "%s is updating.", k.ARN)
	}
	return nil
}

// foreign says whether KMS does not make the key's material itself: it is
// imported, or lives in a custom key store (footnote [7]).
func foreign(k *Key) bool { return k.Origin != api.OriginTypeAwsKms }

func pendingWords(state string) string {
	if state == api.KeyStatePendingReplicaDeletion {
		return "pending replica deletion"
	}
	return "pending deletion"
}

// errUnavailable is message M-01 (guide 004:8634).
func errUnavailable(k *Key) error {
	return api.Errorf(api.CodeKMSInvalidStateException,
		"%s is unavailable. You cannot perform this operation on an unavailable KMS key.", k.ARN)
}

// unsupported is footnote [6], also given for the others that name no text.
func unsupported(k *Key) error {
	return api.Errorf(api.CodeUnsupportedOperationException,
		"%s origin is %s which is not valid for this operation.", k.ARN, k.Origin)
}
