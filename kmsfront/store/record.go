package store

import (
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"
)

// Layout of the file, format 1:
//
//	bucket meta     format  4 bytes, big endian
//	                check   checkValue, sealed: tells a wrong root key
//	                rev     8 bytes, big endian: the last commit's revision
//	bucket records  key     8 bytes revision, then the sealed value
//
// The additional data of a sealed value is format, revision and key, so that no
// value can be moved to another key or be passed off as a newer one.
const fileFormat = 1

var (
	bucketMeta    = []byte("meta")
	bucketRecords = []byte("records")
	metaFormat    = []byte("format")
	metaCheck     = []byte("check")
	metaRev       = []byte("rev")

	checkValue = []byte("hyok store")
)

const revSize = 8

// recordContext is the additional data of the value of key.
func recordContext(key string, rev Rev) []byte {
	b := make([]byte, 0, 4+revSize+len(key))
	b = binary.BigEndian.AppendUint32(b, fileFormat)
	b = binary.BigEndian.AppendUint64(b, uint64(rev))
	return append(b, key...)
}

// sealRecord gives what the file holds under key.
func sealRecord(s Sealer, r Record) ([]byte, error) {
	sealed, err := s.Seal(r.Value, recordContext(r.Key, r.Rev))
	if err != nil {
		return nil, fmt.Errorf("sealing record %q: %w", r.Key, err)
	}
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, revSize+len(sealed)), uint64(r.Rev)), sealed...), nil
}

// recordRev gives the revision of what the file holds under a key, 0 for nothing.
func recordRev(stored []byte) (Rev, error) {
	if stored == nil {
		return 0, nil
	}
	if len(stored) < revSize {
		return 0, ErrSealed
	}
	return Rev(binary.BigEndian.Uint64(stored)), nil
}

// openRecord is the inverse of sealRecord.
func openRecord(s Sealer, key string, stored []byte) (Record, error) {
	rev, err := recordRev(stored)
	if err == nil && rev == 0 {
		err = ErrSealed
	}
	if err != nil {
		return Record{}, fmt.Errorf("record %q: %w", key, err)
	}
	value, err := s.Open(stored[revSize:], recordContext(key, rev))
	if err != nil {
		return Record{}, fmt.Errorf("record %q: %w", key, err)
	}
	if value == nil {
		value = []byte{} // nil would mean a deleted record
	}
	return Record{Key: key, Value: value, Rev: rev}, nil
}

// initFile makes an empty store.
func initFile(path string, s Sealer, o BoltOptions) error {
	check, err := s.Seal(checkValue, metaCheck)
	if err != nil {
		return fmt.Errorf("sealing the check value: %w", err)
	}
	db, err := openFile(path, o)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		meta, err := tx.CreateBucket(bucketMeta)
		if err != nil {
			return err
		}
		_, err = tx.CreateBucket(bucketRecords)
		return errors.Join(err,
			meta.Put(metaFormat, binary.BigEndian.AppendUint32(nil, fileFormat)),
			meta.Put(metaCheck, check),
			putRev(tx, 0))
	})
	return errors.Join(err, db.Close())
}

func putRev(tx *bolt.Tx, rev Rev) error {
	return tx.Bucket(bucketMeta).Put(metaRev, binary.BigEndian.AppendUint64(nil, uint64(rev)))
}

// storedRev is the revision that tx reads at.
func storedRev(tx *bolt.Tx) Rev {
	return Rev(binary.BigEndian.Uint64(tx.Bucket(bucketMeta).Get(metaRev)))
}

// readMeta checks that the file is a store of a format known here, whole, and
// sealed under this root key. It takes the revision from it.
func (b *boltStore) readMeta() error {
	return b.view(func(tx *bolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		if meta == nil || tx.Bucket(bucketRecords) == nil || len(meta.Get(metaFormat)) != 4 || len(meta.Get(metaRev)) != revSize {
			return fmt.Errorf("%w: the file is no store of this program", ErrFormat)
		}
		if f := binary.BigEndian.Uint32(meta.Get(metaFormat)); f != fileFormat {
			return fmt.Errorf("%w: it is %d, this program knows %d; use the newer program", ErrFormat, f, fileFormat)
		}
		if info, err := os.Stat(b.db.Path()); err != nil || info.Size() < tx.Size() {
			return errors.Join(fmt.Errorf("%w: the file is damaged: its end is missing", ErrFormat), err)
		}
		check, err := b.sealer.Open(meta.Get(metaCheck), metaCheck)
		if err != nil || subtle.ConstantTimeCompare(check, checkValue) != 1 {
			return fmt.Errorf("%w: the store was sealed under another one; restore that key from its backup", ErrRootKey)
		}
		b.rev = storedRev(tx)
		return nil
	})
}
