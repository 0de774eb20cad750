package hsm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/pkcs11"
)

// maxLabel bounds a key's label, in bytes: above a KMS key's ARN and an XKS key ID.
const maxLabel = 256

const (
	// freshFor is how long what is known of a key is believed without asking
	// the token again; a change by another process shows within a second.
	freshFor = 500 * time.Millisecond
	// wrongFor is the same for a key that cannot be used, so that enabling it
	// shows sooner.
	wrongFor = 100 * time.Millisecond
)

// Key describes a secret key of the token.
type Key struct {
	Label            string
	ID               []byte // CKA_ID
	Type             string // "AES", "DES3"; otherwise the number, as "0x10"
	Bits             int    // 0: unknown
	AES256           bool   // Type is AES and Bits is 256
	Encrypt, Decrypt bool   // the usages CKA_ENCRYPT and CKA_DECRYPT
	Enabled          bool   // at least one of the two
}

func (k Key) mayEncrypt() bool { return k.Encrypt }
func (k Key) mayDecrypt() bool { return k.Decrypt }

// usable says why the key cannot be used; nil when it can.
func (k Key) usable(may func(Key) bool) error {
	switch {
	case !k.AES256:
		return fmt.Errorf("%w: it is not an AES key of 256 bits", ErrKeyUsage)
	case !k.Enabled:
		return ErrKeyDisabled
	case !may(k):
		return ErrKeyUsage
	}
	return nil
}

// An entry is a key in the cache.
type entry struct {
	handle  pkcs11.ObjectHandle
	key     Key
	read    atomic.Int64 // when, in nanoseconds since started
	suspect atomic.Bool  // the token did not know the handle any more
}

var started = time.Now()

func (e *entry) olderThan(d time.Duration) bool {
	return int64(time.Since(started))-e.read.Load() > int64(d)
}

// A keyCache holds keys by label. Only keys that exist are in it.
type keyCache struct{ byLabel sync.Map }

func (c *keyCache) get(label string) *entry {
	if e, ok := c.byLabel.Load(label); ok {
		return e.(*entry)
	}
	return nil
}

func (c *keyCache) put(handle pkcs11.ObjectHandle, k Key) *entry {
	e := &entry{handle: handle, key: k}
	e.read.Store(int64(time.Since(started)))
	c.byLabel.Store(k.Label, e)
	return e
}

func (c *keyCache) remove(label string) { c.byLabel.Delete(label) }

// any gives a key whose handle worked when it was last used; nil if there is none.
func (c *keyCache) any() (found *entry) {
	c.byLabel.Range(func(_, e any) bool {
		if !e.(*entry).suspect.Load() {
			found = e.(*entry)
		}
		return found == nil
	})
	return found
}

// Key describes the key of that label, as it was at most half a second ago.
// Errors: ErrBadInput, ErrKeyNotFound, ErrAmbiguous, ErrNotLoggedIn.
func (t *Token) Key(ctx context.Context, label string) (Key, error) {
	err := checkLabel(label)
	var k Key
	if err == nil {
		err = t.do(ctx, t.quick, opKey, func(w *worker) error {
			e, err := w.key(label)
			if err == nil {
				k = e.key
			}
			return err
		}, nil)
	}
	if err != nil {
		return Key{}, fmt.Errorf("describing key %q: %w", label, err)
	}
	return k, nil
}

func checkLabel(label string) error {
	if label == "" || len(label) > maxLabel {
		return fmt.Errorf("%w: a label has 1 to %d bytes", ErrBadInput, maxLabel)
	}
	return nil
}

// usableKey gives the key of that label if it may be used so.
func (w *worker) usableKey(label string, may func(Key) bool) (*entry, error) {
	e, err := w.key(label)
	if err != nil {
		return nil, err
	}
	wrong := e.key.usable(may)
	if wrong == nil {
		return e, nil
	}
	if e.olderThan(wrongFor) {
		if err := w.refresh(e); err != nil {
			return nil, err
		}
		e = w.entry
		wrong = e.key.usable(may)
	}
	return e, wrong
}

// key gives the key of that label, from the cache if it is fresh, and makes it
// the worker's entry.
func (w *worker) key(label string) (*entry, error) {
	e := w.conn.keys.get(label)
	if e == nil || e.suspect.Load() {
		return w.search(label, e != nil)
	}
	w.entry = e
	if read := e.read.Load(); e.olderThan(freshFor) && e.read.CompareAndSwap(read, int64(time.Since(started))) {
		if err := w.refresh(e); err != nil {
			return nil, err
		}
	}
	return w.entry, nil
}

// refresh reads the attributes of e's key again.
func (w *worker) refresh(e *entry) error {
	k, err := w.attributes(e.handle)
	if err != nil {
		return err
	}
	if k.Label != e.key.Label || w.doubled(e) {
		w.conn.keys.remove(e.key.Label)
		_, err := w.search(e.key.Label, false)
		return err
	}
	w.entry = w.conn.keys.put(e.handle, k)
	return nil
}

