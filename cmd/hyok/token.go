package main

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/ThalesIgnite/crypto11"
	"github.com/miekg/pkcs11"

	"hyok/hsm"
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

// externalKey is one version of a key of the token as `hyok key list` prints it.
type externalKey struct {
	Name    string `json:"name"` // CKA_LABEL, the external key ID
	ID      string `json:"id"`   // CKA_ID in hexadecimal
	Bits    int    `json:"bits"`
	Encrypt bool   `json:"encrypt"`
	Decrypt bool   `json:"decrypt"`
	Enabled bool   `json:"enabled"`
	Version uint32 `json:"version"` // 1: the first; new encryptions take the largest

	key *crypto11.SecretKey
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
	return t.generate(name, id)
}

// rotate makes a new version of a key; package hsm says how versions are told apart.
func (t *keyToken) rotate(name string) error {
	versions, err := t.versions(name)
	if err != nil {
		return err
	}
	newest := versions[len(versions)-1]
	switch {
	case !newest.Enabled:
		return fmt.Errorf("key %q is disabled, and a new version would not be; enable it first with hyok key enable", name)
	case newest.Bits != 256:
		return fmt.Errorf("key %q has %d bits, and only AES-256 keys have versions; make a new key with hyok key create", name, newest.Bits)
	}
	return t.generate(name, hsm.NewVersionID(newest.Version+1))
}

// generate makes an AES-256 key that never leaves the token.
func (t *keyToken) generate(name string, id []byte) error {
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

// versions finds the versions of the key of that name, at least one, the newest
// last.
func (t *keyToken) versions(name string) ([]externalKey, error) {
	found, err := t.find(name)
	if err != nil {
		return nil, err
	}
	all, err := t.describeAll(found)
	switch {
	case err != nil:
		return nil, err
	case len(all) == 0:
		return nil, fmt.Errorf("no key %q is on the token; hyok key list shows what is", name)
	case len(all) > 1 && all[1].Version == 1:
		return nil, fmt.Errorf("several keys on the token are called %q and are not versions made by hyok key rotate; give all but one another label, with a PKCS#11 tool", name)
	}
	return all, nil
}

// delete deletes all versions, the newest last.
func (t *keyToken) delete(name string) error {
	versions, err := t.versions(name)
	if err != nil {
		return err
	}
	for _, v := range versions {
		if err := v.key.Delete(); err != nil {
			return fmt.Errorf("deleting version %d of key %q: %w", v.Version, name, err)
		}
	}
	return nil
}

func (t *keyToken) list() ([]externalKey, error) {
	found, err := t.context.FindAllKeys()
	if err != nil {
		return nil, fmt.Errorf("listing the keys of the token: %w", err)
	}
	return t.describeAll(found)
}

// describeAll describes keys, by name and version.
func (t *keyToken) describeAll(found []*crypto11.SecretKey) ([]externalKey, error) {
	all := make([]externalKey, 0, len(found))
	for _, key := range found {
		k, err := t.describe(key)
		if err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b externalKey) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version), cmp.Compare(a.ID, b.ID))
	})
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
		key: key, Version: hsm.VersionOf(a[crypto11.CkaId].Value),
		Name: string(a[crypto11.CkaLabel].Value), ID: hex.EncodeToString(a[crypto11.CkaId].Value),
		Encrypt: flag(crypto11.CkaEncrypt), Decrypt: flag(crypto11.CkaDecrypt),
	}
	if v := a[crypto11.CkaValueLen].Value; len(v) > 0 {
		k.Bits = int(v[0]) * 8 // a CK_ULONG of at most 32
	}
	k.Enabled = k.Encrypt && k.Decrypt
	return k, nil
}

// setEnabled sets or clears both usages of all versions of a key: a key that may
// neither encrypt nor decrypt is a disabled one (see package hsm).
func (t *keyToken) setEnabled(name string, on bool) (err error) {
	versions, err := t.versions(name)
	if err != nil {
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
	handles, _, err := raw.FindObjects(session, len(versions))
	if err := errors.Join(err, raw.FindObjectsFinal(session)); err != nil {
		return fmt.Errorf("looking for key %q: %w", name, err)
	}
	if len(handles) != len(versions) {
		return fmt.Errorf("key %q was changed by somebody else in between; try again", name)
	}
	for _, h := range handles {
		err = raw.SetAttributeValue(session, h, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, on), pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, on),
		})
		if err != nil {
			return fmt.Errorf("changing key %q: %w", name, err)
		}
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
