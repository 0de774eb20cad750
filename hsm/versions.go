package hsm

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/miekg/pkcs11"
)

// Keys of one label are the versions of one key: their CKA_IDs tell them apart
// and in which order they were made. New encryptions take the newest, Decrypt the
// one that is asked for.
//
// The CKA_ID of a version that was made by rotation is versionPrefix, the number
// in four bytes, big-endian, and versionRandom random bytes. A key whose CKA_ID
// is anything else, as CreateKey and other tools make it, is version 1. Should
// two processes rotate a key at the same moment, both their keys have the same
// number: Encrypt takes the one with the larger CKA_ID, and Decrypt tries both.

// versionPrefix is no text in any encoding of Unicode, so that no CKA_ID that
// people choose begins so.
const versionPrefix = "\xf6hyok-v\x00"

const (
	versionRandom = 8
	versionIDSize = len(versionPrefix) + 4 + versionRandom
)

// maxVersions bounds the versions of a key.
const maxVersions = 1024

// unknownPause is between two reloads for the sake of versions that are not found.
const unknownPause = time.Minute

// NewVersionID makes a random CKA_ID for a version, which is 2 or more.
func NewVersionID(version uint32) []byte {
	id := make([]byte, versionIDSize)
	n := copy(id, versionPrefix)
	binary.BigEndian.PutUint32(id[n:], version)
	rand.Read(id[n+4:])
	return id
}

// VersionOf gives the version that a CKA_ID stands for: 1 for every ID that
// NewVersionID cannot have made.
func VersionOf(id []byte) uint32 {
	if len(id) != versionIDSize || !bytes.HasPrefix(id, []byte(versionPrefix)) {
		return 1
	}
	return max(1, binary.BigEndian.Uint32(id[len(versionPrefix):]))
}

// A family is the versions of a key. It is never changed.
type family struct {
	versions []*entry // in ascending order of version and CKA_ID
	newest   *entry   // what encrypts
	// unsettled: a newer version does not work yet. Another process is making it.
	unsettled bool
}

// of gives the keys of a version, the oldest for 0.
func (f *family) of(version uint32) []*entry {
	if version == 0 {
		version = f.versions[0].key.Version
	}
	from, _ := slices.BinarySearchFunc(f.versions, version, func(e *entry, v uint32) int { return cmp.Compare(e.key.Version, v) })
	to := from
	for to < len(f.versions) && f.versions[to].key.Version == version {
		to++
	}
	return f.versions[from:to]
}

// knows tells whether f has the version, and its keys were there when last used.
func (f *family) knows(version uint32) bool {
	keys := f.of(version)
	return len(keys) > 0 && !slices.ContainsFunc(keys, func(e *entry) bool { return e.suspect.Load() })
}

// with gives f with a new reading of one of its keys.
func (f *family) with(fresh *entry) *family {
	g := &family{versions: slices.Clone(f.versions), newest: f.newest, unsettled: f.unsettled}
	for i, e := range g.versions {
		if e.handle == fresh.handle {
			g.versions[i] = fresh
		}
	}
	if g.newest.handle == fresh.handle {
		g.newest = fresh
	}
	return g
}

// has tells whether these are the handles of f.
func (f *family) has(handles []pkcs11.ObjectHandle) bool {
	return len(handles) == len(f.versions) && !slices.ContainsFunc(f.versions, func(e *entry) bool {
		return !slices.Contains(handles, e.handle)
	})
}

// lost tells whether f has a version that g has not.
func (f *family) lost(g *family) bool {
	return slices.ContainsFunc(f.versions, func(e *entry) bool { return len(g.of(e.key.Version)) == 0 })
}

// family reads the keys with these handles, at least one, which share a label.
func (w *worker) family(found []pkcs11.ObjectHandle) (*family, error) {
	versions := make([]*entry, len(found))
	for i, h := range found {
		k, err := w.attributes(h)
		if err != nil {
			return nil, err
		}
		versions[i] = newEntry(h, k)
	}
	return w.familyOf(versions)
}

// familyOf puts keys of one label, at least one, in order.
func (w *worker) familyOf(versions []*entry) (*family, error) {
	f := &family{versions: versions}
	slices.SortFunc(f.versions, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.key.Version, b.key.Version), bytes.Compare(a.key.ID, b.key.ID))
	})
	if len(f.of(1)) > 1 {
		return nil, fmt.Errorf("%w: %d keys have this label and no version in their CKA_ID; give all but one another label, with a PKCS#11 tool", ErrAmbiguous, len(f.of(1)))
	}
	last := len(f.versions) - 1
	for last > 0 && !w.works(f.versions[last]) {
		last--
		f.unsettled = true
	}
	f.newest = f.versions[last]
	return f, nil
}

