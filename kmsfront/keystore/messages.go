package keystore

// Messages of the guide, word for word: callers match on them. M-nn are the
// numbers of the catalogue in custom-key-stores §11, the references lines of guide 004.
const (
	// M-01, 004:8634; key ARN
	msgUnavailable = "%s is unavailable. You cannot perform this operation on an unavailable KMS key."
	// M-02, 004:22473
	msgURIPath = "The external key store proxy rejected the request because of an invalid URI path. Verify the URI path for your external key store and update if necessary."
	// M-03, 004:22480
	msgTLS = "AWS KMS cannot establish a TLS connection to the external key store proxy. Verify the TLS configuration, including its certificate."
	// M-04, 004:21477
	msgInternal = "The external key store proxy rejected the request because it cannot communicate with the external key manager. Verify that the external key store proxy configuration is correct and that the external key manager is available."
	// M-05, 004:21488
	msgThrottled = "The external key store proxy rejected the request due to a very high request rate. Reduce the frequency of your calls using KMS keys in this external key store."
	// M-06, 004:22632
	msgUnreachable = "AWS KMS cannot communicate with the external key store proxy. This might be a transient network issue. If you see this error repeatedly, verify that your external key store proxy is active and is connected to the network, and that its endpoint URI is correct in your external key store."
	// M-07, 004:22666-22673
	msgTimedOut = "AWS KMS rejected the request because the external key store proxy did not respond in time. Retry the request. If you see this error repeatedly, report it to your external key store proxy administrator."
	// M-08, 004:22688
	msgDependency = "The external key store proxy did not respond to the request in the time allotted. Retry the request. If you see this error repeatedly, report it to your external key store proxy administrator."
	// M-09, 004:22709
	msgAuthentication = "The external key store proxy rejected the request because it could not authenticate AWS KMS. Verify the credentials for your external key store and update if necessary."
	// M-10, 004:22929
	msgAccessDenied = "The external key store proxy denied access to the operation. Verify that the user and the external key are both authorized for this operation, and try the request again."
	// M-11, 004:22791
	msgKeyNotFound = "The external key store proxy rejected the request because it could not find the external key."
	// M-12, 004:22808
	msgKeySpec = "The key spec of the external key must be AES_256. The key spec of specified external key is %s."
	// M-13, 004:22814
	msgKeyStatus = "The status of the external key must be ENABLED. The status of specified external key is %s."
	// M-14, 004:22818
	msgKeyUsage = "The key usage of the external key must include ENCRYPT and DECRYPT. The key use of specified external key is %s."
	// M-15, 004:22857
	msgUsageRefused = "The external key store proxy rejected the request because the external key does not support the requested operation."
	// M-16, 004:22861
	msgKeyDisabled = "The external key store proxy rejected the request because the external key is not enabled in the external key manager."
	// M-17, 004:22752
	msgCiphertext = "The external key store proxy rejected the request because the specified ciphertext or additional authenticated data is corrupted, missing, or otherwise invalid."
	// M-18, 004:22879
	msgUnhealthy = "The external key store proxy is in an unhealthy state. If you see this message repeatedly, notify your external key store proxy administrator."
	// M-19, 004:22889
	msgResponse = "AWS KMS cannot interpret the response from the external key store proxy. If you see this error repeatedly, consult your external key store proxy administrator."
	// M-20, 004:22899
	msgUnsupported = "The external key store proxy rejected the request because it does not support the requested cryptographic operation."
	// M-21, 004:19774
	msgClusterNetwork = "KMS cannot communicate with your CloudHSM cluster. This might be a transient network issue. If you see this error repeatedly, verify that the Network ACLs and the security group rules for the VPC of your AWS CloudHSM cluster are correct."
	// M-22, 004:19781
	msgLockedOut = "KMS cannot communicate with your AWS CloudHSM cluster because the kmsuser is locked out. If you see this error repeatedly, disconnect the AWS CloudHSM key store and reset the kmsuser account password. Update the kmsuser password for the custom key store and try the request again."
	// M-23, 004:22761
	msgInner = "The ciphertext that the external key store proxy submitted for decryption, or the encryption context, is corrupted, missing, or otherwise invalid."
)

// Messages for which the guide has no text.
const (
	msgNotFound      = "Custom key store %s does not exist."
	msgNameNotFound  = "A custom key store with the name %s does not exist."
	msgState         = "The custom key store %s has the connection state %s, which does not allow %s."
	msgNameInUse     = "A custom key store with the name %s exists in this account and Region."
	msgHasKeys       = "The custom key store %s contains KMS keys. Delete them, and wait until their waiting periods are over, before you delete the key store."
	msgLimit         = "The account has %d custom key stores in this Region, which is the quota."
	msgURIInUse      = "The proxy URI endpoint and path belong to the external key store %s of this account and Region."
	msgClusterAbsent = "AWS KMS cannot find an AWS CloudHSM cluster with the ID %s in this account and Region."
	msgClusterInUse  = "The AWS CloudHSM cluster %s, or one that shares its backup history, is associated with the custom key store %s."
	msgClusterState  = "The AWS CloudHSM cluster %s is not active. Its state is %s."
	msgClusterHSMs   = "The AWS CloudHSM cluster %s needs at least two active HSMs in different Availability Zones."
	msgClusterSubnet = "The AWS CloudHSM cluster %s needs private subnets in at least two Availability Zones."
	msgClusterGroup  = "The security group of the AWS CloudHSM cluster %s must allow TCP traffic on the ports 2223-2225, in and out, with itself as source and destination."
	msgBusy          = "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls." // M-24, 004:23687
	msgNotRelated    = "The AWS CloudHSM cluster %s does not share a backup history with the cluster that the custom key store was created with."
	msgTrustAnchor   = "The trust anchor certificate is not the one of the AWS CloudHSM cluster %s."
	msgClusterFault  = "AWS KMS could not complete the request because of an internal error of the AWS CloudHSM cluster. Retry the request."
	msgNoSession     = "The AWS CloudHSM cluster has no PKCS #11 session available. Back off and retry the request."
	msgMaterialGone  = "The key material of the KMS key is not in the AWS CloudHSM cluster of its custom key store."
	msgMaterialOff   = "The AWS CloudHSM cluster refuses to use the key material of the KMS key."
	msgKeyInUse      = "The external key %s is in use by another KMS key in the custom key store."
	msgRandomXks     = "GenerateRandom does not work with an external key store."
	msgService       = "AWS KMS cannot use the VPC endpoint service %s: %s."
	msgServiceInUse  = "The VPC endpoint service %s belongs to another external key store of this Region."
	msgEndpointInUse = "The proxy URI endpoint %s belongs to another external key store of this Region, and a VPC endpoint service's is not shared."
)
