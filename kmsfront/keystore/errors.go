package keystore

import "hyok/kmsfront/api"

// NotFound is the error for a key store that does not exist, or not for this
// account and Region (guide 004:18690, 21866-21880).
func NotFound(storeID string) error {
	return api.Errorf(api.CodeCustomKeyStoreNotFoundException, msgNotFound, storeID)
}

// KeyInUse is the error for an external key that another KMS key of the key
// store has (guide 004:22783).
func KeyInUse(xksKeyID string) error {
	return api.Errorf(api.CodeXksKeyAlreadyInUseException, msgKeyInUse, xksKeyID)
}

// unavailable is the error of cryptography while the key store is not
// connected: M-01.
func unavailable(keyARN string) error {
	return api.Errorf(api.CodeKMSInvalidStateException, msgUnavailable, keyARN)
}

func invalid(format string, args ...any) error {
	return api.Errorf(api.CodeValidationException, format, args...)
}
