package kmsfront

import (
	"strings"
	"time"

	"hyok/kmsfront/api"
	"hyok/kmsfront/material"
)

// A Key is the record of one KMS key. A record is never changed in place: who
// changes a key writes a changed copy.
type Key struct {
	material.Key
	Usage       string
	Description string
	Policy      string
	Tags        []api.Tag
	Disabled    bool // by DisableKey; a cancelled deletion sets it too
	Created     time.Time
	// DeletionDate is when the waiting period ends; zero: none was scheduled.
	DeletionDate time.Time
	// ClusterID is the CloudHSM cluster behind the key's store at creation.
	ClusterID string
	// Handle and BackingKeyID name the key material in its cluster.
	Handle, BackingKeyID string
}

// An Alias is the record of one alias, kept under the account, Region and name.
type Alias struct {
	Name, ARN        string
	Account, Region  string
	TargetKeyID      string
	Created, Updated time.Time
}

// An ExternalKey marks an external key ID as taken within its key store, so
// that two keys never share one (guide 004:22783).
type ExternalKey struct{ KeyARN string }

// place is the prefix under which an account's records of a Region are kept.
func place(account, region string) string { return account + "/" + region + "/" }

func recordKey(account, region, id string) string { return account + "/" + region + "/" + id }

func (k *Key) recordKey() string { return recordKey(k.Account, k.Region, k.ID) }

func (a *Alias) recordKey() string { return recordKey(a.Account, a.Region, a.Name) }

// target is the record key of the KMS key that the alias names.
func (a *Alias) target() string { return recordKey(a.Account, a.Region, a.TargetKeyID) }

// materialID is the KeyMaterialId of a version; empty if there is none such.
func (k *Key) materialID(version uint32) string {
	for _, v := range k.Versions {
		if v.Number == version {
			return v.ID
		}
	}
	return ""
}

// partition is the AWS partition of a Region.
func partition(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "aws-cn"
	}
	return "aws"
}

func arn(account, region, resource string) string {
	return "arn:" + partition(region) + ":kms:" + region + ":" + account + ":" + resource
}

// state is the key's state as callers see it. PendingDeletion goes before
// Unavailable (guide 004:8636), and that before Disabled (custom-key-stores
// conflict 32).
func (s *Server) state(k *Key) string {
	switch {
	case !k.DeletionDate.IsZero():
		return api.KeyStatePendingDeletion
	case k.StoreID != "" && !s.stores.Connected(k.StoreID):
		return api.KeyStateUnavailable
	case k.Disabled:
		return api.KeyStateDisabled
	default:
		return api.KeyStateEnabled
	}
}

// metadata is what CreateKey and DescribeKey answer (guide kms-core CK-10).
func (s *Server) metadata(k *Key) *api.KeyMetadata {
	state := s.state(k)
	multiRegion := false
	m := &api.KeyMetadata{
		AWSAccountId: k.Account, KeyId: k.ID, Arn: k.ARN, CreationDate: k.Created,
		Enabled: state == api.KeyStateEnabled, Description: k.Description,
		KeyUsage: k.Usage, KeyState: state, Origin: k.Origin, KeyManager: api.KeyManagerTypeCustomer,
		CustomerMasterKeySpec: k.Spec, KeySpec: k.Spec,
		EncryptionAlgorithms: []string{api.EncryptionAlgorithmSpecSymmetricDefault},
		MultiRegion:          &multiRegion, DeletionDate: k.DeletionDate,
		CustomKeyStoreId: k.StoreID,
	}
	switch k.Origin {
	case api.OriginTypeAwsKms:
		m.CurrentKeyMaterialId = k.materialID(k.Current)
	case api.OriginTypeAwsCloudhsm:
		m.CloudHsmClusterId = k.ClusterID
		if store, ok := s.stores.Get(k.StoreID); ok { // follows a cluster swap (CK-12)
			m.CloudHsmClusterId = store.ClusterID
		}
	case api.OriginTypeExternalKeyStore:
		m.XksKeyConfiguration = &api.XksKeyConfigurationType{Id: k.XksKeyID}
	}
	return m
}
