package proxy

import "hyok/proxy/xks"

var (
	errAlgorithm          = failure(xks.ValidationException, "encryptionAlgorithm must be AES_GCM")
	errIntegrityAlgorithm = failure(xks.ValidationException, "ciphertextDataIntegrityValueAlgorithm must be SHA_256")
	errPlaintextAbsent    = failure(xks.ValidationException, "plaintext is missing")
	errPlaintextSize      = failure(xks.UnsupportedOperationException, "plaintext is longer than 4300 bytes")
	errCiphertextAbsent   = failure(xks.ValidationException, "ciphertext is missing")
	errCiphertextSize     = failure(xks.UnsupportedOperationException, "ciphertext is longer than 4300 bytes")
	errIVAbsent           = failure(xks.ValidationException, "initializationVector is missing")
	errIVSize             = failure(xks.InvalidCiphertextException, "initializationVector must have 12 or 16 bytes")
	errTagAbsent          = failure(xks.ValidationException, "authenticationTag is missing")
	errTagSize            = failure(xks.InvalidCiphertextException, "authenticationTag must have 16 bytes")
	errAADSize            = failure(xks.UnsupportedOperationException, "additionalAuthenticatedData is longer than 8192 bytes")
	errMetadata           = failure(xks.InvalidCiphertextException, "ciphertextMetadata is not of a form that this proxy writes")
)

// checkEncrypt checks the fields of Encrypt (XKS facts 52 to 55, 64, 65): nil
// when all is well.
func checkEncrypt(r *xks.EncryptRequest) *refusal {
	switch integrity := r.CiphertextDataIntegrityValueAlgorithm; {
	case r.EncryptionAlgorithm != xks.AlgorithmAESGCM:
		return errAlgorithm
	case integrity != "" && integrity != xks.AlgorithmSHA256:
		return errIntegrityAlgorithm
	case r.Plaintext == nil:
		return errPlaintextAbsent
	case len(r.Plaintext) > xks.MaxPlaintext:
		return errPlaintextSize
	case len(r.AdditionalAuthenticatedData) > xks.MaxAAD:
		return errAADSize
	}
	return nil
}

// checkDecrypt checks the fields of Decrypt (XKS facts 54, 55, 68): nil when
// all is well. A member that is not there is a fault of the request, one of the
// wrong length a fault of the ciphertext; so is metadata, which formOf reads.
func checkDecrypt(r *xks.DecryptRequest) *refusal {
	switch iv := len(r.InitializationVector); {
	case r.EncryptionAlgorithm != xks.AlgorithmAESGCM:
		return errAlgorithm
	case r.Ciphertext == nil:
		return errCiphertextAbsent
	case r.InitializationVector == nil:
		return errIVAbsent
	case r.AuthenticationTag == nil:
		return errTagAbsent
	case len(r.Ciphertext) > xks.MaxPlaintext:
		return errCiphertextSize
	case len(r.AdditionalAuthenticatedData) > xks.MaxAAD:
		return errAADSize
	case iv != xks.IVSize && iv != xks.LongIVSize:
		return errIVSize
	case len(r.AuthenticationTag) != xks.TagSize:
		return errTagSize
	}
	return nil
}
