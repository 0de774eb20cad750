package kmsfront

import (
	"context"
	"log/slog"

	"github.com/google/uuid"

	"hyok/kmsfront/api"
	"hyok/kmsfront/authz"
	"hyok/kmsfront/keystore"
	"hyok/kmsfront/material"
	"hyok/kmsfront/store"
)

// createKey makes a key of any origin but EXTERNAL (guide kms-core §5,
// kms-custom-key-stores §8). The material comes first, the record last: what
// fails in between leaves no key and, as far as the cluster answers, no
// material behind.
func (s *Server) createKey(ctx context.Context, r *request, in *api.CreateKeyRequest) (*api.CreateKeyResponse, error) {
	k, err := s.newKey(r, in)
	if err != nil {
		return nil, err
	}
	if err := s.roomForKey(r); err != nil {
		return nil, err
	}
	if k.StoreID == "" {
		if err := s.software.Generate(&k.Key); err != nil {
			return nil, err
		}
		err = s.commitKey(ctx, k)
	} else {
		err = s.createInStore(ctx, r, k)
	}
	if err != nil {
		return nil, err
	}
	r.key = k
	if k.Handle != "" { // of an external key there is nothing to add: guide 004:4521, 4594-4605
		r.extra.AdditionalEventData = map[string]any{"backingKey": backingKey(k, "")}
	}
	return &api.CreateKeyResponse{KeyMetadata: s.metadata(k)}, nil
}

// newKey checks the request's members against each other and gives the record.
func (s *Server) newKey(r *request, in *api.CreateKeyRequest) (*Key, error) {
	if err := checkNewKey(in); err != nil {
		return nil, err
	}
	tags, err := mergeTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	policy := in.Policy
	if policy == "" {
		policy = authz.DefaultKeyPolicy(r.Caller.Account, partition(r.Region))
	} else if err := authz.CheckPolicyDocument(policy); err != nil {
		return nil, err
	}
	id, err := uuid.NewRandomFromReader(s.random)
	if err != nil {
		return nil, err
	}
	k := &Key{
		Key: material.Key{
			ARN: arn(r.Caller.Account, r.Region, "key/"+id.String()), ID: id.String(),
			Account: r.Caller.Account, Region: r.Region,
			Spec: api.KeySpecSymmetricDefault, Origin: in.Origin,
			StoreID: in.CustomKeyStoreId, XksKeyID: in.XksKeyId,
		},
		Usage: api.KeyUsageTypeEncryptDecrypt, Description: in.Description,
		Policy: policy, Tags: tags, Created: s.clock.Now(),
	}
	if k.Origin == "" {
		k.Origin = api.OriginTypeAwsKms
	}
	k.Label = k.ARN
	return k, nil
}

// checkNewKey refuses combinations that the API knows not, and those that are
// not built yet, each by its name.
func checkNewKey(in *api.CreateKeyRequest) error {
	inStore := in.Origin == api.OriginTypeAwsCloudhsm || in.Origin == api.OriginTypeExternalKeyStore
	spec := in.KeySpec
	if spec == "" {
		spec = in.CustomerMasterKeySpec
	}
	switch {
	case in.KeySpec != "" && in.CustomerMasterKeySpec != "":
		return invalid("You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.")
	case inStore && in.CustomKeyStoreId == "":
		return invalid("Origin %s requires a CustomKeyStoreId.", in.Origin)
	case !inStore && in.CustomKeyStoreId != "":
		return invalid("CustomKeyStoreId is valid only when Origin is AWS_CLOUDHSM or EXTERNAL_KEY_STORE.")
	case in.Origin == api.OriginTypeExternalKeyStore && in.XksKeyId == "":
		return invalid("Origin EXTERNAL_KEY_STORE requires an XksKeyId.")
	case in.Origin != api.OriginTypeExternalKeyStore && in.XksKeyId != "":
		return invalid("XksKeyId is valid only when Origin is EXTERNAL_KEY_STORE.")
	case inStore && spec != "" && spec != api.KeySpecSymmetricDefault,
		inStore && in.KeyUsage != "" && in.KeyUsage != api.KeyUsageTypeEncryptDecrypt,
		inStore && isTrue(in.MultiRegion):
		return api.Errorf(api.CodeUnsupportedOperationException,
			"A custom key store holds single-Region symmetric encryption keys only.")
	case spec != "" && spec != api.KeySpecSymmetricDefault:
		return notYet("KeySpec " + spec)
	case in.KeyUsage != "" && in.KeyUsage != api.KeyUsageTypeEncryptDecrypt:
		return invalid("KeyUsage %s is not compatible with KeySpec SYMMETRIC_DEFAULT", in.KeyUsage)
	case isTrue(in.MultiRegion):
		return notYet("MultiRegion")
	case in.Origin == api.OriginTypeExternal:
		return notYet("Origin EXTERNAL (imported key material)")
	}
	return nil
}

