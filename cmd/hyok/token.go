package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	"github.com/ThalesIgnite/crypto11"
	"github.com/miekg/pkcs11"
)

// A keyToken is the token of the external keys as `hyok key` sees it: through
// crypto11, and through raw PKCS#11 for the one thing crypto11 cannot do, to
// change an attribute. It runs in a process of its own, because a crypto11 that
// fails to open takes the module down for everybody in the process.
type keyToken struct {
	context *crypto11.Context
	module  string
	label   string
}

// externalKey is one key of the token as `hyok key list` prints it.
type externalKey struct {
	Name    string `json:"name"` // CKA_LABEL, the external key ID
	ID      string `json:"id"`   // CKA_ID in hexadecimal
	Bits    int    `json:"bits"`
	Encrypt bool   `json:"encrypt"`
	Decrypt bool   `json:"decrypt"`
	Enabled bool   `json:"enabled"`
}

// openToken logs in to the token that the variables of a running hyok name.
func openToken(env map[string]string) (*keyToken, error) {
	if conf := env["SOFTHSM2_CONF"]; conf != "" {
		if err := os.Setenv("SOFTHSM2_CONF", conf); err != nil {
			return nil, err
		}
	}
	t := &keyToken{module: env["HYOK_PKCS11_MODULE"], label: env["HYOK_PKCS11_TOKEN"]}
	if t.module == "" || t.label == "" {
		return nil, errors.New("HYOK_PKCS11_MODULE and HYOK_PKCS11_TOKEN name no token: start hyok up, or set them")
	}
	var err error
	t.context, err = crypto11.Configure(&crypto11.Config{
		Path: t.module, TokenLabel: t.label, Pin: env["HYOK_PKCS11_PIN"], MaxSessions: 2,
	})
	if err != nil {
		return nil, fmt.Errorf("opening token %q of %s: %w", t.label, t.module, err)
	}
	return t, nil
}

func (t *keyToken) close() error { return t.context.Close() }

func (t *keyToken) create(name string) error {
	if found, err := t.find(name); err != nil {
		return err
	} else if len(found) > 0 {
		return fmt.Errorf("a key %q is on the token already; delete it first, or choose another name", name)
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	template, err := crypto11.NewAttributeSetWithIDAndLabel(id, []byte(name))
	if err != nil {
		return err
	}
	for attribute, value := range map[crypto11.AttributeType]bool{
		crypto11.CkaToken: true, crypto11.CkaPrivate: true, crypto11.CkaSensitive: true, crypto11.CkaExtractable: false,
		crypto11.CkaEncrypt: true, crypto11.CkaDecrypt: true, crypto11.CkaWrap: false, crypto11.CkaUnwrap: false,
		crypto11.CkaSign: false, crypto11.CkaVerify: false,
	} {
		if err := template.Set(attribute, value); err != nil {
			return err
		}
	}
	if _, err := t.context.GenerateSecretKeyWithAttributes(template, 256, crypto11.CipherAES); err != nil {
		return fmt.Errorf("making the key on the token: %w", err)
	}
	return nil
}

func (t *keyToken) find(name string) ([]*crypto11.SecretKey, error) {
	found, err := t.context.FindKeys(nil, []byte(name))
	if err != nil {
		return nil, fmt.Errorf("looking for key %q: %w", name, err)
	}
	return found, nil
}

// one finds the key of that name, which must be there once.
func (t *keyToken) one(name string) (*crypto11.SecretKey, error) {
	found, err := t.find(name)
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, fmt.Errorf("no key %q is on the token; hyok key list shows what is", name)
	case len(found) > 1:
		return nil, fmt.Errorf("%d keys on the token are called %q; keep one of them, with a PKCS#11 tool", len(found), name)
	}
	return found[0], nil
}

func (t *keyToken) delete(name string) error {
	key, err := t.one(name)
	if err != nil {
		return err
	}
	if err := key.Delete(); err != nil {
		return fmt.Errorf("deleting key %q: %w", name, err)
	}
	return nil
}

func (t *keyToken) list() ([]externalKey, error) {
	found, err := t.context.FindAllKeys()
	if err != nil {
		return nil, fmt.Errorf("listing the keys of the token: %w", err)
	}
	all := make([]externalKey, 0, len(found))
	for _, key := range found {
		k, err := t.describe(key)
		if err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	return all, nil
}

func (t *keyToken) describe(key *crypto11.SecretKey) (externalKey, error) {
	a, err := t.context.GetAttributes(key, []crypto11.AttributeType{
		crypto11.CkaLabel, crypto11.CkaId, crypto11.CkaValueLen, crypto11.CkaEncrypt, crypto11.CkaDecrypt,
	})
	if err != nil {
		return externalKey{}, fmt.Errorf("reading a key's attributes: %w", err)
	}
	flag := func(t crypto11.AttributeType) bool { return len(a[t].Value) == 1 && a[t].Value[0] != 0 }
	k := externalKey{
		Name: string(a[crypto11.CkaLabel].Value), ID: hex.EncodeToString(a[crypto11.CkaId].Value),
		Encrypt: flag(crypto11.CkaEncrypt), Decrypt: flag(crypto11.CkaDecrypt),
	}
	if v := a[crypto11.CkaValueLen].Value; len(v) > 0 {
		k.Bits = int(v[0]) * 8 // a CK_ULONG of at most 32
	}
	k.Enabled = k.Encrypt && k.Decrypt
	return k, nil
}

// setEnabled sets or clears both usages of a key: a key that may neither
// encrypt nor decrypt is a disabled one (see package hsm).
func (t *keyToken) setEnabled(name string, on bool) (err error) {
	if _, err := t.one(name); err != nil {
		return err
	}
	raw := pkcs11.New(t.module) // initialised and logged in by crypto11
	slot, err := t.slot(raw)
	if err != nil {
		return err
	}
	session, err := raw.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return fmt.Errorf("opening a session: %w", err)
	}
	defer func() { err = errors.Join(err, raw.CloseSession(session)) }()
	label := []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), pkcs11.NewAttribute(pkcs11.CKA_LABEL, name),
	}
	if err := raw.FindObjectsInit(session, label); err != nil {
		return fmt.Errorf("looking for key %q: %w", name, err)
	}
	handles, _, err := raw.FindObjects(session, 1)
	if err := errors.Join(err, raw.FindObjectsFinal(session)); err != nil {
		return fmt.Errorf("looking for key %q: %w", name, err)
	}
	if len(handles) == 0 {
		return fmt.Errorf("key %q went away in between", name)
	}
	err = raw.SetAttributeValue(session, handles[0], []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, on), pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, on),
	})
	if err != nil {
		return fmt.Errorf("changing key %q: %w", name, err)
	}
	return nil
}

func (t *keyToken) slot(raw *pkcs11.Ctx) (uint, error) {
	slots, err := raw.GetSlotList(true)
	if err != nil {
		return 0, fmt.Errorf("listing the tokens: %w", err)
	}
	for _, s := range slots {
		if info, err := raw.GetTokenInfo(s); err == nil && info.Label == t.label {
			return s, nil
		}
	}
	return 0, fmt.Errorf("token %q went away in between", t.label)
}
