package hsm

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/pkcs11"
)

// keyIDSize is that of the random CKA_ID of a key that CreateKey makes, in bytes.
const keyIDSize = 16

// maxKeys bounds what Keys lists: ten times the largest token measured (guide
// hsm.md §1d).
const maxKeys = 100_000

// Keys lists the secret keys of the token, of any kind, sorted by label and
// version. It takes some 60 µs for each key. Errors: ErrNotLoggedIn.
func (t *Token) Keys(ctx context.Context) ([]Key, error) {
	var keys []Key
	err := t.do(ctx, t.slow, opKeys, func(w *worker) (err error) {
		keys, err = w.list()
		return err
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("listing keys: %w", err)
	}
	return keys, nil
}

func (w *worker) list() ([]Key, error) {
	// An empty answer is believed only of a token that is well.
	if err := w.t.probe(w.conn, w.session); err != nil {
		return nil, err
	}
	found, err := w.t.lib.find(w.session, maxKeys)
	if err != nil {
		return nil, err
	}
	keys := make([]Key, 0, len(found))
	for _, h := range found {
		k, err := w.attributes(h)
		if codeClass(err) == classHandle && err != nil {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b Key) int {
		return cmp.Or(strings.Compare(a.Label, b.Label), cmp.Compare(a.Version, b.Version), bytes.Compare(a.ID, b.ID))
	})
	return keys, nil
}

// CreateKey makes an AES-256 key on the token that encrypts and decrypts: it is
// private and sensitive, and can neither be extracted nor wrap other keys. Its
// CKA_ID is random. If the caller has gone when the key is made, it is deleted
// again. Errors: ErrBadInput, ErrKeyExists, ErrNotLoggedIn, ErrUnsupported (a
// token that cannot be written to).
func (t *Token) CreateKey(ctx context.Context, label string) (Key, error) {
	err := checkLabel(label)
	id := make([]byte, keyIDSize)
	rand.Read(id)
	var k Key
	if err == nil {
		err = t.do(ctx, t.slow, opCreateKey, func(w *worker) (err error) {
			k, err = w.create(label, id)
			return err
		}, func(w *worker) {
			if w.conn != nil && w.entry != nil {
				w.conn.keys.remove(label)
				_ = t.lib.ctx.DestroyObject(w.session, w.entry.handle)
			}
		})
	}
	if err != nil {
		return Key{}, fmt.Errorf("creating key %q: %w", label, err)
	}
	return k, nil
}

// create makes the key, or gives the one that an earlier try with this id made
// before it failed.
func (w *worker) create(label string, id []byte) (Key, error) {
	found, err := w.find(label)
	if err != nil {
		return Key{}, err
	}
	for _, h := range found {
		k, err := w.attributes(h)
		if err != nil {
			return Key{}, err
		}
		if bytes.Equal(k.ID, id) {
			return w.created(label)
		}
	}
	if len(found) > 0 {
		return Key{}, ErrKeyExists
	}
	if err := w.generate(label, id); err != nil {
		return Key{}, err
	}
	return w.created(label)
}

// created gives the key that was just made.
func (w *worker) created(label string) (Key, error) {
	e, err := w.search(label, nil)
	if err != nil {
		return Key{}, err
	}
	return e.key, nil
}

func (w *worker) generate(label string, id []byte) error {
	_, err := w.t.lib.ctx.GenerateKey(w.session,
		[]*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_KEY_GEN, nil)}, newKeyTemplate(label, id))
	return coded("C_GenerateKey", err)
}

// newKeyTemplate leaves nothing to the module's defaults: SoftHSM's are not
// sensitive and may wrap (guide hsm.md §2, trap 6).
func newKeyTemplate(label string, id []byte) []*pkcs11.Attribute {
	return []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
		pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, aes256Size),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, label),
		pkcs11.NewAttribute(pkcs11.CKA_ID, id),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
		pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false),
		pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true),
		pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, true),
		pkcs11.NewAttribute(pkcs11.CKA_WRAP, false),
		pkcs11.NewAttribute(pkcs11.CKA_UNWRAP, false),
		pkcs11.NewAttribute(pkcs11.CKA_SIGN, false),
		pkcs11.NewAttribute(pkcs11.CKA_VERIFY, false),
		pkcs11.NewAttribute(pkcs11.CKA_DERIVE, false),
	}
}

// DeleteKey destroys the key of that label with all its versions. What they
// encrypted is lost. Errors: ErrBadInput, ErrKeyNotFound, ErrAmbiguous,
// ErrNotLoggedIn, ErrUnsupported.
func (t *Token) DeleteKey(ctx context.Context, label string) error {
	return t.change(ctx, "deleting", label, opDeleteKey, func(w *worker, e *entry) error {
		w.conn.keys.remove(label) // before, so that nobody misses it
		t.seen.Delete(label)
		w.dropCopy(e)
		return coded("C_DestroyObject", t.lib.ctx.DestroyObject(w.session, e.handle))
	})
}

// SetEnabled sets or clears CKA_ENCRYPT and CKA_DECRYPT of all versions of the key
// of that label; without both it is disabled. Errors: ErrBadInput, ErrKeyNotFound,
// ErrAmbiguous, ErrNotLoggedIn, ErrUnsupported (the key cannot be changed).
func (t *Token) SetEnabled(ctx context.Context, label string, on bool) error {
	doing := "disabling"
	if on {
		doing = "enabling"
	}
	return t.change(ctx, doing, label, opSetEnabled, func(w *worker, e *entry) error {
		err := t.lib.ctx.SetAttributeValue(w.session, e.handle, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, on),
			pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, on),
		})
		if err != nil {
			return coded("C_SetAttributeValue", err)
		}
		return w.refresh(e)
	})
}

// change changes each version of the key of that label, the oldest first.
func (t *Token) change(ctx context.Context, doing, label string, op *operation, how func(*worker, *entry) error) error {
	err := checkLabel(label)
	if err == nil {
		err = t.do(ctx, t.slow, op, func(w *worker) error {
			if _, err := w.search(label, nil); err != nil {
				return err
			}
			for _, e := range w.conn.keys.get(label).versions {
				if err := how(w, e); err != nil {
					return err
				}
			}
			return nil
		}, nil)
	}
	if err != nil {
		return fmt.Errorf("%s key %q: %w", doing, label, err)
	}
	return nil
}
