package kmsfront

import (
	"context"

	"hyok/kmsfront/api"
)

// An operation is one row of the front end's table: how the request names its
// key, and the function that does the work. The road around it is the same for
// all (see road.go).
type operation struct {
	name string
	// keyID is the member that names the key; nil: the operation names none, or
	// find resolves it.
	keyID func(in any) string
	// aliases: the member may be an alias too (guide kms-core §1.1).
	aliases bool
	// find resolves the keys where one member does not tell.
	find func(s *Server, r *request) error
	// run does the operation; nil: not built in this version.
	run func(s *Server, ctx context.Context, r *request) (any, error)
}

// by types the member that names the key.
func by[I any](member func(in *I) string) func(in any) string {
	return func(in any) string { return member(in.(*I)) }
}

// do types the function of an operation.
func do[I any, O any](f func(s *Server, ctx context.Context, r *request, in *I) (*O, error)) func(*Server, context.Context, *request) (any, error) {
	return func(s *Server, ctx context.Context, r *request) (any, error) {
		out, err := f(s, ctx, r, r.In.(*I))
		if err != nil {
			return nil, err
		}
		return out, nil
	}
}

// operations has a row for each of the 54.
var operations = []operation{
	{name: "CancelKeyDeletion", keyID: by(func(in *api.CancelKeyDeletionRequest) string { return in.KeyId }), run: do((*Server).cancelKeyDeletion)},
	{name: "ConnectCustomKeyStore", run: do((*Server).connectCustomKeyStore)},
	{name: "CreateAlias", keyID: by(func(in *api.CreateAliasRequest) string { return in.TargetKeyId }), run: do((*Server).createAlias)},
	{name: "CreateCustomKeyStore", run: do((*Server).createCustomKeyStore)},
	{name: "CreateGrant", keyID: by(func(in *api.CreateGrantRequest) string { return in.KeyId })},
	{name: "CreateKey", run: do((*Server).createKey)},
	{name: "Decrypt", find: findDecrypt, run: do((*Server).decrypt)},
	{name: "DeleteAlias", find: findDeleteAlias, run: do((*Server).deleteAlias)},
	{name: "DeleteCustomKeyStore", run: do((*Server).deleteCustomKeyStore)},
	{name: "DeleteImportedKeyMaterial", keyID: by(func(in *api.DeleteImportedKeyMaterialRequest) string { return in.KeyId })},
	{name: "DeriveSharedSecret", keyID: by(func(in *api.DeriveSharedSecretRequest) string { return in.KeyId }), aliases: true},
	{name: "DescribeCustomKeyStores", run: do((*Server).describeCustomKeyStores)},
	{name: "DescribeKey", keyID: by(func(in *api.DescribeKeyRequest) string { return in.KeyId }), aliases: true, run: do((*Server).describeKey)},
	{name: "DisableKey", keyID: by(func(in *api.DisableKeyRequest) string { return in.KeyId }), run: do((*Server).disableKey)},
	{name: "DisableKeyRotation", keyID: by(func(in *api.DisableKeyRotationRequest) string { return in.KeyId })},
	{name: "DisconnectCustomKeyStore", run: do((*Server).disconnectCustomKeyStore)},
	{name: "EnableKey", keyID: by(func(in *api.EnableKeyRequest) string { return in.KeyId }), run: do((*Server).enableKey)},
	{name: "EnableKeyRotation", keyID: by(func(in *api.EnableKeyRotationRequest) string { return in.KeyId })},
	{name: "Encrypt", keyID: by(func(in *api.EncryptRequest) string { return in.KeyId }), aliases: true, run: do((*Server).encrypt)},
	{name: "GenerateDataKey", keyID: by(func(in *api.GenerateDataKeyRequest) string { return in.KeyId }), aliases: true, run: do((*Server).generateDataKey)},
	{name: "GenerateDataKeyPair", keyID: by(func(in *api.GenerateDataKeyPairRequest) string { return in.KeyId }), aliases: true},
	{name: "GenerateDataKeyPairWithoutPlaintext", keyID: by(func(in *api.GenerateDataKeyPairWithoutPlaintextRequest) string { return in.KeyId }), aliases: true},
	{name: "GenerateDataKeyWithoutPlaintext", keyID: by(func(in *api.GenerateDataKeyWithoutPlaintextRequest) string { return in.KeyId }), aliases: true, run: do((*Server).generateDataKeyWithoutPlaintext)},
	{name: "GenerateMac", keyID: by(func(in *api.GenerateMacRequest) string { return in.KeyId }), aliases: true},
	{name: "GenerateRandom", run: do((*Server).generateRandom)},
	{name: "GetKeyLastUsage", keyID: by(func(in *api.GetKeyLastUsageRequest) string { return in.KeyId }), aliases: true},
	{name: "GetKeyPolicy", keyID: by(func(in *api.GetKeyPolicyRequest) string { return in.KeyId }), run: do((*Server).getKeyPolicy)},
	{name: "GetKeyRotationStatus", keyID: by(func(in *api.GetKeyRotationStatusRequest) string { return in.KeyId })},
	{name: "GetParametersForImport", keyID: by(func(in *api.GetParametersForImportRequest) string { return in.KeyId })},
	{name: "GetPublicKey", keyID: by(func(in *api.GetPublicKeyRequest) string { return in.KeyId }), aliases: true},
	{name: "ImportKeyMaterial", keyID: by(func(in *api.ImportKeyMaterialRequest) string { return in.KeyId })},
	{name: "ListAliases", find: findListAliases, run: do((*Server).listAliases)},
	{name: "ListGrants", keyID: by(func(in *api.ListGrantsRequest) string { return in.KeyId })},
	{name: "ListKeyPolicies", keyID: by(func(in *api.ListKeyPoliciesRequest) string { return in.KeyId }), run: do((*Server).listKeyPolicies)},
	{name: "ListKeyRotations", keyID: by(func(in *api.ListKeyRotationsRequest) string { return in.KeyId })},
	{name: "ListKeys", run: do((*Server).listKeys)},
	{name: "ListResourceTags", keyID: by(func(in *api.ListResourceTagsRequest) string { return in.KeyId }), run: do((*Server).listResourceTags)},
	{name: "ListRetirableGrants"},
	{name: "PutKeyPolicy", keyID: by(func(in *api.PutKeyPolicyRequest) string { return in.KeyId }), run: do((*Server).putKeyPolicy)},
	{name: "ReEncrypt", find: findReEncrypt, run: do((*Server).reEncrypt)},
	{name: "ReplicateKey", keyID: by(func(in *api.ReplicateKeyRequest) string { return in.KeyId })},
	{name: "RetireGrant"}, // by grant token, or key and grant: comes with grants
	{name: "RevokeGrant", keyID: by(func(in *api.RevokeGrantRequest) string { return in.KeyId })},
	{name: "RotateKeyOnDemand", keyID: by(func(in *api.RotateKeyOnDemandRequest) string { return in.KeyId })},
	{name: "ScheduleKeyDeletion", keyID: by(func(in *api.ScheduleKeyDeletionRequest) string { return in.KeyId }), run: do((*Server).scheduleKeyDeletion)},
	{name: "Sign", keyID: by(func(in *api.SignRequest) string { return in.KeyId }), aliases: true},
	{name: "TagResource", keyID: by(func(in *api.TagResourceRequest) string { return in.KeyId }), run: do((*Server).tagResource)},
	{name: "UntagResource", keyID: by(func(in *api.UntagResourceRequest) string { return in.KeyId }), run: do((*Server).untagResource)},
	{name: "UpdateAlias", find: findUpdateAlias, run: do((*Server).updateAlias)},
	{name: "UpdateCustomKeyStore", run: do((*Server).updateCustomKeyStore)},
	{name: "UpdateKeyDescription", keyID: by(func(in *api.UpdateKeyDescriptionRequest) string { return in.KeyId }), run: do((*Server).updateKeyDescription)},
	{name: "UpdatePrimaryRegion", keyID: by(func(in *api.UpdatePrimaryRegionRequest) string { return in.KeyId })},
	{name: "Verify", keyID: by(func(in *api.VerifyRequest) string { return in.KeyId }), aliases: true},
	{name: "VerifyMac", keyID: by(func(in *api.VerifyMacRequest) string { return in.KeyId }), aliases: true},
}

// rules is what the tables say of one operation, joined once at start.
type rules struct {
	operation
	states *keyStates
	types  *keyTypes
}

var ruleSet = joinTables()

func joinTables() map[string]*rules {
	all := make(map[string]*rules, len(operations))
	for _, o := range operations {
		all[o.name] = &rules{operation: o}
	}
	for i := range stateTable {
		all[stateTable[i].Operation].states = &stateTable[i]
	}
	for i := range typeTable {
		all[typeTable[i].Operation].types = &typeTable[i]
	}
	return all
}
