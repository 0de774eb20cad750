package hsm_test

import (
	"bytes"
	"testing"

	"github.com/miekg/pkcs11"

	"hyok/hsm"
	"hyok/internal/nsstest"
)

// TestAGroupOfTwoKindsOfDevices has tokens of SoftHSM and NSS hold the same key,
// and takes the SoftHSM one away.
func TestAGroupOfTwoKindsOfDevices(t *testing.T) {
	path := nsstest.Module(t)
	nss := newNSSToken(t, path)
	r := newRig(t, hsm.ModuleConfig{})
	soft := r.open(t, hsm.TokenConfig{})
	value := bytes.Repeat([]byte{7}, 32)
	if err := importKey(r.label, "shared", value); err != nil {
		t.Fatal(err)
	}
	importIntoNSS(t, path, "shared", value)
	g, err := hsm.NewGroup(soft, nss)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := g.Compare(soon(t), []string{"shared"}); err != nil || len(found) > 0 {
		t.Errorf("the members differ: %+v, %v", found, err)
	}
	through := func() {
		t.Helper()
		for range 20 {
			if err := throughGroup(soon(t), g, "shared"); err != nil {
				t.Fatal(err)
			}
		}
	}
	through()
	bringBack := r.takeTokenAway(t)
	through()
	if h := nss.Health(soon(t)); !h.OK {
		t.Errorf("the other member is not well: %v", h.Err)
	}
	bringBack()
	through()
}

// importIntoNSS puts an AES key into the database, which the process is logged in to.
func importIntoNSS(t *testing.T, path, label string, value []byte) {
	t.Helper()
	p := pkcs11.New(path)
	slots, err := p.GetSlotList(true)
	if err != nil {
		t.Fatal(err)
	}
	for _, slot := range slots {
		if info, err := p.GetTokenInfo(slot); err != nil || info.Label != nssLabel {
			continue
		}
		s, err := p.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.CreateObject(s, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
			pkcs11.NewAttribute(pkcs11.CKA_VALUE, value), pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
			pkcs11.NewAttribute(pkcs11.CKA_LABEL, label),
			pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true), pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, true),
		}); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatal("NSS has no such token")
}
