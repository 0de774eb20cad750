package hsm

import (
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"
)

// class says what a return code calls for.
type class uint8

const (
	classDevice     class = iota // also every unknown code: probe, then reload the module
	classInput                   // the caller's fault
	classUsage                   // the key is not for this
	classCiphertext              // the ciphertext is not what it was, if a canary passes
	classSession                 // a new session, then once more
	classHandle                  // find the key again, then once more
	classLogin                   // log in again, then once more
	classSessions                // the token has no session left: fewer workers
	classPIN                     // stop; never again by itself
	classRefused                 // the device does not do this
)

// sentinels are what a class ends with when its remedy did not help.
var sentinels = [...]error{
	classDevice:     ErrUnavailable,
	classInput:      ErrBadInput,
	classUsage:      ErrKeyUsage,
	classCiphertext: ErrInvalidCiphertext,
	classSession:    ErrUnavailable,
	classHandle:     ErrUnavailable,
	classLogin:      ErrUnavailable,
	classSessions:   ErrUnavailable,
	classPIN:        ErrPIN,
	classRefused:    ErrUnsupported,
}

type codeRow struct {
	code  uint
	name  string
	class class
}

// codeRows classes the return codes of PKCS#11 v2.40. The classes come from
// "Error classes for Go" (guide hsm.md §2) and from what the guide's matrix of
// devices returns (§3, and xks-proxy.md §2.5 and §2.6); where the guide is
// silent, a code that a second try cannot change is classRefused.
var codeRows = []codeRow{
	{0x001, "CKR_CANCEL", classDevice},
	{0x002, "CKR_HOST_MEMORY", classDevice},
	{0x003, "CKR_SLOT_ID_INVALID", classDevice},
	{0x005, "CKR_GENERAL_ERROR", classDevice},   // SoftHSM, token gone: hsm.md trap 13; from C_Decrypt see (*worker).decrypt
	{0x006, "CKR_FUNCTION_FAILED", classDevice}, // disk full: hsm.md trap 14; nShield from C_Decrypt: xks-proxy.md §2.6
	{0x007, "CKR_ARGUMENTS_BAD", classInput},
	{0x008, "CKR_NO_EVENT", classRefused},
	{0x009, "CKR_NEED_TO_CREATE_THREADS", classRefused},
	{0x00A, "CKR_CANT_LOCK", classRefused},
	{0x010, "CKR_ATTRIBUTE_READ_ONLY", classRefused},
	{0x011, "CKR_ATTRIBUTE_SENSITIVE", classRefused},
	{0x012, "CKR_ATTRIBUTE_TYPE_INVALID", classRefused},
	{0x013, "CKR_ATTRIBUTE_VALUE_INVALID", classRefused},
	{0x01B, "CKR_ACTION_PROHIBITED", classRefused},
	{0x020, "CKR_DATA_INVALID", classInput},
	{0x021, "CKR_DATA_LEN_RANGE", classInput},
	{0x030, "CKR_DEVICE_ERROR", classDevice},
	{0x031, "CKR_DEVICE_MEMORY", classDevice},
	{0x032, "CKR_DEVICE_REMOVED", classDevice},
	{0x040, "CKR_ENCRYPTED_DATA_INVALID", classCiphertext},
	{0x041, "CKR_ENCRYPTED_DATA_LEN_RANGE", classCiphertext},
	{0x050, "CKR_FUNCTION_CANCELED", classDevice},
	{0x051, "CKR_FUNCTION_NOT_PARALLEL", classRefused},
	{0x054, "CKR_FUNCTION_NOT_SUPPORTED", classRefused},
	{0x060, "CKR_KEY_HANDLE_INVALID", classHandle}, // NSS, TPM: hsm.md §1d
	{0x062, "CKR_KEY_SIZE_RANGE", classUsage},
	{0x063, "CKR_KEY_TYPE_INCONSISTENT", classUsage},
	{0x064, "CKR_KEY_NOT_NEEDED", classRefused},
	{0x065, "CKR_KEY_CHANGED", classRefused},
	{0x066, "CKR_KEY_NEEDED", classRefused},
	{0x067, "CKR_KEY_INDIGESTIBLE", classRefused},
	{0x068, "CKR_KEY_FUNCTION_NOT_PERMITTED", classUsage},
	{0x069, "CKR_KEY_NOT_WRAPPABLE", classRefused},
	{0x06A, "CKR_KEY_UNEXTRACTABLE", classRefused},
	{0x070, "CKR_MECHANISM_INVALID", classRefused},
	{0x071, "CKR_MECHANISM_PARAM_INVALID", classRefused},
	{0x082, "CKR_OBJECT_HANDLE_INVALID", classHandle}, // SoftHSM: hsm.md §1d
	{0x090, "CKR_OPERATION_ACTIVE", classSession},     // a poisoned session: hsm.md trap 5
	{0x091, "CKR_OPERATION_NOT_INITIALIZED", classSession},
	{0x0A0, "CKR_PIN_INCORRECT", classPIN},
	{0x0A1, "CKR_PIN_INVALID", classPIN},
	{0x0A2, "CKR_PIN_LEN_RANGE", classPIN},
	{0x0A3, "CKR_PIN_EXPIRED", classPIN},
	{0x0A4, "CKR_PIN_LOCKED", classPIN},
	{0x0B0, "CKR_SESSION_CLOSED", classSession},
	{0x0B1, "CKR_SESSION_COUNT", classSessions}, // tpm2-pkcs11, YubiHSM: hsm.md trap 10
	{0x0B3, "CKR_SESSION_HANDLE_INVALID", classSession},
	{0x0B4, "CKR_SESSION_PARALLEL_NOT_SUPPORTED", classRefused},
	{0x0B5, "CKR_SESSION_READ_ONLY", classRefused},
	{0x0B6, "CKR_SESSION_EXISTS", classRefused},
	{0x0B7, "CKR_SESSION_READ_ONLY_EXISTS", classRefused},
	{0x0B8, "CKR_SESSION_READ_WRITE_SO_EXISTS", classRefused},
	{0x0C0, "CKR_SIGNATURE_INVALID", classRefused},
	{0x0C1, "CKR_SIGNATURE_LEN_RANGE", classRefused},
	{0x0D0, "CKR_TEMPLATE_INCOMPLETE", classRefused},
	{0x0D1, "CKR_TEMPLATE_INCONSISTENT", classRefused},
	{0x0E0, "CKR_TOKEN_NOT_PRESENT", classDevice},
	{0x0E1, "CKR_TOKEN_NOT_RECOGNIZED", classDevice},
	{0x0E2, "CKR_TOKEN_WRITE_PROTECTED", classRefused},
	{0x0F0, "CKR_UNWRAPPING_KEY_HANDLE_INVALID", classRefused},
	{0x0F1, "CKR_UNWRAPPING_KEY_SIZE_RANGE", classRefused},
	{0x0F2, "CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT", classRefused},
	{0x100, "CKR_USER_ALREADY_LOGGED_IN", classRefused},
	{0x101, "CKR_USER_NOT_LOGGED_IN", classLogin},
	{0x102, "CKR_USER_PIN_NOT_INITIALIZED", classPIN},
	{0x103, "CKR_USER_TYPE_INVALID", classRefused},
	{0x104, "CKR_USER_ANOTHER_ALREADY_LOGGED_IN", classRefused},
	{0x105, "CKR_USER_TOO_MANY_TYPES", classRefused},
	{0x110, "CKR_WRAPPED_KEY_INVALID", classRefused},
	{0x112, "CKR_WRAPPED_KEY_LEN_RANGE", classRefused},
	{0x113, "CKR_WRAPPING_KEY_HANDLE_INVALID", classRefused},
	{0x114, "CKR_WRAPPING_KEY_SIZE_RANGE", classRefused},
	{0x115, "CKR_WRAPPING_KEY_TYPE_INCONSISTENT", classRefused},
	{0x120, "CKR_RANDOM_SEED_NOT_SUPPORTED", classRefused},
	{0x121, "CKR_RANDOM_NO_RNG", classRefused},
	{0x130, "CKR_DOMAIN_PARAMS_INVALID", classRefused},
	{0x140, "CKR_CURVE_NOT_SUPPORTED", classRefused},
	{0x150, "CKR_BUFFER_TOO_SMALL", classSession}, // leaves the operation active
	{0x160, "CKR_SAVED_STATE_INVALID", classRefused},
	{0x170, "CKR_INFORMATION_SENSITIVE", classRefused},
	{0x180, "CKR_STATE_UNSAVEABLE", classRefused},
	{0x190, "CKR_CRYPTOKI_NOT_INITIALIZED", classDevice},
	{0x191, "CKR_CRYPTOKI_ALREADY_INITIALIZED", classRefused},
	{0x1A0, "CKR_MUTEX_BAD", classDevice},
	{0x1A1, "CKR_MUTEX_NOT_LOCKED", classDevice},
	{0x1B0, "CKR_NEW_PIN_MODE", classPIN},
	{0x1B1, "CKR_NEXT_OTP", classPIN},
	{0x1B5, "CKR_EXCEEDED_MAX_ITERATIONS", classRefused},
	{0x1B6, "CKR_FIPS_SELF_TEST_FAILED", classDevice},
	{0x1B7, "CKR_LIBRARY_LOAD_FAILED", classDevice},
	{0x1B8, "CKR_PIN_TOO_WEAK", classPIN},
	{0x1B9, "CKR_PUBLIC_KEY_INVALID", classRefused},
	{0x200, "CKR_FUNCTION_REJECTED", classRefused},
}

