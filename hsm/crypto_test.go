package hsm_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/pkcs11"
	"pgregory.net/rapid"

	"hyok/hsm"
)

// bytesUpTo draws byte strings of every size to max, small ones often.
func bytesUpTo(max int) *rapid.Generator[[]byte] {
	return rapid.OneOf(
		rapid.SliceOfN(rapid.Byte(), 0, 64),
		rapid.Custom(func(t *rapid.T) []byte {
			b := make([]byte, rapid.IntRange(0, max).Draw(t, "size"))
			for i := range b {
				b[i] = byte(i * i)
			}
			return b
		}),
		rapid.Just(make([]byte, max)),
	)
}

func TestDecryptGivesWhatEncryptTook(t *testing.T) {
	_, token := newToken(t, hsm.TokenConfig{})
	ctx := soon(t)
	rapid.Check(t, func(t *rapid.T) {
		text, aad := bytesUpTo(hsm.MaxPlaintext).Draw(t, "plaintext"), bytesUpTo(hsm.MaxAAD).Draw(t, "aad")
		s, err := token.Encrypt(ctx, "k", text, aad)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.IV) != 12 || len(s.Ciphertext) != len(text) || len(s.Tag) != 16 {
			t.Fatalf("%d bytes became IV %d, ciphertext %d, tag %d", len(text), len(s.IV), len(s.Ciphertext), len(s.Tag))
		}
		got, err := token.Decrypt(ctx, "k", s.IV, s.Ciphertext, s.Tag, aad)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, text) {
			t.Fatalf("%d bytes came back as %d others", len(text), len(got))
		}
	})
}

func TestAnyChangedBitIsAnInvalidCiphertext(t *testing.T) {
	_, token := newToken(t, hsm.TokenConfig{})
	ctx := soon(t)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "plaintext")
		aad := rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "aad")
		s, err := token.Encrypt(ctx, "k", text, aad)
		if err != nil {
			t.Fatal(err)
		}
		parts := [][]byte{s.IV, s.Ciphertext, s.Tag, aad}
		part := parts[rapid.IntRange(0, len(parts)-1).Draw(t, "part")]
		bit := rapid.IntRange(0, 8*len(part)-1).Draw(t, "bit")
		part[bit/8] ^= 1 << (bit % 8)
		if _, err := token.Decrypt(ctx, "k", s.IV, s.Ciphertext, s.Tag, aad); !errors.Is(err, hsm.ErrInvalidCiphertext) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestCiphertextsAreAESGCMOfTheStandardLibrary(t *testing.T) {
	r, token := newToken(t, hsm.TokenConfig{})
	key := bytes.Repeat([]byte{7}, 32)
	if err := importKey(r.label, "known", key); err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	text, aad := []byte("the plaintext"), []byte("the additional data")

	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	s, err := token.Encrypt(soon(t), "known", text, aad)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := gcm.Open(nil, s.IV, append(slices.Clone(s.Ciphertext), s.Tag...), aad); err != nil || !bytes.Equal(got, text) {
		t.Errorf("the standard library opens it as %q, %v", got, err)
	}
	long, err := cipher.NewGCMWithNonceSize(block, 16)
	if err != nil {
		t.Fatal(err)
	}
	iv := bytes.Repeat([]byte{9}, 16)
	sealed := long.Seal(nil, iv, text, aad)
	got, err := token.Decrypt(soon(t), "known", iv, sealed[:len(text)], sealed[len(text):], aad)
	if diff := cmp.Diff(string(text), string(got)); diff != "" || err != nil {
		t.Errorf("with an IV of 16 bytes: %v %s", err, diff)
	}
}

func TestIVsDoNotRepeat(t *testing.T) {
	_, token := newToken(t, hsm.TokenConfig{})
	seen := make(map[string]bool)
	for range 2000 {
		s, err := token.Encrypt(soon(t), "k", nil, []byte("a"))
		if err != nil {
			t.Fatal(err)
		}
		if seen[string(s.IV)] {
			t.Fatalf("IV %x came twice", s.IV)
		}
		seen[string(s.IV)] = true
	}
}

