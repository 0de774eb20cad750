// Package shim gives tests a PKCS#11 module that fails on demand: a C library,
// compiled by the test, that hands every call on to a real module and makes
// faults on the way. The test and the library share a mapped file.
//
// Limits: for tests only, needs a C compiler, and hooks the functions that
// package hsm calls. It passes arguments as words in registers, which holds on
// amd64 and arm64.
package shim

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"
)

//go:embed testdata/shim.c
var source []byte

// A Function is a hooked function: its place in CK_FUNCTION_LIST.
type Function uint64

// The hooked functions.
const (
	Initialize        Function = 0
	Finalize          Function = 1
	GetSlotList       Function = 4
	GetTokenInfo      Function = 6
	OpenSession       Function = 12
	CloseSession      Function = 13
	GetSessionInfo    Function = 15
	Login             Function = 18
	GetAttributeValue Function = 24
	FindObjectsInit   Function = 26
	FindObjects       Function = 27
	FindObjectsFinal  Function = 28
	EncryptInit       Function = 29
	Encrypt           Function = 30
	DecryptInit       Function = 33
	Decrypt           Function = 34
	GenerateKey       Function = 58
)

// A Mode is a kind of fault.
type Mode uint64

// The kinds of faults.
const (
	Off    Mode = iota
	Code        // the function is not called and gives Fault.Argument
	Hang        // it returns only when the fault is cleared, and then works
	Slow        // it takes Fault.Argument milliseconds more
	Length      // it works, and tells a wrong length: one byte or all items too few
	Crash       // its session is closed before
	Remove      // the device goes away with this call, until Clear
)

// IV says who makes the IV of an encryption.
type IV uint64

// Who makes the IV.
const (
	CallerIV   IV = iota
	WrittenIV     // the device, which writes it where the caller's stood
	AppendedIV    // the device, which puts it behind the tag
)

// Fault is a fault to be made.
type Fault struct {
	Function Function
	Mode     Mode
	Argument uint64
	Count    int // how often; 0: until it is cleared
}

// layout is struct control of shim.c.
type layout struct {
	fault [2]struct {
		mode, function, argument, left, hits uint64
	}
	removed, lost, iv uint64
	module            [4096]byte
}

// Shim is a module built for a test.
type Shim struct {
	Path    string // of the module, for hsm.Load
	control *layout
}

// New builds a shim before the real module at path.
func New(t testing.TB, path string) *Shim {
	t.Helper()
	dir := t.TempDir()
	c, module := filepath.Join(dir, "shim.c"), filepath.Join(dir, "shim.so")
	if err := os.WriteFile(c, source, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("cc", "-shared", "-fPIC", "-O1", "-Wall", "-o", module, c, "-ldl")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("compiling the shim: %v\n%s", err, out)
	}
	control, err := mapControl(module+".control", path)
	if err != nil {
		t.Fatal(err)
	}
	return &Shim{Path: module, control: control}
}

// mapControl makes the control file. It stays mapped for good, as the module does.
func mapControl(name, path string) (*layout, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("making the shim's control file: %w", err)
	}
	defer f.Close()
	size := int(unsafe.Sizeof(layout{}))
	if err := f.Truncate(int64(size)); err != nil {
		return nil, fmt.Errorf("making the shim's control file: %w", err)
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping the shim's control file: %w", err)
	}
	control := (*layout)(unsafe.Pointer(unsafe.SliceData(b)))
	copy(control.module[:], path)
	return control, nil
}

// Set makes f the fault of its kind of slot: 0 for what is tested, 1 for what
// leads to it.
func (s *Shim) Set(slot int, f Fault) {
	c := &s.control.fault[slot]
	left := int64(f.Count)
	if f.Count == 0 {
		left = -1
	}
	atomic.StoreUint64(&c.mode, uint64(Off))
	atomic.StoreUint64(&c.function, uint64(f.Function))
	atomic.StoreUint64(&c.argument, f.Argument)
	atomic.StoreUint64(&c.left, uint64(left))
	atomic.StoreUint64(&c.hits, 0)
	atomic.StoreUint64(&c.mode, uint64(f.Mode))
}

// Hits is how often the fault in a slot was made.
func (s *Shim) Hits(slot int) int { return int(atomic.LoadUint64(&s.control.fault[slot].hits)) }

// Lose has the module say CKR_CRYPTOKI_NOT_INITIALIZED until it is initialised
// again, which makes its user go through the whole of a recovery.
func (s *Shim) Lose() { atomic.StoreUint64(&s.control.lost, 1) }

// MakeIV says who makes IVs from now on.
func (s *Shim) MakeIV(who IV) { atomic.StoreUint64(&s.control.iv, uint64(who)) }

// Clear ends all faults, and brings back a device that was removed.
func (s *Shim) Clear() {
	for i := range s.control.fault {
		atomic.StoreUint64(&s.control.fault[i].mode, uint64(Off))
	}
	atomic.StoreUint64(&s.control.removed, 0)
}
