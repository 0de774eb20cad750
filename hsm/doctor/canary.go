package doctor

import (
	"bytes"
	"crypto/rand"
	"fmt"

	"github.com/miekg/pkcs11"

	"hyok/hsm/internal/gcm"
)

// Lengths in bytes.
const (
	ivSize     = 12
	canarySize = 32 // a data key
)

var canaryAAD = []byte("hyok doctor: additional data    ")

// canary makes an AES-256 key of the session and uses it in every way that
// matters: both directions, and refusing what was changed.
func (p *patient) canary() []Step {
	key, err := p.p11.GenerateKey(p.session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_KEY_GEN, nil)}, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
		pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, 32), pkcs11.NewAttribute(pkcs11.CKA_TOKEN, false), pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true), pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false),
		pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true), pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, true),
	})
	if err != nil {
		return one(Failed, code("C_GenerateKey for a session key", err), "let this user make session keys: the proxy's health check needs one")
	}
	p.key = key
	plaintext := make([]byte, canarySize)
	_, _ = rand.Read(plaintext) // never fails
	iv := newIV()
	sealed, failed := p.encrypt(iv, plaintext)
	if failed != "" {
		return one(Failed, failed, "check that the device allows AES-GCM with tags of 128 bits for this user")
	}
	if len(sealed) != canarySize+gcm.TagSize {
		return one(Failed, fmt.Sprintf("%d bytes became %d, want %d with the tag", canarySize, len(sealed), canarySize+gcm.TagSize), "do not use this device: its tag is not 128 bits")
	}
	opened, rv := p.decrypt(iv, canaryAAD, sealed)
	if rv != 0 || !bytes.Equal(opened, plaintext) {
		return one(Failed, "what was encrypted is not decrypted: "+codeOf("C_Decrypt", rv), "do not use this device; see the step iv")
	}
	return p.tampering(iv, sealed)
}

// tampering shows that the device refuses a changed tag, ciphertext or
// additional data.
func (p *patient) tampering(iv, sealed []byte) []Step {
	changed := func(b []byte, i int) []byte {
		b = bytes.Clone(b)
		b[i] ^= 1
		return b
	}
	for _, c := range []struct {
		what        string
		aad, sealed []byte
	}{
		{"tag", canaryAAD, changed(sealed, len(sealed)-1)},
		{"ciphertext", canaryAAD, changed(sealed, 0)},
		{"additional data", changed(canaryAAD, 0), sealed},
	} {
		if _, rv := p.decrypt(iv, c.aad, c.sealed); rv == 0 {
			return one(Failed, "a changed "+c.what+" is accepted", "do not use this device: it does not authenticate")
		}
	}
	return one(OK, "32 bytes encrypted and decrypted with a session key; changed tag, ciphertext and additional data refused", "")
}

// ivs looks at what the device does with the IV it is given.
func (p *patient) ivs() []Step {
	plaintext := make([]byte, canarySize)
	given := newIV()
	iv := bytes.Clone(given)
	first, failed := p.encrypt(iv, plaintext)
	if failed != "" {
		return one(Failed, failed, "check the device")
	}
	own := !bytes.Equal(iv, given)
	if !own {
		if again, failed := p.encrypt(bytes.Clone(given), plaintext); failed != "" || !bytes.Equal(again, first) {
			return one(Failed, "the IV given is not the one used, and the one used is not told", "do not use this device with IVs of the caller's")
		}
	}
	detail := "an IV of 12 bytes is taken as given"
	if own {
		detail = "the device makes the IV itself and tells it"
	}
	empty, failed := p.encrypt(nil, plaintext)
	if failed != "" {
		return one(OK, detail+"; an empty IV is refused", "")
	}
	detail += "; an empty IV is accepted"
	for _, n := range []int{ivSize, 16} {
		if zeros, failed := p.encrypt(make([]byte, n), plaintext); failed == "" && bytes.Equal(zeros, empty) {
			detail += fmt.Sprintf(" and silently means %d zero bytes", n)
		}
	}
	return one(Warning, detail, "nothing for hyok, which always gives 12 random bytes; let no other program encrypt with these keys and an empty IV")
}

func newIV() []byte {
	iv := make([]byte, ivSize)
	_, _ = rand.Read(iv) // never fails
	return iv
}

// encrypt encrypts with the canary; failed says why it did not.
func (p *patient) encrypt(iv, plaintext []byte) (sealed []byte, failed string) {
	out := make([]byte, len(plaintext)+gcm.TagSize+gcm.Margin)
	r := p.gcm.Encrypt(uint(p.session), uint(p.key), iv, canaryAAD, plaintext, out)
	switch {
	case r.RV != 0 && !r.Begun:
		return nil, codeOf("C_EncryptInit", r.RV)
	case r.RV != 0:
		return nil, codeOf("C_Encrypt", r.RV)
	}
	return out[:min(r.N, len(out))], ""
}

func (p *patient) decrypt(iv, aad, sealed []byte) (plaintext []byte, rv uint) {
	out := make([]byte, len(sealed)+gcm.Margin)
	r := p.gcm.Decrypt(uint(p.session), uint(p.key), iv, aad, sealed, out)
	return out[:min(r.N, len(out))], r.RV
}
