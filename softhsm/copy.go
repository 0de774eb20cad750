package softhsm

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Attributes of SoftHSM's token.object that a copy must have of its own: two
// tokens alike in both cannot be told apart. Label and serial number are byte
// strings of fixed length, so that they can be replaced in place.
const (
	tokenObject = "token.object"
	attrLabel   = 0x80005349 // CKA_OS_TOKENLABEL, 32 bytes, padded with spaces
	attrSerial  = 0x8000534A // CKA_OS_TOKENSERIAL, 16 hexadecimal digits
	serialSize  = 16
)

// Export copies the token of that label, with its PINs and all its objects, to
// the directory to, which must not exist. Nobody may change the token meanwhile.
// ErrNotFound if there is no such token.
func (d *Dir) Export(label, to string) error {
	from, err := d.TokenPath(label)
	if err != nil {
		return err
	}
	if err := copyFiles(from, to); err != nil {
		return fmt.Errorf("copying token %q: %w", label, err)
	}
	return nil
}

// Import makes a token with this label out of what Export wrote, with a serial
// number of its own. PINs and objects are those of the token at that time.
// ErrExists if the label is taken.
func (d *Dir) Import(from, label string) (err error) {
	if label == "" || len(label) > maxLabel || label != strings.TrimSpace(label) {
		return fmt.Errorf("making token %q: a label is 1 to %d bytes without space around it", label, maxLabel)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	tokens, err := d.list()
	if err != nil {
		return fmt.Errorf("making token %q: %w", label, err)
	}
	if _, taken := tokens[label]; taken {
		return fmt.Errorf("making token %q: %w", label, ErrExists)
	}
	var b [16]byte
	rand.Read(b[:])
	id := hex.EncodeToString(b[:])
	// Where SoftHSM does not look, until it is whole.
	incoming := filepath.Join(d.path, "incoming-"+id)
	defer func() { err = errors.Join(err, os.RemoveAll(incoming)) }()
	if err := copyFiles(from, incoming); err != nil {
		return fmt.Errorf("making token %q: %w", label, err)
	}
	if err := rename(filepath.Join(incoming, tokenObject), label, id[len(id)-serialSize:]); err != nil {
		return fmt.Errorf("making token %q: %w", label, err)
	}
	name := strings.Join([]string{id[:8], id[8:12], id[12:16], id[16:20], id[20:]}, "-")
	return os.Rename(incoming, filepath.Join(d.tokens(), name))
}

// rename gives the token whose token.object is at path another label and serial number.
func rename(path, label, serial string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for _, a := range []struct {
		attribute uint64
		value     string
	}{
		{attrLabel, label + strings.Repeat(" ", maxLabel-len(label))}, {attrSerial, serial},
	} {
		at := valueAt(b, a.attribute, len(a.value))
		if at < 0 {
			return fmt.Errorf("%s is not a token of SoftHSM", path)
		}
		copy(b[at:], a.value)
	}
	return os.WriteFile(path, b, 0o600)
}

// valueAt finds a byte string attribute of that size: type, kind 3 and length,
// eight bytes each, and then the value. -1: there is none.
func valueAt(object []byte, attribute uint64, size int) int {
	const kindBytes = 3
	var head []byte
	for _, v := range []uint64{attribute, kindBytes, uint64(size)} {
		head = binary.BigEndian.AppendUint64(head, v)
	}
	at := bytes.Index(object, head)
	if at < 0 || len(object) < at+len(head)+size {
		return -1
	}
	return at + len(head)
}

// copyTries bounds how often a copy begins again: the module makes and removes
// files beside the objects while it looks at them.
const copyTries = 5

// copyFiles copies the files of one directory, which has no others below it.
func copyFiles(from, to string) (err error) {
	for range copyTries {
		if err = os.CopyFS(to, os.DirFS(from)); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		if _, missing := os.Stat(from); missing != nil {
			break
		}
		if err := os.RemoveAll(to); err != nil {
			return err
		}
	}
	return err
}
