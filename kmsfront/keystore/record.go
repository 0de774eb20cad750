package keystore

import (
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"time"

	"hyok/kmsfront/api"
)

// Owner is the account and Region that a key store belongs to (guide 004:18690).
type Owner struct{ Account, Region string }

// key is the form of an Owner in keys of the store; neither part has a slash.
func (o Owner) key() string { return o.Account + "/" + o.Region }

// Record is a custom key store as the store keeps it. Records are not changed:
// a change is a new record.
type Record struct {
	ID, Name string
	Type     string // api.CustomKeyStoreTypeAwsCloudhsm or …ExternalKeyStore
	Owner    Owner
	Created  time.Time
	// State is the connection state, ErrorCode its ConnectionErrorCode, in FAILED only.
	State, ErrorCode string
	// Attempt numbers the steps that connect and disconnect; the result of an
	// older one is dropped. RequestID is the request that asked for the step.
	Attempt   uint64
	RequestID string
	// Version grows with every change.
	Version   uint64
	Proxy     *Proxy   // EXTERNAL_KEY_STORE only
	ClusterID string   // AWS_CLOUDHSM only: the cluster that backs it
	Cluster   *Cluster // AWS_CLOUDHSM only: what KMS keeps of it
}

// Proxy says how an external key store proxy is reached.
type Proxy struct {
	Connectivity      string // an api.XksProxyConnectivityType…
	Endpoint, Path    string // https://host and the path that ends with /kms/xks/v1
	Service           string // name of the VPC endpoint service; empty: a public endpoint
	ServiceOwner      string // its account, when the caller named one
	AccessKeyID       string
	Secret            secret
	CredentialCreated time.Time // when KMS was given the credential (metric XksProxyCredentialAge)
}

// Cluster is what KMS keeps of the cluster behind an AWS CloudHSM key store.
type Cluster struct {
	TrustAnchor string // as the caller gave it
	// Certificate is the cluster's, by which relatives are known (guide 004:18594-18596).
	Certificate string
	// Given is the password that the caller last named, by which a repeated
	// Create is recognised; Password is kmsuser's now; Next the one that a
	// connecting step is about to set, kept until it is known whether it did.
	Given, Password, Next secret
}

// External tells whether r is an external key store.
func (r *Record) External() bool { return r.Type == api.CustomKeyStoreTypeExternalKeyStore }

func (r *Record) clone() *Record {
	n := *r
	if r.Proxy != nil {
		p := *r.Proxy
		n.Proxy = &p
	}
	if r.Cluster != nil {
		c := *r.Cluster
		n.Cluster = &c
	}
	return &n
}

// A secret shows itself to nobody but the store, which seals every record.
type secret string

const redacted = "[redacted]"

func (secret) String() string       { return redacted }
func (secret) GoString() string     { return redacted }
func (secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// newID makes a key store ID of the form that the guide's samples have (guide 004:18678).
func newID() string {
	var b [9]byte
	rand.Read(b[:])
	return "cks-" + hex.EncodeToString(b[:])[:17]
}

// newPassword draws an alphanumeric password of the greatest length that
// kmsuser's can have (guide 004:18623), with 160 bits of chance.
func newPassword() secret {
	const size = 32
	return secret((rand.Text() + rand.Text())[:size])
}
