package hsm_test

import (
	"errors"
	"fmt"
	"slices"

	"github.com/miekg/pkcs11"

	"hyok/softhsm"
	"hyok/softhsm/softhsmtest"
)

// Raw PKCS#11 for the tests: what package hsm does not do, such as keys that
// other tools have made badly. It shares the process's module and login.

func rawModule() (*pkcs11.Ctx, error) {
	path, err := softhsm.Module()
	if err != nil {
		return nil, err
	}
	return pkcs11.New(path), nil
}

// rawSession opens a session on the token of that label, which is logged in.
func rawSession(label string) (*pkcs11.Ctx, pkcs11.SessionHandle, error) {
	p, err := rawModule()
	if err != nil {
		return nil, 0, err
	}
	slots, err := p.GetSlotList(true)
	if err != nil {
		return nil, 0, err
	}
	for _, slot := range slots {
		info, err := p.GetTokenInfo(slot)
		if err != nil || info.Label != label {
			continue
		}
		s, err := p.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
		if err != nil {
			return nil, 0, err
		}
		err = p.Login(s, pkcs11.CKU_USER, softhsmtest.PIN)
		if err != nil && !errors.Is(err, pkcs11.Error(pkcs11.CKR_USER_ALREADY_LOGGED_IN)) {
			return nil, 0, err
		}
		return p, s, nil
	}
	return nil, 0, fmt.Errorf("no token has the label %q", label)
}

// importKey puts an AES key into the token as another tool would; override
// replaces attributes of the usual ones.
func importKey(token, label string, value []byte, override ...*pkcs11.Attribute) error {
	p, s, err := rawSession(token)
	if err != nil {
		return err
	}
	if value == nil {
		value = make([]byte, 32)
	}
	attributes := []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
		pkcs11.NewAttribute(pkcs11.CKA_VALUE, value),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, label),
		pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true),
		pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, true),
	}
	for _, o := range override {
		attributes = slices.DeleteFunc(attributes, func(a *pkcs11.Attribute) bool { return a.Type == o.Type })
		attributes = append(attributes, o)
	}
	_, err = p.CreateObject(s, attributes)
	return err
}

// onToken looks for the keys of that label on the token, and not for copies.
func onToken(label string) []*pkcs11.Attribute {
	return []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_LABEL, label), pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true)}
}
