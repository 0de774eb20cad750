package xks

// The wire of a simulated CloudHSM cluster: POST with a JSON body to
// /cluster/<id>/v1/<operation>, signed like the XKS operations. It is this
// house's own API, not one of AWS: what reaches a real cluster is its client
// library. Byte strings are standard base64; errors have the body of the XKS
// protocol with the names below.

// The path of an operation is ClusterPathPrefix, the cluster's ID,
// ClusterVersion and the operation.
const (
	ClusterPathPrefix = "/cluster/"
	ClusterVersion    = "/v1/"
)

// Operations of a cluster, the last element of the path.
const (
	ClusterOpDescribe   = "describe"
	ClusterOpAttach     = "attach"
	ClusterOpDetach     = "detach"
	ClusterOpConnect    = "connect"
	ClusterOpDisconnect = "disconnect"
	ClusterOpCreateKey  = "createKey"
	ClusterOpDeleteKey  = "deleteKey"
	ClusterOpListKeys   = "listKeys"
	ClusterOpRandom     = "random"
	ClusterOpEncrypt    = "encrypt"
	ClusterOpDecrypt    = "decrypt"
)

// States of a cluster and of its HSMs, as the CloudHSM v2 API names them.
const (
	ClusterStateActive = "ACTIVE"
	HSMStateActive     = "ACTIVE"
)

// ClusterDescription is the answer to describe.
type ClusterDescription struct {
	ClusterID string `json:"clusterId"`
	// Account and Region that the cluster belongs to; empty: whoever knows of it.
	Account string `json:"account,omitzero"`
	Region  string `json:"region,omitzero"`
	// State is ClusterStateActive or another state of the CloudHSM v2 API.
	State string `json:"state"`
	// TrustAnchor is customerCA.crt, PEM.
	TrustAnchor string `json:"trustAnchor"`
	// Certificate identifies the backup history: clusters restored from one
	// another's backups share it (guide 004:18594-18596).
	Certificate string       `json:"certificate"`
	HSMs        []ClusterHSM `json:"hsms"`
	// Subnets are those of the cluster's subnets that exist.
	Subnets []ClusterSubnet `json:"subnets"`
	// SecurityGroupOpen: the cluster's security group lets TCP ports 2223 to 2225
	// pass from and to itself (guide 004:18602).
	SecurityGroupOpen bool `json:"securityGroupOpen"`
}

// ClusterSubnet is a private subnet of a cluster.
type ClusterSubnet struct {
	ID   string `json:"id"`
	Zone string `json:"zone"`
}

// ClusterHSM is one HSM of a cluster.
type ClusterHSM struct {
	ID    string `json:"id"`
	Zone  string `json:"zone"`
	State string `json:"state"`
}

// ClusterAttachRequest names a key store: attach makes its security group and a
// network interface in each subnet of the cluster, detach removes them (guide
// 004:18883-18889, 18910).
type ClusterAttachRequest struct {
	KeyStoreID string `json:"keyStoreId"`
}

// ClusterConnectRequest logs in as kmsuser. One login is made with Password;
// when NewPassword is not empty it becomes kmsuser's password. Both are 7 to
// 32 alphanumeric characters (guide 004:18623).
type ClusterConnectRequest struct {
	Password    string `json:"password"`
	NewPassword string `json:"newPassword,omitzero"`
}

// ClusterKeyRequest names a key by its label, 1 to 2048 bytes: createKey and
// deleteKey.
type ClusterKeyRequest struct {
	Label string `json:"label"`
}

// ClusterKey is a key of the cluster.
type ClusterKey struct {
	Label string `json:"label"`
	// Handle is the key handle in decimal, BackingID the key's CKA_ID in hex:
	// the keyHandle and backingKeyId of CloudTrail (guide 004:4521).
	Handle    string `json:"keyHandle"`
	BackingID string `json:"backingKeyId"`
}

// ClusterListKeysRequest asks for the keys whose labels come after After in the
// order of bytes, at most ClusterPage of them; empty: from the first.
type ClusterListKeysRequest struct {
	After string `json:"after,omitzero"`
}

// ClusterKeys is the answer to listKeys, in the order of the labels.
type ClusterKeys struct {
	Keys []ClusterKey `json:"keys"`
	More bool         `json:"more"` // there are keys after the last of these
}

// ClusterRandomRequest asks for 1 to 1024 random bytes.
type ClusterRandomRequest struct {
	NumberOfBytes int `json:"numberOfBytes"`
}

// ClusterRandomResponse is the answer to random.
type ClusterRandomResponse struct {
	Bytes []byte `json:"bytes"`
}

// ClusterEncryptRequest encrypts with AES-GCM under the key with this label.
// Plaintext is at most 8192 bytes, AAD at most 16384.
type ClusterEncryptRequest struct {
	Label     string `json:"label"`
	Plaintext []byte `json:"plaintext"`
	AAD       []byte `json:"aad,omitzero"`
}

