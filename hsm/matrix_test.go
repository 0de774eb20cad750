package hsm

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"hyok/hsm/internal/shim"
	"hyok/softhsm"
	"hyok/softhsm/softhsmtest"
)

var writeMatrix = flag.Bool("write-matrix", false, "write the fault matrix to its document")

const (
	matrixFile = "../docs/fault-matrix.md"
	// resumeLimit is how long after a cause has gone work may take to resume.
	resumeLimit = 2 * time.Second
)

// A stage is when a function is called, which says what its failure means.
type stage uint8

const (
	recovering stage = iota // when the module is reloaded and the token opened again
	searching               // when a key is looked for
	encrypting
	decrypting
	tidying // its failure changes nothing
)

// matrixFunctions are the functions that the hot path and recovery use.
var matrixFunctions = []struct {
	name    string
	f       shim.Function
	stage   stage
	session bool // its first argument is a session
	counts  bool // it tells a length
}{
	{"C_Initialize", shim.Initialize, recovering, false, false},
	{"C_Finalize", shim.Finalize, tidying, false, false},
	{"C_GetSlotList", shim.GetSlotList, recovering, false, true},
	{"C_GetTokenInfo", shim.GetTokenInfo, recovering, false, false},
	{"C_OpenSession", shim.OpenSession, recovering, false, false},
	{"C_CloseSession", shim.CloseSession, tidying, true, false},
	{"C_GetSessionInfo", shim.GetSessionInfo, recovering, true, false},
	{"C_Login", shim.Login, recovering, true, false},
	{"C_GenerateKey", shim.GenerateKey, recovering, true, false},
	{"C_FindObjectsInit", shim.FindObjectsInit, searching, true, false},
	{"C_FindObjects", shim.FindObjects, searching, true, true},
	{"C_FindObjectsFinal", shim.FindObjectsFinal, searching, true, false},
	{"C_GetAttributeValue", shim.GetAttributeValue, searching, true, true},
	{"C_EncryptInit", shim.EncryptInit, encrypting, true, false},
	{"C_Encrypt", shim.Encrypt, encrypting, true, true},
	{"C_DecryptInit", shim.DecryptInit, decrypting, true, false},
	{"C_Decrypt", shim.Decrypt, decrypting, true, true},
}

// matrixClasses names the classes of return codes, with a code of each.
var matrixClasses = [len(sentinels)]struct{ name, code string }{
	classDevice:     {"device", "CKR_DEVICE_ERROR"},
	classInput:      {"input", "CKR_DATA_LEN_RANGE"},
	classUsage:      {"usage", "CKR_KEY_FUNCTION_NOT_PERMITTED"},
	classCiphertext: {"ciphertext", "CKR_ENCRYPTED_DATA_INVALID"},
	classSession:    {"session", "CKR_SESSION_HANDLE_INVALID"},
	classHandle:     {"handle", "CKR_OBJECT_HANDLE_INVALID"},
	classLogin:      {"login", "CKR_USER_NOT_LOGGED_IN"},
	classSessions:   {"sessions", "CKR_SESSION_COUNT"},
	classPIN:        {"PIN", "CKR_PIN_INCORRECT"},
	classRefused:    {"refused", "CKR_MECHANISM_INVALID"},
}

// A cell is a fault of a function, and what comes of it while it lasts.
type cell struct {
	function string
	fault    string
	f        shim.Fault
	stage    stage
	want     []error // any of them; nil: the work is done
}

var (
	served = []error{nil}
	away   = []error{ErrUnavailable}
	late   = []error{ErrTimeout, ErrUnavailable}
)

// matrixCells are all cells of the matrix.
func matrixCells() []cell {
	var all []cell
	for _, fn := range matrixFunctions {
		add := func(name string, f shim.Fault, want []error) {
			f.Function = fn.f
			all = append(all, cell{fn.name, name, f, fn.stage, want})
		}
		for c, row := range matrixClasses {
			code := rowByName[row.code].code
			add(row.name+": "+row.code, shim.Fault{Mode: shim.Code, Argument: uint64(code)}, wantOfCode(fn.f, fn.stage, class(c)))
		}
		add("hang", shim.Fault{Mode: shim.Hang}, late)
		add("slow: 10 ms", shim.Fault{Mode: shim.Slow, Argument: 10}, served)
		if fn.counts {
			add("wrong length", shim.Fault{Mode: shim.Length}, wantOfLength(fn.f))
		}
		if fn.session {
			add("session crashed", shim.Fault{Mode: shim.Crash}, wantOfCrash(fn.f))
		}
		add("device removed", shim.Fault{Mode: shim.Remove}, away)
	}
	return all
}

