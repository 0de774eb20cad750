package hsm_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/pkcs11"

	"hyok/hsm"
)

func seal(t *testing.T, token *hsm.Token, label string) hsm.Sealed {
	t.Helper()
	s, err := token.Encrypt(soon(t), label, []byte("text"), []byte("aad"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func unseal(t *testing.T, token *hsm.Token, label string, version uint32, s hsm.Sealed) error {
	t.Helper()
	got, err := token.DecryptVersion(soon(t), label, version, s.IV, s.Ciphertext, s.Tag, []byte("aad"))
	if err == nil && string(got) != "text" {
		t.Errorf("version %d gives %q", version, got)
	}
	return err
}

func TestNewVersionsEncryptAndOldOnesDecrypt(t *testing.T) {
	_, token := newToken(t, hsm.TokenConfig{})
	sealed := []hsm.Sealed{seal(t, token, "k")}
	for want := uint32(2); want <= 4; want++ {
		k, err := token.RotateKey(soon(t), "k")
		if err != nil || k.Version != want || hsm.VersionOf(k.ID) != want {
			t.Fatalf("rotating gives version %d, ID %x, %v; want version %d", k.Version, k.ID, err, want)
		}
		sealed = append(sealed, seal(t, token, "k"))
	}
	for i, s := range sealed {
		version := uint32(i + 1)
		if s.Version != version {
			t.Errorf("encryption %d was under version %d", version, s.Version)
		}
		if err := unseal(t, token, "k", version, s); err != nil {
			t.Errorf("version %d: %v", version, err)
		}
		if err := unseal(t, token, "k", version%4+1, s); !errors.Is(err, hsm.ErrInvalidCiphertext) {
			t.Errorf("under another version than %d: %v", version, err)
		}
	}
	if err := unseal(t, token, "k", 0, sealed[0]); err != nil {
		t.Errorf("the oldest: %v", err)
	}
	for range 2 { // the first time the module is loaded anew
		if err := unseal(t, token, "k", 5, sealed[0]); !errors.Is(err, hsm.ErrInvalidCiphertext) {
			t.Errorf("a version that is not there: %v", err)
		}
	}
	all, err := token.Keys(soon(t))
	if err != nil || len(all) != 4 || all[0].Version != 1 || all[3].Version != 4 {
		t.Errorf("Keys gives %v, %v", all, err)
	}
}

func TestTheVersionIsWrittenIntoTheAdditionalData(t *testing.T) {
	_, token := newToken(t, hsm.TokenConfig{})
	if _, err := token.RotateKey(soon(t), "k"); err != nil {
		t.Fatal(err)
	}
	aad := []byte("before....after")
	s, err := token.EncryptNamed(soon(t), "k", []byte("text"), aad, 6)
	if err != nil {
		t.Fatal(err)
	}
	if string(aad) != "before....after" {
		t.Error("the caller's additional data was written to")
	}
	binary.BigEndian.PutUint32(aad[6:], 2)
	if _, err := token.DecryptVersion(soon(t), "k", 2, s.IV, s.Ciphertext, s.Tag, aad); err != nil {
		t.Error(err)
	}
	if _, err := token.EncryptNamed(soon(t), "k", nil, aad, len(aad)-3); !errors.Is(err, hsm.ErrBadInput) {
		t.Errorf("without room for the number: %v", err)
	}
}

func TestChangesReachAllVersions(t *testing.T) {
	_, token := newToken(t, hsm.TokenConfig{})
	old := seal(t, token, "k")
	if _, err := token.RotateKey(soon(t), "k"); err != nil {
		t.Fatal(err)
	}
	young := seal(t, token, "k")
	both := func(want error) {
		t.Helper()
		for _, s := range []hsm.Sealed{old, young} {
			if err := unseal(t, token, "k", s.Version, s); !errors.Is(err, want) {
				t.Errorf("version %d: got %v, want %v", s.Version, err, want)
			}
		}
	}
	if err := token.SetEnabled(soon(t), "k", false); err != nil {
		t.Fatal(err)
	}
	both(hsm.ErrKeyDisabled)
	if _, err := token.RotateKey(soon(t), "k"); !errors.Is(err, hsm.ErrKeyDisabled) {
		t.Errorf("rotating a disabled key gives %v", err)
	}
	if err := token.SetEnabled(soon(t), "k", true); err != nil {
		t.Fatal(err)
	}
	both(nil)
	if err := token.DeleteKey(soon(t), "k"); err != nil {
		t.Fatal(err)
	}
	both(hsm.ErrKeyNotFound)
	if all, err := token.Keys(soon(t)); err != nil || len(all) != 0 {
		t.Errorf("after deleting Keys gives %v, %v", all, err)
	}
}

func TestADisabledNewestVersionDisablesTheKey(t *testing.T) {
	r, token := newToken(t, hsm.TokenConfig{})
	old := seal(t, token, "k")
	off := pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, false)
	if err := importVersion(r.label, "k", 2, off, pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, false)); err != nil {
		t.Fatal(err)
	}
	within(t, time.Second, hsm.ErrKeyDisabled, []error{hsm.ErrUnavailable}, encrypts(t, token, "k"))
	if err := unseal(t, token, "k", 1, old); !errors.Is(err, hsm.ErrKeyDisabled) {
		t.Errorf("decrypting under the old version gives %v", err)
	}
}

// importVersion puts a version of a key into the token.
func importVersion(token, label string, version uint32, override ...*pkcs11.Attribute) error {
	key := append(bytes.Repeat([]byte{byte(version)}, 28), hsm.NewVersionID(version)[16:]...)
	return importKey(token, label, key[:32], append(override, pkcs11.NewAttribute(pkcs11.CKA_ID, hsm.NewVersionID(version)))...)
}

func TestAnotherProcessesVersionIsTakenWithinASecond(t *testing.T) {
	r, token := newToken(t, hsm.TokenConfig{})
	old := seal(t, token, "k")
	r.elsewhere(t, "rotate", "k")
	wrong := errors.New("the old version encrypts")
	within(t, time.Second, nil, []error{hsm.ErrUnavailable}, func() error {
		s, err := token.Encrypt(soon(t), "k", nil, nil)
		if err == nil && s.Version != 2 {
			err = wrong
		}
		return err
	})
	if err := unseal(t, token, "k", 1, old); err != nil {
		t.Errorf("the old version: %v", err)
	}
}

// A ciphertext of another process comes before this one has looked again.
func TestAnotherProcessesVersionDecryptsAtOnce(t *testing.T) {
	r, token := newToken(t, hsm.TokenConfig{})
	seal(t, token, "k")
	r.elsewhere(t, "rotate", "k")
	_, err := token.DecryptVersion(soon(t), "k", 2, make([]byte, 12), nil, make([]byte, 16), nil)
	if err == nil || strings.Contains(err.Error(), "no version") {
		t.Errorf("got %v, want the version to be there and the tag refused", err)
	}
}

func TestVersionsAreNotMissedWhileTheTokenIsAway(t *testing.T) {
	r, token := newToken(t, hsm.TokenConfig{})
	s := seal(t, token, "k")
	bringBack := r.takeTokenAway(t)
	within(t, time.Second, hsm.ErrUnavailable, lostKeys[:len(lostKeys)-1], func() error { return unseal(t, token, "k", 1, s) })
	for range 20 {
		for _, version := range []uint32{1, 9} {
			if err := unseal(t, token, "k", version, s); !errors.Is(err, hsm.ErrUnavailable) {
				t.Fatalf("version %d while the token is away: %v", version, err)
			}
		}
	}
	bringBack()
	within(t, 2*time.Second, nil, lostKeys[:len(lostKeys)-1], func() error { return unseal(t, token, "k", 1, s) })
}

// Two processes that rotate at the same time make two keys of one number.
func TestTwinsBothDecrypt(t *testing.T) {
	r, token := newToken(t, hsm.TokenConfig{})
	if _, err := token.RotateKey(soon(t), "k"); err != nil {
		t.Fatal(err)
	}
	var sealed []hsm.Sealed
	for range 4 {
		if err := importVersion(r.label, "k", 2); err != nil {
			t.Fatal(err)
		}
		if _, err := token.DecryptVersion(soon(t), "k", 3, make([]byte, 12), nil, make([]byte, 16), nil); err == nil {
			t.Fatal("there is no version 3") // which had it look again
		}
		sealed = append(sealed, seal(t, token, "k"))
	}
	for _, s := range sealed {
		if err := unseal(t, token, "k", s.Version, s); err != nil || s.Version != 2 {
			t.Errorf("version %d: %v", s.Version, err)
		}
	}
	if k, err := token.RotateKey(soon(t), "k"); err != nil || k.Version != 3 {
		t.Errorf("rotating gives version %d, %v", k.Version, err)
	}
}

func TestRotationUnderLoadFailsNoCall(t *testing.T) {
	r, token := newToken(t, hsm.TokenConfig{})
	stop := make(chan struct{})
	var users sync.WaitGroup
	for range 4 {
		users.Go(func() {
			for calls := 0; ; calls++ {
				s, err := token.Encrypt(soon(t), "k", []byte("text"), []byte("aad"))
				if err == nil {
					err = unseal(t, token, "k", s.Version, s)
				}
				if err != nil {
					t.Errorf("call %d: %v", calls, err)
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for i := range 6 {
		if i%2 == 0 {
			r.elsewhere(t, "rotate", "k")
		} else if _, err := token.RotateKey(soon(t), "k"); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	users.Wait()
	if k, err := token.Key(soon(t), "k"); err != nil || k.Version != 7 {
		t.Errorf("the newest version is %d, %v; want 7", k.Version, err)
	}
}

func TestVersionsOfIDs(t *testing.T) {
	good := hsm.NewVersionID(7)
	for name, c := range map[string]struct {
		id   []byte
		want uint32
	}{
		"ours":           {good, 7},
		"none":           {nil, 1},
		"random":         {bytes.Repeat([]byte{9}, 16), 1},
		"too short":      {good[:len(good)-1], 1},
		"too long":       {append(bytes.Clone(good), 0), 1},
		"another prefix": {append([]byte("x"), good[1:]...), 1},
		"number 0":       {hsm.NewVersionID(0), 1},
		"largest":        {hsm.NewVersionID(1<<32 - 1), 1<<32 - 1},
	} {
		if got := hsm.VersionOf(c.id); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
	if bytes.Equal(good, hsm.NewVersionID(7)) {
		t.Error("two IDs of one version are the same")
	}
}

// A version whose file could once not be read is lost to the module until it is
// loaded anew (guide hsm.md §2, trap 12). Nobody must hear that it is gone.
func TestAVersionLostToTheProcessIsFoundAgain(t *testing.T) {
	r, token := newToken(t, hsm.TokenConfig{})
	old := seal(t, token, "k")
	path, err := r.dir.TokenPath(r.label)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(path, "*-*.object"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the key's file: %v, %v", files, err)
	}
	if _, err := token.RotateKey(soon(t), "k"); err != nil {
		t.Fatal(err)
	}
	young := seal(t, token, "k")
	p, s, err := rawSession(r.label)
	if err != nil {
		t.Fatal(err)
	}
	search := func() int {
		if err := p.FindObjectsInit(s, onToken("k")); err != nil {
			t.Fatal(err)
		}
		found, _, err := p.FindObjects(s, 3)
		if err = errors.Join(err, p.FindObjectsFinal(s)); err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	bringBack := takeAway(t, files[0])
	search()
	bringBack()
	if n := search(); n != 1 {
		t.Fatalf("the module has not lost the version, it finds %d: the test shows nothing", n)
	}
	for _, sealed := range []hsm.Sealed{old, young} {
		if err := unseal(t, token, "k", sealed.Version, sealed); err != nil {
			t.Errorf("version %d: %v", sealed.Version, err)
		}
	}
}

func TestTwoKeysThatAreNoVersionsSayHowToMend(t *testing.T) {
	r, token := newToken(t, hsm.TokenConfig{})
	if _, err := token.RotateKey(soon(t), "k"); err != nil {
		t.Fatal(err)
	}
	if err := importKey(r.label, "k", nil); err != nil {
		t.Fatal(err)
	}
	_, err := token.RotateKey(soon(t), "k")
	if !errors.Is(err, hsm.ErrAmbiguous) || !strings.Contains(err.Error(), "give all but one another label") {
		t.Errorf("got %v", err)
	}
	if err := token.DeleteKey(soon(t), "k"); !errors.Is(err, hsm.ErrAmbiguous) {
		t.Errorf("deleting gives %v", err)
	}
}
