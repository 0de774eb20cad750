// Package gcm makes the two PKCS#11 calls of an AES-GCM operation in one step
// over the cgo border: C_EncryptInit and C_Encrypt, or C_DecryptInit and
// C_Decrypt, into a buffer that Go has made large enough.
//
// The general binding crosses the border twice and asks the module for the
// length first. That question is a round trip on network devices, and some
// modules answer it without the tag (guide hsm.md §3). Because both calls are
// one, a session never stays behind with an operation begun and not run.
//
// Limits: it knows no other mechanism, and trusts its caller for lengths, since
// modules do not check them (guide hsm.md §2, traps 1 and 2). Linux, macOS and
// the BSDs only: the module is found with dlopen.
package gcm

/*
#cgo linux LDFLAGS: -ldl
#cgo noescape hyok_gcm
#cgo nocallback hyok_gcm
#cgo noescape hyok_loop
#cgo nocallback hyok_loop
#include <stdlib.h>
#include "gcm.h"
*/
import "C"

import (
	"fmt"
	"unsafe"
)

const (
	TagSize = 16 // bytes; the only tag length used
	// Margin is room beyond plaintext and tag in an output buffer, in bytes, for
	// modules that want more of it than they write.
	Margin = 16
)

// Functions are the entry points of a module.
type Functions struct{ list *C.struct_hyok_functions }

// Open finds the entry points of the module at path. A module that is loaded
// already, under the same path, is not loaded again. It is never unloaded:
// modules do not survive that (guide hsm.md §2, trap 16).
func Open(path string) (*Functions, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var failed [512]C.char
	list := C.hyok_open(name, &failed[0], C.ulong(len(failed)))
	if list == nil {
		return nil, fmt.Errorf("loading the PKCS#11 module: %s", C.GoString(&failed[0]))
	}
	return &Functions{list}, nil
}

// String gives s to C for good: a module may keep what it got.
func String(s string) unsafe.Pointer { return unsafe.Pointer(C.CString(s)) }

// Result is what a call came to.
type Result struct {
	RV    uint // the return code; 0 is CKR_OK
	Begun bool // the first of the two calls succeeded, so that RV is the second's
	N     int  // bytes written to the output
}

// Encrypt writes the ciphertext of in with the tag behind it to out, which must
// have len(in)+TagSize+Margin bytes. The device may change iv; what it holds
// afterwards is the IV used.
func (f *Functions) Encrypt(session, key uint, iv, aad, in, out []byte) Result {
	return f.do(C.HYOK_ENCRYPT, session, key, iv, aad, in, out)
}

// Decrypt writes the plaintext of in, a ciphertext with the tag behind it, to
// out, which must have len(in)+Margin bytes.
func (f *Functions) Decrypt(session, key uint, iv, aad, in, out []byte) Result {
	return f.do(C.HYOK_DECRYPT, session, key, iv, aad, in, out)
}

func (f *Functions) do(direction C.int, session, key uint, iv, aad, in, out []byte) Result {
	r := C.hyok_gcm(f.list, direction, C.ulong(session), C.ulong(key),
		pointer(iv), C.ulong(len(iv)), pointer(aad), C.ulong(len(aad)),
		pointer(in), C.ulong(len(in)), pointer(out), C.ulong(len(out)))
	return Result{RV: uint(r.rv), Begun: r.begun != 0, N: int(r.n)}
}

// Loop encrypts in n times in a row without leaving C, each time with the same
// iv, and stops at the first return code that is not 0. It is the yardstick
// for the Go code around Encrypt, and must never see data that matters.
func (f *Functions) Loop(session, key uint, iv, aad, in, out []byte, n int) (rv uint) {
	return uint(C.hyok_loop(f.list, C.ulong(session), C.ulong(key),
		pointer(iv), C.ulong(len(iv)), pointer(aad), C.ulong(len(aad)),
		pointer(in), C.ulong(len(in)), pointer(out), C.ulong(len(out)), C.ulong(n)))
}

func pointer(b []byte) *C.uchar { return (*C.uchar)(unsafe.SliceData(b)) }
