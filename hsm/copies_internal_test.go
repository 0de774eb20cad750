package hsm

import (
	"testing"

	"github.com/miekg/pkcs11"
)

// TestAKeyBeyondTheLastCopyIsUsedAsItIs fills the connection with copies first.
func TestAKeyBeyondTheLastCopyIsUsedAsItIs(t *testing.T) {
	b := newBench(t, TokenConfig{})
	c := &b.token.conn.Load().keys.copies
	if len(c.of) != 1 {
		t.Fatalf("there are %d copies, want that of the key used", len(c.of))
	}
	for h := pkcs11.ObjectHandle(1 << 40); len(c.of) < maxCopies; h++ {
		c.of[h] = copied{}
	}
	if _, err := b.token.CreateKey(t.Context(), "beyond"); err != nil {
		t.Fatal(err)
	}
	for _, label := range []string{"beyond", "k"} {
		if _, err := b.token.Encrypt(t.Context(), label, []byte("text"), nil); err != nil {
			t.Error(err)
		}
	}
	if len(c.of) != maxCopies {
		t.Errorf("there are %d copies, the limit is %d", len(c.of), maxCopies)
	}
}
