package softhsmtest

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/miekg/pkcs11"

	"hyok/softhsm"
)

// MemoryDir gives a new directory for tokens of their own, in memory where the
// system has such a file system: SoftHSM waits for the disk at each key it makes.
// It is not in use in this process (softhsm.Dir.Use), and goes when the test ends.
func MemoryDir(t testing.TB) *softhsm.Dir {
	t.Helper()
	path, err := os.MkdirTemp("/dev/shm", "softhsmtest-")
	if err != nil {
		path, err = os.MkdirTemp("", "softhsmtest-")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(path); err != nil {
			t.Error(err)
		}
	})
	d, err := softhsm.New(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// KeyLabel is the label of key i of MakeKeys.
func KeyLabel(i int) string { return fmt.Sprintf("key-%05d", i) }

// MakeKeys makes n AES-256 keys on the token of that label, without a look at
// those that are there, which would make it take n times as long. It is for a
// process of its own, whose environment says where the tokens are.
func MakeKeys(label string, n int) (err error) {
	path, err := softhsm.Module()
	if err != nil {
		return err
	}
	p := pkcs11.New(path)
	if err := p.Initialize(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Finalize()) }()
	slots, err := p.GetSlotList(true)
	if err != nil {
		return err
	}
	for _, slot := range slots {
		if info, err := p.GetTokenInfo(slot); err == nil && info.Label == label {
			return makeKeys(p, slot, n)
		}
	}
	return fmt.Errorf("no token has the label %q", label)
}

func makeKeys(p *pkcs11.Ctx, slot uint, n int) error {
	s, err := p.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return err
	}
	if err := p.Login(s, pkcs11.CKU_USER, PIN); err != nil {
		return err
	}
	for i := range n {
		_, err := p.GenerateKey(s, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_KEY_GEN, nil)}, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, 32),
			pkcs11.NewAttribute(pkcs11.CKA_LABEL, KeyLabel(i)),
			pkcs11.NewAttribute(pkcs11.CKA_ID, KeyLabel(i)),
			pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
			pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
			pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
			pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false),
			pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true),
			pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, true),
		})
		if err != nil {
			return err
		}
	}
	return nil
}