// doubled tells whether another key now has e's label. It looks only as often
// as takes one part in a hundred of a worker's time: a search costs 20 µs for
// each object on the token (guide hsm.md §1d).
func (w *worker) doubled(e *entry) bool {
	begin := time.Since(started)
	due := w.t.nextSearch.Load()
	if int64(begin) < due || !w.t.nextSearch.CompareAndSwap(due, int64(begin+time.Second)) {
		return false
	}
	found, err := w.find(e.key.Label)
	cost := time.Since(started) - begin
	w.t.nextSearch.Store(int64(begin + max(time.Second, 100*cost)))
	return err == nil && (len(found) != 1 || found[0] != e.handle)
}

// search finds the key of that label on the token. known says that it was there
// before in this epoch.
func (w *worker) search(label string, known bool) (*entry, error) {
	found, err := w.find(label)
	if err == nil && len(found) == 0 {
		// Without the login private keys are not there.
		did, loginErr := w.t.logInAgain(w.conn)
		if err = loginErr; did {
			found, err = w.find(label)
		}
	}
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, w.missing(known)
	case len(found) > 1:
		return nil, ErrAmbiguous
	}
	k, err := w.attributes(found[0])
	if err != nil {
		return nil, err
	}
	w.entry = w.conn.keys.put(found[0], k)
	return w.entry, nil
}

// missing is the error for a key that was not found. An object whose file could
// once not be read is lost to this process, and so not found (guide hsm.md §2,
// trap 12): a key that was there before is believed missing only by a reloaded
// module, and any other key only if the token is well.
func (w *worker) missing(known bool) error {
	if err := w.t.login.state.Load().usable(); err != nil {
		return err
	}
	if known {
		return &brokenError{conn: w.conn, reload: true, err: fmt.Errorf("%w: the key is not found any more", ErrUnavailable)}
	}
	if err := w.t.probe(w.conn, w.session); err != nil {
		return err
	}
	return ErrKeyNotFound
}

// find gives the secret keys of that label, at most a few.
func (w *worker) find(label string) ([]pkcs11.ObjectHandle, error) {
	return w.t.lib.find(w.session, 4, pkcs11.NewAttribute(pkcs11.CKA_LABEL, label))
}

// find gives the secret keys with these attributes, at most limit.
func (l *library) find(s pkcs11.SessionHandle, limit int, with ...*pkcs11.Attribute) ([]pkcs11.ObjectHandle, error) {
	with = append(with, pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY))
	if err := l.ctx.FindObjectsInit(s, with); err != nil {
		return nil, coded("C_FindObjectsInit", err)
	}
	var all []pkcs11.ObjectHandle
	var err error
	for len(all) < limit {
		var some []pkcs11.ObjectHandle
		some, _, err = l.ctx.FindObjects(s, min(limit-len(all), 512))
		if err != nil || len(some) == 0 {
			break
		}
		all = append(all, some...)
	}
	if final := l.ctx.FindObjectsFinal(s); err == nil {
		err = final
	}
	return all, coded("C_FindObjects", err)
}

// attributes describes a key.
func (w *worker) attributes(h pkcs11.ObjectHandle) (Key, error) {
	get := func(types ...uint) ([]*pkcs11.Attribute, error) {
		want := make([]*pkcs11.Attribute, len(types))
		for i, t := range types {
			want[i] = pkcs11.NewAttribute(t, nil)
		}
		got, err := w.t.lib.ctx.GetAttributeValue(w.session, h, want)
		return got, coded("C_GetAttributeValue", err)
	}
	base := []uint{pkcs11.CKA_LABEL, pkcs11.CKA_ID, pkcs11.CKA_KEY_TYPE, pkcs11.CKA_ENCRYPT, pkcs11.CKA_DECRYPT}
	got, err := get(append(base, pkcs11.CKA_VALUE_LEN)...)
	if codeClass(err) == classRefused { // keys of some types have no length
		got, err = get(base...)
	}
	if err != nil {
		return Key{}, err
	}
	return keyOf(got)
}

var errAttributes = errors.New("the device gave attributes of the wrong size")

// keyOf reads the attributes of label, ID, type, the two usages and, if there,
// the length.
func keyOf(a []*pkcs11.Attribute) (Key, error) {
	if len(a) < 5 || len(a[2].Value) != 8 || len(a[3].Value) != 1 || len(a[4].Value) != 1 {
		return Key{}, fmt.Errorf("%w: %w", ErrUnavailable, errAttributes)
	}
	k := Key{Label: string(a[0].Value), ID: a[1].Value, Encrypt: a[3].Value[0] != 0, Decrypt: a[4].Value[0] != 0}
	number := binary.NativeEndian.Uint64(a[2].Value)
	switch number {
	case pkcs11.CKK_AES:
		k.Type = "AES"
	case pkcs11.CKK_DES3:
		k.Type, k.Bits = "DES3", 192
	default:
		k.Type = fmt.Sprintf("0x%x", number)
	}
	if len(a) > 5 && len(a[5].Value) == 8 {
		k.Bits = 8 * int(binary.NativeEndian.Uint64(a[5].Value))
	}
	k.AES256 = number == pkcs11.CKK_AES && k.Bits == 8*aes256Size
	k.Enabled = k.Encrypt || k.Decrypt
	return k, nil
}
