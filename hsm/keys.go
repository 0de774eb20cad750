package hsm

import (
	"context"
	"fmt"
	"time"

	"github.com/miekg/pkcs11"
)

// maxLabel bounds a key's label, in bytes: above a KMS key's ARN and an XKS key ID.
const maxLabel = 256

// Key describes the key of that label, its newest version, as it was at most half
// a second ago.
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

// usableKey gives the newest version of the key of that label if it may be used so.
func (w *worker) usableKey(label string, may func(Key) bool) (*entry, error) {
	e, err := w.key(label)
	if err != nil {
		return nil, err
	}
	return w.usable(e, may)
}

// usable gives e, read again if it is not usable so.
func (w *worker) usable(e *entry, may func(Key) bool) (*entry, error) {
	wrong := e.key.usable(may)
	if wrong == nil {
		return e, nil
	}
	if e.olderThan(wrongFor) {
		var err error
		if e, err = w.renewed(e); err != nil {
			return nil, err
		}
		wrong = e.key.usable(may)
	}
	return e, wrong
}

// key gives the newest version of the key of that label, from the cache if it is
// fresh, and makes it the worker's entry.
func (w *worker) key(label string) (*entry, error) {
	f := w.conn.keys.get(label)
	if f == nil || f.newest.suspect.Load() {
		return w.search(label, f)
	}
	e := f.newest
	w.entry = e
	if read := e.read.Load(); e.olderThan(freshFor) && e.read.CompareAndSwap(read, int64(time.Since(started))) {
		if err := w.refresh(e); err != nil {
			return nil, err
		}
	}
	return w.entry, nil
}

// renewed refreshes e and gives what the same key is then.
func (w *worker) renewed(e *entry) (*entry, error) {
	if err := w.refresh(e); err != nil {
		return nil, err
	}
	if f := w.conn.keys.get(e.key.Label); f != nil {
		for _, same := range f.versions {
			if same.handle == e.handle {
				w.entry = same
				return same, nil
			}
		}
	}
	return w.entry, nil // it is another key now
}

// refresh reads the attributes of e's key again.
func (w *worker) refresh(e *entry) error {
	k, err := w.attributes(e.handle)
	if err != nil {
		return err
	}
	f := w.conn.keys.get(e.key.Label)
	if k.Label != e.key.Label {
		f = nil
	}
	if f == nil || w.outdated(f, k.Label) {
		w.conn.keys.remove(e.key.Label)
		_, err := w.search(e.key.Label, f)
		return err
	}
	w.entry = newEntry(e.handle, k)
	w.conn.keys.replace(k.Label, f, f.with(w.entry))
	return nil
}

// outdated tells whether other keys than f's now have this label. It looks only
// as often as takes one part in a hundred of a worker's time, and where that would
// keep the request waiting has the whole token looked at beside it.
func (w *worker) outdated(f *family, label string) bool {
	if f.unsettled {
		return true
	}
	if !w.t.searchDue() {
		return false
	}
	if w.t.large.Load() {
		w.t.surveySoon()
		return false
	}
	begin := time.Now()
	found, err := w.find(label)
	w.t.searched(time.Since(begin))
	return err == nil && !f.has(found)
}

// search finds the key of that label on the token, makes its newest version the
// worker's entry and gives it. known is what was there before in this epoch; nil:
// nothing.
func (w *worker) search(label string, known *family) (*entry, error) {
	found, err := w.find(label)
	if err == nil && len(found) == 0 {
		// Without the login private keys are not there; another worker may have
		// logged in since.
		if _, err = w.t.logInAgain(w.conn); err == nil {
			found, err = w.find(label)
		}
	}
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		if known == nil && w.t.lostAgain(label) {
			return nil, &brokenError{conn: w.conn, reload: true, idle: true, err: errGone}
		}
		return nil, w.missing(known != nil)
	}
	f, err := w.family(found)
	if err != nil {
		return nil, err
	}
	if known != nil && known.lost(f) {
		return nil, w.missing(true)
	}
	w.dropCopies(known, found)
	w.t.seen.Store(label, nil)
	w.conn.keys.put(label, f)
	w.entry = f.newest
	return w.entry, nil
}

var errGone = fmt.Errorf("%w: the key is not found any more", ErrUnavailable)

// lostAgain tells, once in unknownPause, that a key which this process has seen is
// to be looked for in a reloaded module: a reload may lose keys as well.
func (t *Token) lostAgain(label string) bool {
	_, seen := t.seen.Load(label)
	return seen && t.mayReload()
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
		w.t.nextReload.Store(int64(time.Since(started) + unknownPause)) // what the reloaded module says is believed
		return &brokenError{conn: w.conn, reload: true, err: errGone}
	}
	if err := w.t.probe(w.conn, w.session); err != nil {
		return err
	}
	return ErrKeyNotFound
}

// find gives the secret keys of that label.
func (w *worker) find(label string) ([]pkcs11.ObjectHandle, error) {
	begin := time.Now()
	found, err := w.t.lib.find(w.session, maxVersions, pkcs11.NewAttribute(pkcs11.CKA_LABEL, label))
	if time.Since(begin) > cheapSearch && !w.conn.keys.surveyed.Load() {
		w.t.surveySoon()
	}
	return found, err
}

// find gives the secret keys on the token with these attributes, at most limit:
// neither the canary's nor copies.
func (l *library) find(s pkcs11.SessionHandle, limit int, with ...*pkcs11.Attribute) ([]pkcs11.ObjectHandle, error) {
	with = append(with, pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true))
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
