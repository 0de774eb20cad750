package hsm

import "errors"

// What a call can end with, grouped by whose turn it is. All are for
// errors.Is; the errors returned wrap them and say more. None holds plaintext,
// a PIN or key material.
var (
	// Caller's turn: the same call fails again.

	// ErrBadInput is returned when a length or a label cannot be right.
	ErrBadInput = errors.New("bad input")
	// ErrKeyNotFound is returned when the token was probed, is well, and has no secret key of that label.
	ErrKeyNotFound = errors.New("key not found")
	// ErrKeyExists is returned when CreateKey meets a key of that label.
	ErrKeyExists = errors.New("key exists")
	// ErrKeyDisabled is returned when neither CKA_ENCRYPT nor CKA_DECRYPT is set.
	ErrKeyDisabled = errors.New("key is disabled")
	// ErrKeyUsage is returned when the key is not AES-256 or lacks the usage asked for.
	ErrKeyUsage = errors.New("key does not allow this use")
	// ErrAmbiguous is returned when a label belongs to more than one key or token.
	ErrAmbiguous = errors.New("label is ambiguous")
	// ErrUnsupported is returned when the device does not do what is asked, on
	// this token at least: no AES-GCM, or a write-protected token.
	ErrUnsupported = errors.New("device does not support this")
	// ErrNoToken is returned by Open when the module has no such token.
	ErrNoToken = errors.New("no such token")
	// ErrInvalidCiphertext is returned when ciphertext, IV, tag or additional
	// data are not what Encrypt gave, and the device was probed and is well.
	ErrInvalidCiphertext = errors.New("invalid ciphertext")

	// Device's turn: the same call can succeed later.

	// ErrUnavailable is returned while the device, the token or the module is
	// away or failing. Recovery goes on by itself.
	ErrUnavailable = errors.New("device is unavailable")
	// ErrTimeout is returned when no worker was free in time, or the device did
	// not answer before the context ended.
	ErrTimeout = errors.New("device did not answer in time")

	// Operator's turn.

	// ErrPIN is returned when the token refused the PIN (wrong, locked, expired).
	// It is never tried again by itself.
	ErrPIN = errors.New("PIN refused by the token")
	// ErrNotLoggedIn is returned when the token was opened without PIN, or
	// logged out, and the call needs the login.
	ErrNotLoggedIn = errors.New("not logged in to the token")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("token or module is closed")
)
