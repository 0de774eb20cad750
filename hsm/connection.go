package hsm

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"

	"hyok/hsm/internal/gcm"
)

// A connection is what belongs to a token in one epoch of its module. Only the
// keys change within it.
type connection struct {
	epoch  uint64
	slot   uint
	guard  pkcs11.SessionHandle // never works; keeps the login and the canary's key alive
	canary pkcs11.ObjectHandle  // 0: the device makes no such key
	keys   *keyCache
}

// connect makes a connection, logs in if that is wanted, and has the workers
// use it. A refused PIN is no error here: login keeps it. The caller is inside
// the gate.
func (t *Token) connect() error {
	epoch := t.lib.epoch.Load()
	slot, err := t.lib.slot(t.info)
	if err != nil {
		return err
	}
	guard, err := t.lib.openSession(slot)
	if err != nil {
		return err
	}
	c := &connection{epoch: epoch, slot: slot, guard: guard, keys: new(keyCache)}
	if _, err = t.logInAgain(c); err == nil || errors.Is(err, ErrPIN) {
		c.canary, err = t.lib.canaryKey(guard)
	}
	if err != nil {
		t.disconnect(c)
		return err
	}
	t.disconnect(t.conn.Swap(c))
	if t.life.Err() != nil { // Close may have looked before the swap
		t.disconnect(t.conn.Swap(nil))
		return ErrClosed
	}
	t.quick.fill()
	t.slow.fill()
	if t.large.Load() {
		t.surveySoon()
	}
	return nil
}

// disconnect ends c, if its epoch has not ended. The caller is inside the gate.
func (t *Token) disconnect(c *connection) {
	if c != nil && c.epoch == t.lib.epoch.Load() {
		_ = t.lib.ctx.CloseSession(c.guard)
	}
}

// forgetKeys drops the cached keys: their handles end with a login. The caller is
// inside the gate.
func (t *Token) forgetKeys() {
	for {
		c := t.conn.Load()
		if c == nil {
			return
		}
		fresh := *c
		fresh.keys = new(keyCache)
		if t.conn.CompareAndSwap(c, &fresh) {
			c.keys.copies.end(t.lib, c.guard)
			return
		}
	}
}

// canaryKey makes the key for probes: a session key, so that nothing is written
// to the token, and public, so that it outlives a logout.
func (l *library) canaryKey(s pkcs11.SessionHandle) (pkcs11.ObjectHandle, error) {
	key, err := l.ctx.GenerateKey(s,
		[]*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_KEY_GEN, nil)},
		[]*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_TOKEN, false),
			pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, false),
			pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, aes256Size),
			pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true),
			pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, true),
		})
	err = coded("C_GenerateKey", err)
	if c := codeClass(err); err != nil && (c == classRefused || c == classLogin) {
		return 0, nil
	}
	return key, err
}

// canarySize is that of the plaintext of a probe, in bytes. Its additional data
// is not empty, since some builds of SoftHSM abort then (guide hsm.md §2, trap 4).
const canarySize = 16

var canaryAAD = []byte("canary")

// probe tells whether the token is well: it answers for its files, is logged in
// if it should be, encrypts and decrypts, and still has a key that it had
// before. The canary alone would not notice that the token's files have gone,
// nor the token's information that a key was lost to the process (guide hsm.md
// §2, traps 12 and 13). s is any session of c's epoch; the caller is inside the gate.
func (t *Token) probe(c *connection, s pkcs11.SessionHandle) error {
	info, err := t.lib.tokenInfo(c.slot)
	if err != nil {
		return err
	}
	if info.Serial != t.info.Serial {
		return fmt.Errorf("%w: another token is in its slot", ErrUnavailable)
	}
	if _, err := t.logInAgain(c); err != nil && !errors.Is(err, ErrPIN) {
		return err
	}
	if err := t.sing(s, c.canary); err != nil {
		return err
	}
	return t.witness(c, s)
}

// sing encrypts and decrypts a canary under a key and compares; 0: there is none.
func (t *Token) sing(s pkcs11.SessionHandle, key pkcs11.ObjectHandle) error {
	if key == 0 {
		return nil
	}
	return t.singUnder(s, key, key)
}

// singUnder is sing for a key that encrypts and another that decrypts.
func (t *Token) singUnder(s pkcs11.SessionHandle, key, other pkcs11.ObjectHandle) error {
	var iv [ivSize]byte
	var plain [canarySize]byte
	var sealed [canarySize + gcm.TagSize + gcm.Margin]byte
	var opened [canarySize + gcm.TagSize + gcm.Margin]byte
	rand.Read(plain[:])
	r, err := t.seal(uint(s), uint(key), iv[:], canaryAAD, plain[:], sealed[:])
	if r.RV != 0 {
		code := &CodeError{Function: "C_Encrypt", Code: r.RV}
		if code.class() == classUsage { // no caller has a part in it
			return fmt.Errorf("%w: encrypting the canary: %v", ErrUnavailable, code)
		}
		return code
	}
	if err != nil {
		return err
	}
	r = t.lib.gcm.Decrypt(uint(s), uint(other), iv[:], canaryAAD, sealed[:canarySize+gcm.TagSize], opened[:])
	if r.RV != 0 {
		return fmt.Errorf("%w: decrypting the canary: %v", ErrUnavailable, &CodeError{Function: "C_Decrypt", Code: r.RV})
	}
	if r.N != canarySize || !bytes.Equal(opened[:canarySize], plain[:]) {
		return fmt.Errorf("%w: it does not decrypt what it encrypted", ErrUnavailable)
	}
	return nil
}

// witness asks for a key that was there before. A key that is not there any
// more was deleted, or lost to this process: only a reloaded module can tell.
func (t *Token) witness(c *connection, s pkcs11.SessionHandle) error {
	e := c.keys.any()
	if e == nil {
		return nil
	}
	_, err := t.lib.ctx.GetAttributeValue(s, e.handle, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_ID, nil)})
	err = coded("C_GetAttributeValue", err)
	if err != nil && codeClass(err) == classHandle {
		e.suspect.Store(true)
		return &brokenError{conn: c, reload: true, err: fmt.Errorf("%w: a key has gone: %w", ErrUnavailable, err)}
	}
	return err
}
