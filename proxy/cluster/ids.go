package cluster

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// newID gives prefix and eleven characters of the letters that the CloudHSM v2
// API allows in IDs of clusters, HSMs and backups.
func newID(prefix string) string {
	const size = 11
	return prefix + strings.ToLower(rand.Text())[:size]
}

// newNetworkID gives prefix and 17 hexadecimal digits, as EC2's IDs have.
func newNetworkID(prefix string) string {
	var b [9]byte
	rand.Read(b[:])
	return prefix + hex.EncodeToString(b[:])[:17]
}