func invalid(format string, args ...any) error {
	return api.Errorf(api.CodeValidationException, format, args...)
}

func notYet(what string) error {
	return api.Errorf(api.CodeUnsupportedOperationException, "%s is not built yet in this version of hyok.", what)
}

// roomForKey keeps the account's key quota (guide 004:23433-23435).
func (s *Server) roomForKey(r *request) error {
	limit, n := s.quotas.Resource("keys"), 0
	if limit <= 0 {
		return nil
	}
	for range s.keys.Scan(place(r.Caller.Account, r.Region), "") {
		if n++; n >= limit {
			return api.Errorf(api.CodeLimitExceededException,
				"You have reached the limit of %d KMS keys in this account and Region.", limit)
		}
	}
	return nil
}

func (s *Server) createInStore(ctx context.Context, r *request, k *Key) error {
	s.creating.RLock()
	defer s.creating.RUnlock()
	st, ok := s.stores.Get(k.StoreID)
	if !ok || st.Owner != r.owner() {
		return keystore.NotFound(k.StoreID)
	}
	if st.Type != k.Origin { // the two enumerations share their names
		return invalid("Origin %s does not match the type of the custom key store, %s.", k.Origin, st.Type)
	}
	req := material.Request{Operation: r.Op.Name, RequestID: r.RequestID, PrincipalARN: r.Caller.ARN}
	made, err := s.stores.Prepare(ctx, k.StoreID, &k.Key, req)
	if err != nil {
		return err
	}
	defer made.Release()
	k.ClusterID, k.Handle, k.BackingKeyID = made.ClusterID, made.KeyHandle, made.BackingID
	if k.Origin == api.OriginTypeExternalKeyStore {
		err = s.software.Generate(&k.Key) // the inner layer's material
	}
	if err == nil {
		err = s.commitKey(ctx, k)
	}
	if err != nil {
		s.discard(ctx, k)
	}
	return err
}

// commitKey stores a new key and, for an external key, its claim on the ID.
func (s *Server) commitKey(ctx context.Context, k *Key) error {
	return store.Update(ctx, s.store, func(tx *store.Tx) error {
		if k.XksKeyID != "" {
			claim := claimKey(k.StoreID, k.XksKeyID)
			if _, taken := s.external.Read(tx, claim); taken {
				return keystore.KeyInUse(k.XksKeyID)
			}
			if err := s.external.Put(tx, claim, &ExternalKey{KeyARN: k.ARN}); err != nil {
				return err
			}
		}
		return s.keys.Put(tx, k.recordKey(), k)
	})
}

// claimKey is the record key of the claim on an external key.
func claimKey(storeID, xksKeyID string) string { return storeID + "/" + xksKeyID }

// discard deletes a key's material in its cluster, and reports whether it is
// gone. Where the cluster does not answer it is orphaned, and the log says so.
func (s *Server) discard(ctx context.Context, k *Key) bool {
	if k.Origin != api.OriginTypeAwsCloudhsm {
		return true
	}
	err := s.stores.Discard(ctx, k.StoreID, &k.Key)
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "key material is left behind in the cluster",
			slog.String("key", k.ARN), slog.String("keyStore", k.StoreID), slog.Any("error", err))
	}
	return err == nil
}

func (r *request) owner() keystore.Owner {
	return keystore.Owner{Account: r.Caller.Account, Region: r.Region}
}