func TestInputThatCannotBeRight(t *testing.T) {
	_, token := newToken(t, hsm.TokenConfig{})
	ctx := soon(t)
	iv, tag := make([]byte, 12), make([]byte, 16)
	encrypt := func(label string, text, aad int) error {
		_, err := token.Encrypt(ctx, label, make([]byte, text), make([]byte, aad))
		return err
	}
	decrypt := func(label string, iv, tag []byte, text int) error {
		_, err := token.Decrypt(ctx, label, iv, make([]byte, text), tag, nil)
		return err
	}
	for _, c := range []struct {
		name string
		err  error
		want error
	}{
		{"encrypt without label", encrypt("", 1, 1), hsm.ErrBadInput},
		{"encrypt under a label too long", encrypt(string(make([]byte, 257)), 1, 1), hsm.ErrBadInput},
		{"encrypt too much", encrypt("k", hsm.MaxPlaintext+1, 1), hsm.ErrBadInput},
		{"encrypt with too much additional data", encrypt("k", 1, hsm.MaxAAD+1), hsm.ErrBadInput},
		{"decrypt without label", decrypt("", iv, tag, 1), hsm.ErrBadInput},
		{"decrypt too much", decrypt("k", iv, tag, hsm.MaxPlaintext+1), hsm.ErrBadInput},
		{"decrypt without IV, which SoftHSM takes for zeroes", decrypt("k", nil, tag, 1), hsm.ErrInvalidCiphertext},
		{"decrypt with an IV of 13 bytes", decrypt("k", make([]byte, 13), tag, 1), hsm.ErrInvalidCiphertext},
		{"decrypt with a tag of 15 bytes", decrypt("k", iv, tag[:15], 1), hsm.ErrInvalidCiphertext},
		{"decrypt without tag", decrypt("k", iv, nil, 1), hsm.ErrInvalidCiphertext},
		{"decrypt nothing under a false tag", decrypt("k", iv, tag, 0), hsm.ErrInvalidCiphertext},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, c.err, c.want)
		}
	}
}

func TestOnlyAES256KeysWithTheUsageAreUsed(t *testing.T) {
	r, token := newToken(t, hsm.TokenConfig{})
	ctx := soon(t)
	off := func(usage uint) *pkcs11.Attribute { return pkcs11.NewAttribute(usage, false) }
	for _, c := range []struct {
		label            string
		value            []byte
		override         []*pkcs11.Attribute
		encrypt, decrypt error
	}{
		{"AES of 128 bits", make([]byte, 16), nil, hsm.ErrKeyUsage, hsm.ErrKeyUsage},
		{"generic secret", nil, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_GENERIC_SECRET)}, hsm.ErrKeyUsage, hsm.ErrKeyUsage},
		{"decrypts only", nil, []*pkcs11.Attribute{off(pkcs11.CKA_ENCRYPT)}, hsm.ErrKeyUsage, hsm.ErrInvalidCiphertext},
		{"encrypts only", nil, []*pkcs11.Attribute{off(pkcs11.CKA_DECRYPT)}, nil, hsm.ErrKeyUsage},
		{"disabled", nil, []*pkcs11.Attribute{off(pkcs11.CKA_ENCRYPT), off(pkcs11.CKA_DECRYPT)}, hsm.ErrKeyDisabled, hsm.ErrKeyDisabled},
	} {
		if err := importKey(r.label, c.label, c.value, c.override...); err != nil {
			t.Fatal(err)
		}
		if _, err := token.Encrypt(ctx, c.label, []byte("text"), nil); !errors.Is(err, c.encrypt) {
			t.Errorf("%s: encrypting gives %v, want %v", c.label, err, c.encrypt)
		}
		_, err := token.Decrypt(ctx, c.label, make([]byte, 12), []byte("text"), make([]byte, 16), nil)
		if !errors.Is(err, c.decrypt) {
			t.Errorf("%s: decrypting gives %v, want %v", c.label, err, c.decrypt)
		}
	}
}

func TestRandomBytesComeInTheLengthAskedFor(t *testing.T) {
	r := newRig(t, hsm.ModuleConfig{})
	token := r.open(t, hsm.TokenConfig{})
	for _, n := range []int{1, 32, 64 << 10} {
		b, err := token.Random(soon(t), n)
		if err != nil || len(b) != n {
			t.Errorf("%d bytes: got %d, %v", n, len(b), err)
		}
	}
	for _, n := range []int{-1, 0, 64<<10 + 1} {
		if _, err := token.Random(soon(t), n); !errors.Is(err, hsm.ErrBadInput) {
			t.Errorf("%d bytes: got %v", n, err)
		}
	}
}