// ClusterSealed is the answer to encrypt: 12 bytes of IV, as many bytes of
// ciphertext as there were of plaintext, 16 bytes of tag.
type ClusterSealed struct {
	IV         []byte `json:"iv"`
	Ciphertext []byte `json:"ciphertext"`
	Tag        []byte `json:"tag"`
}

// ClusterDecryptRequest opens what encrypt gave.
type ClusterDecryptRequest struct {
	Label      string `json:"label"`
	IV         []byte `json:"iv"`
	Ciphertext []byte `json:"ciphertext"`
	Tag        []byte `json:"tag"`
	AAD        []byte `json:"aad,omitzero"`
}

// ClusterDecryptResponse is the answer to decrypt.
type ClusterDecryptResponse struct {
	Plaintext []byte `json:"plaintext"`
}

// ClusterEmpty is a body without members.
type ClusterEmpty struct{}

// Sizes that the cluster holds requests to.
const (
	ClusterMaxLabel     = 2048
	ClusterMaxRandom    = 1024
	ClusterMaxPlaintext = 8192
	ClusterMaxAAD       = 16384
	ClusterMaxBody      = 128 << 10
	ClusterPage         = 20 // labels of ClusterMaxLabel still fit in the client's 64 KiB
)

// ClusterErrorName is an error name of the cluster API.
type ClusterErrorName string

// The error names of the cluster API.
const (
	ClusterAuthenticationFailed ClusterErrorName = "AuthenticationFailedException"
	ClusterInvalidRequest       ClusterErrorName = "ValidationException"
	ClusterTooLarge             ClusterErrorName = "RequestTooLargeException"
	ClusterNoSuchOperation      ClusterErrorName = "UnsupportedOperationException"
	// ClusterWrongPassword: kmsuser's password is another.
	ClusterWrongPassword ClusterErrorName = "WrongPasswordException"
	// ClusterLockedOut: kmsuser is locked after too many wrong passwords.
	ClusterLockedOut ClusterErrorName = "UserLockedOutException"
	// ClusterNotLoggedIn: nobody is logged in as kmsuser, connect first.
	ClusterNotLoggedIn ClusterErrorName = "NotLoggedInException"
	ClusterKeyNotFound ClusterErrorName = "KeyNotFoundException"
	ClusterKeyExists   ClusterErrorName = "KeyExistsException"
	// ClusterKeyUnusable: disabled, without the usage, or not unique.
	ClusterKeyUnusable       ClusterErrorName = "KeyUnusableException"
	ClusterInvalidCiphertext ClusterErrorName = "InvalidCiphertextException"
	// ClusterNoSession: no PKCS#11 session became free in time.
	ClusterNoSession ClusterErrorName = "NoSessionException"
	// ClusterUnavailable: the HSMs do not answer.
	ClusterUnavailable ClusterErrorName = "HsmUnavailableException"
	ClusterInternal    ClusterErrorName = "InternalException"
	// ClusterNotFound: no cluster has this ID, or not any more.
	ClusterNotFound ClusterErrorName = "ClusterNotFoundException"
	// ClusterNoHSM: no HSM of the cluster is active.
	ClusterNoHSM ClusterErrorName = "InsufficientHsmsException"
	// ClusterSubnetNotFound: a subnet of the cluster is gone; ClusterNoAddress: one has no free address.
	ClusterSubnetNotFound ClusterErrorName = "SubnetNotFoundException"
	ClusterNoAddress      ClusterErrorName = "InsufficientFreeAddressesException"
	// ClusterUserNotFound: there is no kmsuser; ClusterUserLoggedIn: it is logged in elsewhere.
	ClusterUserNotFound ClusterErrorName = "UserNotFoundException"
	ClusterUserLoggedIn ClusterErrorName = "UserLoggedInException"
	// ClusterBusy: the cluster has too much other work.
	ClusterBusy ClusterErrorName = "ClusterBusyException"
)

// ClusterErrorStatus maps each error name to its HTTP status.
var ClusterErrorStatus = map[ClusterErrorName]int{
	ClusterAuthenticationFailed: 401,
	ClusterInvalidRequest:       400,
	ClusterTooLarge:             413,
	ClusterNoSuchOperation:      404,
	ClusterWrongPassword:        403,
	ClusterLockedOut:            403,
	ClusterNotLoggedIn:          409,
	ClusterKeyNotFound:          404,
	ClusterKeyExists:            409,
	ClusterKeyUnusable:          400,
	ClusterInvalidCiphertext:    400,
	ClusterNoSession:            503,
	ClusterUnavailable:          503,
	ClusterInternal:             500,
	ClusterNotFound:             404,
	ClusterNoHSM:                503,
	ClusterSubnetNotFound:       409,
	ClusterNoAddress:            409,
	ClusterUserNotFound:         403,
	ClusterUserLoggedIn:         409,
	ClusterBusy:                 429,
}

// ClusterError is an error answer of a cluster.
type ClusterError struct {
	Name    ClusterErrorName `json:"errorName"`
	Message string           `json:"errorMessage,omitzero"`
}

// Error is the name and the message.
func (e *ClusterError) Error() string { return string(e.Name) + ": " + e.Message }
