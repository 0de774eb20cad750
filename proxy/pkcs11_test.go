package proxy_test

import (
	"errors"
	"testing"

	"github.com/miekg/pkcs11"

	"hyok/softhsm"
)

// raw runs f in a session of the rig's token, for what hsm does not do. The
// module is initialised and the token logged in: both hold for the process.
func (r *rig) raw(t testing.TB, f func(*pkcs11.Ctx, pkcs11.SessionHandle) error) {
	t.Helper()
	path, err := softhsm.Module()
	if err != nil {
		t.Fatal(err)
	}
	p := pkcs11.New(path)
	slots, err := p.GetSlotList(true)
	if err != nil {
		t.Fatal(err)
	}
	for _, slot := range slots {
		if info, err := p.GetTokenInfo(slot); err != nil || info.Label != r.label {
			continue
		}
		session, err := p.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
		if err != nil {
			t.Fatal(err)
		}
		if err = errors.Join(f(p, session), p.CloseSession(session)); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("the module has no token %q", r.label)
}

// makeKey makes a key of this size and these usages.
func (r *rig) makeKey(t testing.TB, label string, size int, encrypt, decrypt bool) {
	t.Helper()
	r.raw(t, func(p *pkcs11.Ctx, session pkcs11.SessionHandle) error {
		_, err := p.GenerateKey(session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_KEY_GEN, nil)}, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_LABEL, label), pkcs11.NewAttribute(pkcs11.CKA_ID, []byte(label)),
			pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
			pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true), pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false),
			pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, encrypt), pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, decrypt),
			pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, size)})
		return err
	})
}

// sealWithLongIV encrypts with an IV of 16 bytes, as some devices do.
func (r *rig) sealWithLongIV(t testing.TB, label string, plaintext, aad []byte) (iv, ciphertext, tag []byte) {
	t.Helper()
	iv = []byte("sixteen bytes IV")
	ciphertext, tag = r.sealRaw(t, label, iv, plaintext, aad)
	return iv, ciphertext, tag
}

// sealRaw encrypts on the token, past package hsm.
func (r *rig) sealRaw(t testing.TB, label string, iv, plaintext, aad []byte) (ciphertext, tag []byte) {
	t.Helper()
	r.raw(t, func(p *pkcs11.Ctx, session pkcs11.SessionHandle) error {
		if err := p.FindObjectsInit(session, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_LABEL, label)}); err != nil {
			return err
		}
		keys, _, err := p.FindObjects(session, 1)
		if err = errors.Join(err, p.FindObjectsFinal(session)); err != nil {
			return err
		}
		params := pkcs11.NewGCMParams(iv, aad, 128)
		defer params.Free()
		if err := p.EncryptInit(session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_GCM, params)}, keys[0]); err != nil {
			return err
		}
		out, err := p.Encrypt(session, plaintext)
		if err == nil {
			ciphertext, tag = out[:len(plaintext)], out[len(plaintext):]
		}
		return err
	})
	return ciphertext, tag
}
