// Package xks is the XKS Proxy API v1 as both sides see it: the bodies, the error
// names, what the device authenticates, and the client that KMS is.
//
// The client speaks HTTP/1.1 over TLS by itself: one attempt is one request on
// one connection under one deadline, and nothing is sent twice unless the rules
// of KMS say so. That is what the standard client cannot promise; it also costs
// a third less processor time a call. Bodies are decoded strictly.
//
// Limits: requests of the client are buffered whole and answers are at most
// 64 KiB; Unix only, since a connection's end is looked for on its socket. The
// cluster types beside are this house's own, for simulated CloudHSM clusters.
package xks

// Sizes of the protocol, in decoded bytes (XKS facts 52 to 56).
const (
	// MaxPlaintext is the largest plaintext a proxy must accept, and the
	// largest ciphertext on Decrypt.
	MaxPlaintext = 4300
	// MaxAAD is the most additional authenticated data a proxy must accept.
	MaxAAD = 8192
	// MaxMetadata is the most ciphertext metadata the protocol allows.
	MaxMetadata = 20
	// IVSize is the usual length of an initialization vector; LongIVSize the
	// only other one allowed.
	IVSize     = 12
	LongIVSize = 16
	// TagSize is the length of an authentication tag.
	TagSize = 16
	// IntegrityValueSize is the length of a ciphertext data integrity value.
	IntegrityValueSize = 32
)

// Names and values that requests and answers carry (XKS facts 57 to 73).
const (
	// Service is the service in the scope of a signature (XKS fact 29).
	Service = "kms-xks-proxy"

	AlgorithmAESGCM = "AES_GCM" // encryptionAlgorithm
	AlgorithmSHA256 = "SHA_256" // ciphertextDataIntegrityValueAlgorithm

	KeySpecAES256 = "AES_256" // keySpec, the only one that KMS takes
	UsageEncrypt  = "ENCRYPT" // keyUsage
	UsageDecrypt  = "DECRYPT"

	StatusEnabled  = "ENABLED" // keyStatus
	StatusDisabled = "DISABLED"

	HealthActive      = "ACTIVE"      // healthStatus
	HealthDegraded    = "DEGRADED"    // unhealthy, but serving
	HealthUnavailable = "UNAVAILABLE" // not serving
)

// Operations of the proxy, as faults, metrics and logs name them.
const (
	OpGetKeyMetadata  = "GetKeyMetadata"
	OpEncrypt         = "Encrypt"
	OpDecrypt         = "Decrypt"
	OpGetHealthStatus = "GetHealthStatus"
)

// BasePath follows the prefix of a key store in every path (XKS fact 17).
const BasePath = "/kms/xks/v1"

// RequestMetadata says who asks and why (XKS facts 1.6). What is required
// depends on the operation: GetHealthStatus has KMSOperation and KMSRequestID
// alone, GetKeyMetadata no KMSKeyArn.
type RequestMetadata struct {
	// AWSPrincipalArn is the KMS caller; for AWS services a service principal
	// or "AWS Internal", so not always an ARN.
	AWSPrincipalArn string `json:"awsPrincipalArn,omitzero"`
	AWSSourceVpc    string `json:"awsSourceVpc,omitzero"`
	AWSSourceVpce   string `json:"awsSourceVpce,omitzero"`
	KMSKeyArn       string `json:"kmsKeyArn,omitzero"`
	// KMSOperation is the KMS operation behind the call, an open set.
	KMSOperation string `json:"kmsOperation,omitzero"`
	// KMSRequestID is opaque; CloudTrail has the same.
	KMSRequestID  string `json:"kmsRequestId,omitzero"`
	KMSViaService string `json:"kmsViaService,omitzero"`
}

// GetKeyMetadataRequest asks what an external key can do.
type GetKeyMetadataRequest struct {
	RequestMetadata RequestMetadata `json:"requestMetadata"`
}

// GetKeyMetadataResponse describes an external key.
type GetKeyMetadataResponse struct {
	KeySpec   string   `json:"keySpec"`
	KeyUsage  []string `json:"keyUsage"` // at most ten values
	KeyStatus string   `json:"keyStatus"`
}

// EncryptRequest asks for a plaintext to be encrypted under an external key.
// A nil byte slice is an absent member, an empty one is sent as "".
type EncryptRequest struct {
	RequestMetadata RequestMetadata `json:"requestMetadata"`
	// AdditionalAuthenticatedData may be nil.
	AdditionalAuthenticatedData []byte `json:"additionalAuthenticatedData,omitzero"`
	Plaintext                   []byte `json:"plaintext,omitzero"`
	// EncryptionAlgorithm is AlgorithmAESGCM.
	EncryptionAlgorithm string `json:"encryptionAlgorithm,omitzero"`
	// CiphertextDataIntegrityValueAlgorithm is empty or AlgorithmSHA256.
	CiphertextDataIntegrityValueAlgorithm string `json:"ciphertextDataIntegrityValueAlgorithm,omitzero"`
}

// EncryptResponse is all that is needed to decrypt again.
type EncryptResponse struct {
	AuthenticationTag []byte `json:"authenticationTag"`
	Ciphertext        []byte `json:"ciphertext"`
	// CiphertextDataIntegrityValue is there when it was asked for (XKS fact 80).
	CiphertextDataIntegrityValue []byte `json:"ciphertextDataIntegrityValue,omitzero"`
	// CiphertextMetadata is at most MaxMetadata bytes of the proxy's own.
	CiphertextMetadata   []byte `json:"ciphertextMetadata,omitzero"`
	InitializationVector []byte `json:"initializationVector"`
}

// DecryptRequest hands back what Encrypt gave.
type DecryptRequest struct {
	RequestMetadata             RequestMetadata `json:"requestMetadata"`
	AdditionalAuthenticatedData []byte          `json:"additionalAuthenticatedData,omitzero"`
	AuthenticationTag           []byte          `json:"authenticationTag,omitzero"`
	Ciphertext                  []byte          `json:"ciphertext,omitzero"`
	CiphertextMetadata          []byte          `json:"ciphertextMetadata,omitzero"`
	EncryptionAlgorithm         string          `json:"encryptionAlgorithm,omitzero"`
	InitializationVector        []byte          `json:"initializationVector,omitzero"`
}

// DecryptResponse holds the plaintext, as long as the ciphertext was.
type DecryptResponse struct {
	Plaintext []byte `json:"plaintext"`
}

// GetHealthStatusRequest asks how the proxy and its devices are.
type GetHealthStatusRequest struct {
	RequestMetadata RequestMetadata `json:"requestMetadata"`
}

// GetHealthStatusResponse names the proxy and the devices behind it.
type GetHealthStatusResponse struct {
	XksProxyFleetSize int              `json:"xksProxyFleetSize"` // above zero
	XksProxyVendor    string           `json:"xksProxyVendor"`
	XksProxyModel     string           `json:"xksProxyModel"` // with the version
	EkmVendor         string           `json:"ekmVendor"`
	EkmFleetDetails   []EKMFleetDetail `json:"ekmFleetDetails"` // 1 to 10
}

// EKMFleetDetail is the health of one external key manager.
type EKMFleetDetail struct {
	ID           string `json:"id"`
	Model        string `json:"model"`
	HealthStatus string `json:"healthStatus"`
}