// wantOfCode is what a code of class c comes to.
func wantOfCode(f shim.Function, s stage, c class) []error {
	switch {
	case s == tidying:
		return served
	case s == recovering && c == classPIN && f == shim.Login:
		return []error{ErrPIN}
	case f == shim.GenerateKey && (c == classRefused || c == classLogin):
		return served // there is no canary then
	case s == recovering:
		return away
	case c == classRefused:
		return []error{sentinels[c]}
	case c == classCiphertext || c == classUsage:
		return away // when decrypting, too: the canary suffers the same
	case s == searching:
		return away // the caller has no part in it
	}
	return []error{sentinels[c]}
}

// wantOfLength is what a wrong length comes to.
func wantOfLength(f shim.Function) []error {
	if f == shim.FindObjects {
		return []error{ErrKeyNotFound} // a token that is well and shows no key
	}
	return away
}

// wantOfCrash is what a session that ends with each call comes to.
func wantOfCrash(f shim.Function) []error {
	if f == shim.CloseSession {
		return served
	}
	return away
}

// A bench is the token that the cells are tried on.
type bench struct {
	shim   *shim.Shim
	token  *Token
	sealed Sealed
}

func newBench(t *testing.T, c TokenConfig) *bench {
	t.Helper()
	label := softhsmtest.Label(t)
	softhsmtest.TestDir(t, label)
	path, err := softhsm.Module()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{shim: shim.New(t, path)}
	m, err := Load(ModuleConfig{Path: b.shim.Path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.shim.Clear()
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	c.Label, c.PIN, c.Profile = label, softhsmtest.PIN, cmp.Or(c.Profile, "softhsm")
	if b.token, err = m.Open(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if _, err := b.token.CreateKey(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if b.sealed, err = b.token.Encrypt(t.Context(), "k", []byte("plaintext of the matrix"), nil); err != nil {
		t.Fatal(err)
	}
	return b
}

// encrypt and decrypt are the work that the cells disturb.
func (b *bench) encrypt(ctx context.Context) error {
	_, err := b.token.Encrypt(ctx, "k", []byte("plaintext of the matrix"), nil)
	return err
}

func (b *bench) decrypt(ctx context.Context) error {
	_, err := b.token.Decrypt(ctx, "k", b.sealed.IV, b.sealed.Ciphertext, b.sealed.Tag, nil)
	return err
}

// disturb makes the cell's fault.
func (b *bench) disturb(c cell) {
	if c.stage == recovering || c.stage == searching || c.f.Function == shim.Finalize {
		b.shim.Lose()
	}
	b.shim.Set(0, c.f)
}

// try does the work that calls the cell's function, with little time.
func (b *bench) try(t *testing.T, c cell) error {
	if c.f.Function == shim.CloseSession { // which is called for a session that is of no use
		b.shim.Set(1, shim.Fault{Function: shim.EncryptInit, Mode: shim.Code, Argument: uint64(rowByName["CKR_SESSION_CLOSED"].code), Count: 1})
	}
	limit := time.Second
	if c.f.Mode == shim.Hang {
		limit = 120 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if c.stage == decrypting {
		return b.decrypt(ctx)
	}
	return b.encrypt(ctx)
}

// resume waits until both kinds of work are done again, and gives the time it took.
func (b *bench) resume(t *testing.T, c cell) time.Duration {
	t.Helper()
	began := time.Now()
	if slices.Contains(c.want, ErrPIN) { // an operator's turn: it is never tried again by itself
		if err := b.token.Login(t.Context(), softhsmtest.PIN); err != nil {
			t.Errorf("logging in afterwards: %v", err)
		}
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		err := errors.Join(b.encrypt(ctx), b.decrypt(ctx))
		cancel()
		took := time.Since(began)
		switch {
		case err == nil && took <= resumeLimit && b.token.lib.hung.Load() == 0:
			return took
		case took > resumeLimit:
			t.Errorf("%s after the cause had gone: %v", took, err)
			return took
		case errors.Is(err, ErrKeyNotFound) || errors.Is(err, ErrInvalidCiphertext):
			t.Errorf("on the way back: %v", err)
		}
		<-tick.C
	}
}

// TestFaultMatrix tries each fault of each function that the hot path and
// recovery use.
func TestFaultMatrix(t *testing.T) {
	b := newBench(t, TokenConfig{Wait: 400 * time.Millisecond, Timeout: 300 * time.Millisecond})
	for _, c := range matrixCells() {
		t.Run(c.function+"/"+c.fault, func(t *testing.T) {
			b.disturb(c)
			err := b.try(t, c)
			again := b.try(t, c)
			if b.shim.Hits(0) == 0 {
				t.Error("the function was not called: the cell shows nothing")
			}
			b.shim.Clear()
			for _, err := range []error{err, again} {
				if !slices.ContainsFunc(c.want, func(want error) bool { return errors.Is(err, want) }) {
					t.Errorf("while it lasts: got %v, want %v", err, c.want)
				}
				if errors.Is(err, ErrKeyNotFound) && !slices.Contains(c.want, ErrKeyNotFound) {
					t.Errorf("a key that is there is said to be lost: %v", err)
				}
			}
			took := b.resume(t, c)
			t.Logf("%s | %s; resumed after %s", c.row(), errorText(err), took.Round(time.Millisecond))
		})
	}
}

// matrixXKS is what the proxy makes of an error, as proxy's own test checks
// against the document.
var matrixXKS = map[error][2]string{
	nil:                  {"none", "none"},
	ErrTimeout:           {"ErrTimeout", "DependencyTimeoutException"},
	ErrUnavailable:       {"ErrUnavailable", "InternalException"},
	ErrKeyNotFound:       {"ErrKeyNotFound", "KeyNotFoundException"},
	ErrKeyUsage:          {"ErrKeyUsage", "InvalidKeyUsageException"},
	ErrInvalidCiphertext: {"ErrInvalidCiphertext", "InvalidCiphertextException"},
	ErrBadInput:          {"ErrBadInput", "ValidationException"},
	ErrPIN:               {"ErrPIN", "InternalException"},
	ErrUnsupported:       {"ErrUnsupported", "InternalException"},
}

func errorText(err error) string {
	if err == nil {
		return "no error"
	}
	return err.Error()
}

// row is the cell's line in the document.
func (c cell) row() string {
	var errs, xks []string
	for _, err := range c.want {
		errs, xks = append(errs, matrixXKS[err][0]), append(xks, matrixXKS[err][1])
	}
	back := "by itself, within 2 s"
	if slices.Contains(c.want, ErrPIN) {
		back = "after `Login`, never by itself"
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s | %s |", c.function, c.fault, strings.Join(errs, " or "), strings.Join(xks, " or "), back)
}

const matrixHead = `# Fault matrix

What comes of each fault of a PKCS#11 function that the hot path or the recovery
uses: what package hsm returns while the fault lasts, what KMS is told by the
proxy, and how work resumes once the cause has gone; the process is never
restarted. "none" means that the work is done. Return codes are given for good;
each stands for its class in hsm/codes.go. "session crashed" ends the session
just before the call, each time. "device removed" has the device go with the
call and come back later. "wrong length" is one byte too few, or no item at all: a
token that passes its probe and shows no key has none.

Whole situations are tried too (hsm/recovery_test.go, hsm/situations_test.go), in
each of which work resumes within 2 s and no key that is there is said to be lost:

| Situation | Error of hsm | Error of the proxy |
| --- | --- | --- |
| the token's directory is renamed, and back | ErrUnavailable | InternalException |
| the process has no file descriptor left | ErrUnavailable | InternalException |
| the disk is full, making a key | ErrUnavailable | InternalException |
| the disk is full, encrypting | none or ErrUnavailable | none or InternalException |
| the token is initialised anew, until it has the key again | ErrKeyNotFound, since the key is gone | KeyNotFoundException |

The table below is what TestFaultMatrix tries, with a library between package hsm and
SoftHSM; it is written by ` + "`go test ./hsm -run FaultMatrixDocument -write-matrix`" + `.

| Function | Fault | Error of hsm | Error of the proxy | Work resumes |
| --- | --- | --- | --- | --- |
`

func TestFaultMatrixDocumentIsCurrent(t *testing.T) {
	var want bytes.Buffer
	want.WriteString(matrixHead)
	for _, c := range matrixCells() {
		fmt.Fprintln(&want, c.row())
	}
	if *writeMatrix {
		if err := os.WriteFile(matrixFile, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(matrixFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is not what the matrix says: run go test ./hsm -run FaultMatrixDocument -write-matrix", matrixFile)
	}
}