// works tells whether a version can be the newest. A key shows on the token a
// moment before its value does; nobody must hear of that.
func (w *worker) works(e *entry) bool {
	if !e.key.AES256 {
		return false
	}
	return !e.key.Encrypt || !e.key.Decrypt || w.t.sing(w.session, e.handle) == nil
}

// versionOf gives the keys of a version of the key of that label, one as a rule.
func (w *worker) versionOf(label string, version uint32) ([]*entry, error) {
	_, err := w.usableKey(label, func(Key) bool { return true })
	if err != nil && !errors.Is(err, ErrKeyUsage) { // which is a matter of the version
		return nil, err
	}
	f := w.conn.keys.get(label)
	if f == nil || !f.knows(version) { // made by another process just now?
		if _, err = w.search(label, f); err != nil {
			return nil, err
		}
		f = w.conn.keys.get(label)
	}
	if f == nil || len(f.of(version)) == 0 {
		return nil, w.unknownVersion(version)
	}
	return f.of(version), nil
}

// unknownVersion is the error for a version that was not found. A module may
// lose a key whose file it could once not read (guide hsm.md §2, trap 12), so
// that it is asked again when loaded anew, but not more often than a stream of
// forged ciphertexts may cost.
func (w *worker) unknownVersion(version uint32) error {
	err := fmt.Errorf("%w: %d", errNoVersion, version)
	if !w.t.mayReload() {
		return err
	}
	return &brokenError{conn: w.conn, reload: true, err: fmt.Errorf("%w: a version of the key is not found", ErrUnavailable)}
}

// mayReload tells, to one caller in unknownPause, that a reload is worth its cost.
func (t *Token) mayReload() bool {
	now, due := int64(time.Since(started)), t.nextReload.Load()
	return now >= due && t.nextReload.CompareAndSwap(due, now+int64(unknownPause))
}

// RotateKey makes a new version of the key of that label, which Encrypt takes
// from then on: at once in this process, within a second in others, later where a
// search of the token takes more than 10 ms or dozens of its few keys are in use. The
// new version decrypts at once everywhere, and the earlier ones go on. Errors: ErrBadInput, ErrKeyNotFound, ErrKeyDisabled,
// ErrKeyUsage (not an AES-256 key that both encrypts and decrypts), ErrAmbiguous,
// ErrNotLoggedIn, ErrUnsupported.
func (t *Token) RotateKey(ctx context.Context, label string) (Key, error) {
	err := checkLabel(label)
	made := NewVersionID(1) // the number comes later
	var k Key
	if err == nil {
		// When the caller has gone, the version stays: others may have encrypted
		// under it.
		err = t.do(ctx, t.slow, opRotateKey, func(w *worker) (err error) {
			k, err = w.rotate(label, made)
			return err
		}, nil)
	}
	if err != nil {
		return Key{}, fmt.Errorf("rotating key %q: %w", label, err)
	}
	return k, nil
}

// rotate makes the version, or gives the one that an earlier try made before it
// failed: the random end of made tells.
func (w *worker) rotate(label string, made []byte) (Key, error) {
	newest, err := w.search(label, w.conn.keys.get(label))
	if err != nil {
		return Key{}, err
	}
	random := made[versionIDSize-versionRandom:]
	f := w.conn.keys.get(label)
	last := f.versions[len(f.versions)-1].key
	if VersionOf(last.ID) > 1 && bytes.HasSuffix(last.ID, random) {
		return last, nil
	}
	if err := newest.key.usable(func(k Key) bool { return k.Encrypt && k.Decrypt }); err != nil {
		return Key{}, err
	}
	if len(f.versions) >= maxVersions || last.Version == 1<<32-1 {
		return Key{}, fmt.Errorf("%w: the key has all the versions it can have", ErrUnsupported)
	}
	id := NewVersionID(last.Version + 1)
	copy(id[versionIDSize-versionRandom:], random)
	if err := w.generate(label, id); err != nil {
		return Key{}, err
	}
	if _, err = w.search(label, f); err != nil {
		return Key{}, err
	}
	for _, e := range w.conn.keys.get(label).versions {
		if bytes.Equal(e.key.ID, id) {
			return e.key, nil
		}
	}
	return Key{}, fmt.Errorf("%w: the version that was made is not found", ErrUnavailable)
}
