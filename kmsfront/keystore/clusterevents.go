package keystore

import (
	"errors"

	"hyok/kmsfront/api"
	"hyok/kmsfront/material"
	"hyok/proxy/xks"
)

// clusterTable says what callers see of a cluster's errors (custom-key-stores EM-05,
// CH-10, CH-15, CH-17 and §4). The row without a name is for a cluster that
// cannot be reached.
var clusterTable = []struct {
	name    xks.ClusterErrorName
	crypto  string // exception of cryptographic operations
	manage  string // exception of CreateKey and GenerateRandom
	connect string // ConnectionErrorCode
	message string
}{
	//name                   crypto    manage      connect       message                 guide 004
	{"", keyState, storeState, cNetwork, msgClusterNetwork},                                     // 19774, 19748
	{xks.ClusterUnavailable, keyState, storeState, cNetwork, msgClusterNetwork},                 // 19706-19716
	{xks.ClusterWrongPassword, keyState, storeState, cCredentials, msgClusterNetwork},           // 19747, 19787-19804
	{xks.ClusterLockedOut, keyState, storeState, cLocked, msgLockedOut},                         // 19759-19761, 19781
	{xks.ClusterNotLoggedIn, keyState, storeState, cInternal, msgClusterNetwork},                // 19702
	{xks.ClusterNoSession, internalError, internalError, cNetwork, msgNoSession},                // 19716, 23710
	{xks.ClusterKeyNotFound, keyState, internalError, cInternal, msgMaterialGone},               // 8531, 19450-19452
	{xks.ClusterKeyUnusable, keyState, internalError, cInternal, msgMaterialOff},                // 8531
	{xks.ClusterKeyExists, internalError, internalError, cInternal, msgClusterFault},            // a label is made once
	{xks.ClusterAuthenticationFailed, internalError, internalError, cInternal, msgClusterFault}, // between our own programs
	{xks.ClusterInvalidRequest, internalError, internalError, cInternal, msgClusterFault},       // the same
	{xks.ClusterTooLarge, internalError, internalError, cInternal, msgClusterFault},             // the same
	{xks.ClusterNoSuchOperation, internalError, internalError, cInternal, msgClusterFault},      // the same
	{xks.ClusterNotFound, keyState, storeState, cAbsent, msgClusterNetwork},                     // 18992, 19710
	{xks.ClusterNoHSM, keyState, storeState, cNoHSM, msgClusterNetwork},                         // 19706, 19733
	{xks.ClusterSubnetNotFound, internalError, internalError, cNoSubnet, msgClusterFault},       // 19749-19757
	{xks.ClusterNoAddress, internalError, internalError, cNoAddress, msgClusterFault},           // 19734-19744
	{xks.ClusterUserNotFound, keyState, storeState, cNoUser, msgClusterNetwork},                 // 19768
	{xks.ClusterUserLoggedIn, keyState, storeState, cInUse, msgClusterNetwork},                  // 18898, 19763-19767
	{xks.ClusterBusy, throttled, throttled, cNetwork, msgBusy},                                  // 19454, 23662
	{xks.ClusterInternal, internalError, internalError, cInternal, msgClusterFault},             // 19746
}

const (
	internalError = api.CodeKMSInternalException
	cLocked       = api.ConnectionErrorCodeTypeUserLockedOut
	cAbsent       = api.ConnectionErrorCodeTypeClusterNotFound
	cNoHSM        = api.ConnectionErrorCodeTypeInsufficientCloudhsmHsms
	cNoSubnet     = api.ConnectionErrorCodeTypeSubnetNotFound
	cNoAddress    = api.ConnectionErrorCodeTypeInsufficientFreeAddressesInSubnet
	cNoUser       = api.ConnectionErrorCodeTypeUserNotFound
	cInUse        = api.ConnectionErrorCodeTypeUserLoggedIn
	throttled     = api.CodeThrottlingException
	cInternal     = api.ConnectionErrorCodeTypeInternalError
)

// clusterRow finds the row of an error of the cluster's client.
func clusterRow(err error) int {
	var answered *xks.ClusterError
	var transport *xks.TransportError
	name := xks.ClusterInternal
	switch {
	case errors.As(err, &answered):
		name = answered.Name
	case errors.As(err, &transport) && transport.Kind != xks.InvalidResponse:
		name = ""
	}
	for i, r := range clusterTable {
		if r.name == name {
			return i
		}
	}
	return len(clusterTable) - 1
}

// clusterException is what a caller sees of an error of the cluster's client.
// A ciphertext that is not the key's is the caller's, as with any other key.
func clusterException(err error, c column) error {
	if isCluster(err, xks.ClusterInvalidCiphertext) && c == colCrypto {
		return material.ErrInvalidCiphertext
	}
	r := clusterTable[clusterRow(err)]
	if c == colCrypto {
		return &api.Error{Code: r.crypto, Message: r.message}
	}
	return &api.Error{Code: r.manage, Message: r.message}
}

func isCluster(err error, name xks.ClusterErrorName) bool {
	var answered *xks.ClusterError
	return errors.As(err, &answered) && answered.Name == name
}