var (
	rowByCode = make(map[uint]codeRow, len(codeRows))
	rowByName = make(map[string]codeRow, len(codeRows))
)

func init() {
	for _, r := range codeRows {
		rowByCode[r.code], rowByName[r.name] = r, r
	}
}

// A CodeError is a return code other than CKR_OK. It is (errors.Is) the
// sentinel of its class, such as ErrUnavailable.
type CodeError struct {
	Function string // of PKCS#11: "C_Login"
	Code     uint
}

// Error gives the function, the code's name and its number.
func (e *CodeError) Error() string {
	name := "unknown or vendor's code"
	if r, ok := rowByCode[e.Code]; ok {
		name = r.name
	}
	return fmt.Sprintf("%s: %s (0x%x): %v", e.Function, name, e.Code, sentinels[e.class()])
}

// Is tells whether target is the sentinel of the code's class.
func (e *CodeError) Is(target error) bool { return target == sentinels[e.class()] }

// class is the code's class; an unknown one is of classDevice. So is one that
// blames the caller for a call in which no caller has a part: a device that
// fails is never told as a fault of the caller's (XKS fact 87).
func (e *CodeError) class() class {
	c := rowByCode[e.Code].class
	switch c {
	case classInput, classUsage, classPIN:
		if ownCalls[e.Function] {
			return classDevice
		}
	case classCiphertext:
		if ownCalls[e.Function] || encryptions[e.Function] {
			return classDevice
		}
	}
	return c
}

// ownCalls take nothing of a caller's but a label.
var ownCalls = map[string]bool{
	"C_Initialize": true, "C_GetSlotList": true, "C_GetTokenInfo": true, "C_OpenSession": true, "C_GetSessionInfo": true,
	"C_FindObjectsInit": true, "C_FindObjects": true, "C_GetAttributeValue": true,
}

// encryptions take no ciphertext.
var encryptions = map[string]bool{"C_EncryptInit": true, "C_Encrypt": true}

// coded makes a CodeError of what the binding returned; nil stays nil.
func coded(function string, err error) error {
	var code pkcs11.Error
	if errors.As(err, &code) {
		return &CodeError{Function: function, Code: uint(code)}
	}
	return err
}

// codeClass is the class of the return code in err; classDevice if there is none.
func codeClass(err error) class {
	var e *CodeError
	if errors.As(err, &e) {
		return e.class()
	}
	return classDevice
}

// codeOf is the return code in err; 0 if there is none.
func codeOf(err error) uint {
	var e *CodeError
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}
