package hsm_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/miekg/pkcs11"

	"hyok/hsm"
)

func TestCreatedKeysAreBoundToTheToken(t *testing.T) {
	r, token := newToken(t, hsm.TokenConfig{})
	p, s, err := rawSession(r.label)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.FindObjectsInit(s, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_LABEL, "k")}); err != nil {
		t.Fatal(err)
	}
	found, _, err := p.FindObjects(s, 2)
	if err != nil || len(found) != 1 {
		t.Fatalf("found %d keys, %v", len(found), err)
	}
	for _, c := range []struct {
		name      string
		attribute uint
		want      byte
	}{
		{"on the token", pkcs11.CKA_TOKEN, 1},
		{"private", pkcs11.CKA_PRIVATE, 1},
		{"sensitive", pkcs11.CKA_SENSITIVE, 1},
		{"always sensitive", pkcs11.CKA_ALWAYS_SENSITIVE, 1},
		{"extractable", pkcs11.CKA_EXTRACTABLE, 0},
		{"never extractable", pkcs11.CKA_NEVER_EXTRACTABLE, 1},
		{"wraps", pkcs11.CKA_WRAP, 0},
		{"unwraps", pkcs11.CKA_UNWRAP, 0},
		{"signs", pkcs11.CKA_SIGN, 0},
		{"derives", pkcs11.CKA_DERIVE, 0},
		{"encrypts", pkcs11.CKA_ENCRYPT, 1},
		{"decrypts", pkcs11.CKA_DECRYPT, 1},
	} {
		got, err := p.GetAttributeValue(s, found[0], []*pkcs11.Attribute{pkcs11.NewAttribute(c.attribute, nil)})
		if err != nil || len(got[0].Value) != 1 || got[0].Value[0] != c.want {
			t.Errorf("%s: got %v, %v; want %d", c.name, got, err, c.want)
		}
	}
	if k, err := token.Key(soon(t), "k"); err != nil || len(k.ID) != 16 {
		t.Errorf("the key's ID has %d bytes, %v; want 16", len(k.ID), err)
	}
}

func TestKeysDescribesEverySecretKey(t *testing.T) {
	r, token := newToken(t, hsm.TokenConfig{})
	ctx := soon(t)
	if err := importKey(r.label, "a short one", make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	if err := importKey(r.label, "generic", nil, pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_GENERIC_SECRET)); err != nil {
		t.Fatal(err)
	}
	if _, err := token.CreateKey(ctx, "off"); err != nil {
		t.Fatal(err)
	}
	if err := token.SetEnabled(ctx, "off", false); err != nil {
		t.Fatal(err)
	}
	want := []hsm.Key{
		{Label: "a short one", Type: "AES", Bits: 128, Version: 1, Encrypt: true, Decrypt: true, Enabled: true},
		{Label: "generic", Type: "0x10", Bits: 256, Version: 1, Encrypt: true, Decrypt: true, Enabled: true},
		{Label: "k", Type: "AES", Bits: 256, Version: 1, AES256: true, Encrypt: true, Decrypt: true, Enabled: true},
		{Label: "off", Type: "AES", Bits: 256, Version: 1, AES256: true},
	}
	got, err := token.Keys(ctx)
	if err != nil {
		t.Fatal(err)
	}
	noID := cmpopts.IgnoreFields(hsm.Key{}, "ID")
	if diff := cmp.Diff(want, got, noID); diff != "" {
		t.Errorf("Keys (-want +got):\n%s", diff)
	}
	for _, w := range want {
		k, err := token.Key(ctx, w.Label)
		if diff := cmp.Diff(w, k, noID); diff != "" || err != nil {
			t.Errorf("Key(%q): %v (-want +got):\n%s", w.Label, err, diff)
		}
	}
}

func TestOneKeyToALabel(t *testing.T) {
	r, token := newToken(t, hsm.TokenConfig{})
	ctx := soon(t)
	if _, err := token.CreateKey(ctx, "k"); !errors.Is(err, hsm.ErrKeyExists) {
		t.Errorf("creating it again gives %v", err)
	}
	for range 2 {
		if err := importKey(r.label, "twice", nil); err != nil {
			t.Fatal(err)
		}
	}
	_, encrypting := token.Encrypt(ctx, "twice", nil, nil)
	_, describing := token.Key(ctx, "twice")
	for name, err := range map[string]error{
		"encrypting": encrypting, "describing": describing,
		"deleting": token.DeleteKey(ctx, "twice"), "disabling": token.SetEnabled(ctx, "twice", false),
	} {
		if !errors.Is(err, hsm.ErrAmbiguous) {
			t.Errorf("%s one of two keys gives %v", name, err)
		}
	}
}

func TestKeysThatAreNotThere(t *testing.T) {
	_, token := newToken(t, hsm.TokenConfig{})
	ctx := soon(t)
	_, encrypting := token.Encrypt(ctx, "none", nil, nil)
	_, decrypting := token.Decrypt(ctx, "none", make([]byte, 12), nil, make([]byte, 16), nil)
	_, describing := token.Key(ctx, "none")
	for name, err := range map[string]error{
		"encrypting": encrypting, "decrypting": decrypting, "describing": describing,
		"deleting": token.DeleteKey(ctx, "none"), "enabling": token.SetEnabled(ctx, "none", true),
	} {
		if !errors.Is(err, hsm.ErrKeyNotFound) {
			t.Errorf("%s gives %v", name, err)
		}
	}
}

func TestDisabledKeysComeBack(t *testing.T) {
	_, token := newToken(t, hsm.TokenConfig{})
	ctx := soon(t)
	s, err := token.Encrypt(ctx, "k", []byte("text"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := token.SetEnabled(ctx, "k", false); err != nil {
		t.Fatal(err)
	}
	if _, err := token.Encrypt(ctx, "k", nil, nil); !errors.Is(err, hsm.ErrKeyDisabled) {
		t.Errorf("encrypting under a disabled key gives %v", err)
	}
	if _, err := token.Decrypt(ctx, "k", s.IV, s.Ciphertext, s.Tag, nil); !errors.Is(err, hsm.ErrKeyDisabled) {
		t.Errorf("decrypting under a disabled key gives %v", err)
	}
	if err := token.SetEnabled(ctx, "k", true); err != nil {
		t.Fatal(err)
	}
	if got, err := token.Decrypt(ctx, "k", s.IV, s.Ciphertext, s.Tag, nil); err != nil || string(got) != "text" {
		t.Errorf("decrypting under an enabled key gives %q, %v", got, err)
	}
}

func TestDeletedKeysAreGoneAndTheirLabelsFree(t *testing.T) {
	_, token := newToken(t, hsm.TokenConfig{})
	ctx := soon(t)
	s, err := token.Encrypt(ctx, "k", []byte("text"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := token.DeleteKey(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	if _, err := token.Encrypt(ctx, "k", nil, nil); !errors.Is(err, hsm.ErrKeyNotFound) {
		t.Errorf("encrypting under a deleted key gives %v", err)
	}
	if _, err := token.CreateKey(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	if _, err := token.Decrypt(ctx, "k", s.IV, s.Ciphertext, s.Tag, nil); !errors.Is(err, hsm.ErrInvalidCiphertext) {
		t.Errorf("decrypting under another key of that label gives %v", err)
	}
}
