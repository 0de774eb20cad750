package xks

import (
	"fmt"
	"strings"
)

// Lengths of a URI and its parts (XKS facts 19 to 22).
const (
	MaxURI   = 256
	MaxPath  = 128 // prefix and BasePath
	MaxKeyID = 128
)

// The ends of the operations' paths (XKS fact 18).
const (
	pathKeys     = "/keys/"
	pathHealth   = "/health"
	endMetadata  = "/metadata"
	endEncrypt   = "/encrypt"
	endDecrypt   = "/decrypt"
	pathVersions = "/kms/xks/v"
)

// ValidKeyID reports whether id can be an external key ID: 1 to 128 of
// A–Z, a–z, 0–9, ".", "_", "-" (XKS fact 22). "." and ".." are among them.
func ValidKeyID(id string) bool {
	if id == "" || len(id) > MaxKeyID {
		return false
	}
	for i := range len(id) {
		if c := id[i]; !isAlphanumeric(c) && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// CheckPrefix checks the part of a key store's path before BasePath: empty, or
// "/" and A–Z, a–z, 0–9, "/", "_", "-" (XKS fact 19).
func CheckPrefix(prefix string) error {
	switch {
	case prefix == "":
		return nil
	case len(prefix) > MaxPath-len(BasePath):
		return fmt.Errorf("path prefix has %d characters, at most %d are allowed", len(prefix), MaxPath-len(BasePath))
	case prefix[0] != '/' || prefix == "/" || strings.HasSuffix(prefix, "/"):
		return fmt.Errorf("path prefix %q must begin with a slash and not end with one", prefix)
	}
	for i := range len(prefix) {
		if c := prefix[i]; !isAlphanumeric(c) && c != '/' && c != '_' && c != '-' {
			return fmt.Errorf("path prefix %q has a character that is not one of A-Z a-z 0-9 / _ -", prefix)
		}
	}
	return nil
}

// CheckPath checks a key store's path, such as "/prefix/kms/xks/v1": a prefix,
// then "/kms/xks/v" and one or two digits (XKS fact 19).
func CheckPath(path string) error {
	prefix, version, ok := cutLast(path, pathVersions)
	if !ok || len(version) < 1 || len(version) > 2 || strings.Trim(version, "0123456789") != "" {
		return fmt.Errorf("path %q must end in %s", path, BasePath)
	}
	if len(path) > MaxPath {
		return fmt.Errorf("path has %d characters, at most %d are allowed", len(path), MaxPath)
	}
	return CheckPrefix(prefix)
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// operationPath is the path of an operation under the key store's path. keyID
// is ignored for GetHealthStatus.
func operationPath(storePath, op, keyID string) (string, error) {
	if op == OpGetHealthStatus {
		return storePath + pathHealth, nil
	}
	if !ValidKeyID(keyID) {
		return "", fmt.Errorf("external key ID %q must be 1 to %d of A-Z a-z 0-9 . _ -", keyID, MaxKeyID)
	}
	end := ""
	switch op {
	case OpGetKeyMetadata:
		end = endMetadata
	case OpEncrypt:
		end = endEncrypt
	case OpDecrypt:
		end = endDecrypt
	}
	return storePath + pathKeys + keyID + end, nil
}
