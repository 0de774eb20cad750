package material_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"hyok/kmsfront/material"
	"hyok/kmsfront/store"
)

const (
	keyID   = "1234abcd-12ab-34cd-56ef-1234567890ab"
	account = "111122223333"
)

func newRoot(t testing.TB) *store.RootKey {
	t.Helper()
	root, err := store.CreateRootKey(filepath.Join(t.TempDir(), "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func newKey(t testing.TB, s *material.Software, id, account string) *material.Key {
	t.Helper()
	k := &material.Key{ARN: "arn:aws:kms:us-east-1:" + account + ":key/" + id, ID: id, Account: account}
	generate(t, s, k)
	return k
}

func generate(t testing.TB, s *material.Software, k *material.Key) {
	t.Helper()
	if err := s.Generate(k); err != nil {
		t.Fatal(err)
	}
}

func encrypt(t testing.TB, s *material.Software, k *material.Key, plaintext, aad []byte) []byte {
	t.Helper()
	blob, err := s.Encrypt(t.Context(), k, plaintext, aad)
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

func TestBlobsOfEverySizeOpen(t *testing.T) {
	s := material.NewSoftware(newRoot(t))
	k := newKey(t, s, keyID, account)
	for _, size := range []int{0, 1, 15, 16, 17, 48, 2048, material.MaxPlaintext} {
		plaintext, aad := bytes.Repeat([]byte{7}, size), bytes.Repeat([]byte{8}, 8192)
		blob := encrypt(t, s, k, plaintext, aad)
		if len(blob) > material.MaxBlob {
			t.Errorf("%d bytes give a blob of %d", size, len(blob))
		}
		if got, err := s.Decrypt(t.Context(), k, blob, aad); err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%d bytes: %d bytes come back, %v", size, len(got), err)
		}
		h := material.NewHeader(material.FormatExternal, k)
		inner, err := s.SealInner(k, h, plaintext, aad)
		if err != nil || len(inner) > material.MaxExternalPlaintext {
			t.Errorf("%d bytes give an inner layer of %d, %v", size, len(inner), err)
		}
		if got, err := s.OpenInner(k, h, inner, aad); err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%d bytes: %d bytes come back from the inner layer, %v", size, len(got), err)
		}
	}
	if _, err := s.Encrypt(t.Context(), k, make([]byte, material.MaxPlaintext+1), nil); !errors.Is(err, material.ErrPlaintextSize) {
		t.Errorf("one byte too many: %v", err)
	}
}

func TestAnyFlippedBitIsRefused(t *testing.T) {
	s := material.NewSoftware(newRoot(t))
	k := newKey(t, s, keyID, account)
	blob := encrypt(t, s, k, []byte("plaintext"), []byte("context"))
	for i := range len(blob) * 8 {
		bad := bytes.Clone(blob)
		bad[i/8] ^= 1 << (i % 8)
		if _, err := s.Decrypt(t.Context(), k, bad, []byte("context")); !errors.Is(err, material.ErrInvalidCiphertext) {
			t.Errorf("bit %d of byte %d: %v", i%8, i/8, err)
		}
	}
}

func TestAnyOtherLengthIsRefused(t *testing.T) {
	s := material.NewSoftware(newRoot(t))
	k := newKey(t, s, keyID, account)
	blob := encrypt(t, s, k, []byte("plaintext"), nil)
	long := append(bytes.Clone(blob), make([]byte, material.MaxBlob)...)
	for n := range long {
		if n == len(blob) {
			continue
		}
		if _, err := s.Decrypt(t.Context(), k, long[:n], nil); !errors.Is(err, material.ErrInvalidCiphertext) {
			t.Fatalf("%d bytes of it: %v", n, err)
		}
	}
}

func TestOtherKeysDoNotOpenABlob(t *testing.T) {
	s := material.NewSoftware(newRoot(t))
	k := newKey(t, s, keyID, account)
	blob := encrypt(t, s, k, []byte("plaintext"), nil)
	sameID, sameMaterial := newKey(t, s, keyID, account), *k
	sameMaterial.ID = strings.Replace(keyID, "1", "2", 1)
	otherAccount := *k
	otherAccount.Account = "111122223334"
	for name, other := range map[string]*material.Key{
		"another key":                   newKey(t, s, sameMaterial.ID, account),
		"same ID, another material":     sameID,
		"another ID, the same material": &sameMaterial,
		"another account":               &otherAccount,
	} {
		if _, err := s.Decrypt(t.Context(), other, blob, nil); !errors.Is(err, material.ErrInvalidCiphertext) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDecryptTakesTheVersionThatEncrypted(t *testing.T) {
	s := material.NewSoftware(newRoot(t))
	k := newKey(t, s, keyID, account)
	before := *k
	old := encrypt(t, s, k, []byte("old"), nil)
	generate(t, s, k)
	if len(before.Versions) != 1 || len(k.Versions) != 2 || k.Current != 2 {
		t.Fatalf("%d versions, the copy has %d, current is %d", len(k.Versions), len(before.Versions), k.Current)
	}
	young := encrypt(t, s, k, []byte("young"), nil)
	for want, blob := range map[string][]byte{"old": old, "young": young} {
		if got, err := s.Decrypt(t.Context(), k, blob, nil); err != nil || string(got) != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	if _, err := s.Decrypt(t.Context(), &before, young, nil); !errors.Is(err, material.ErrInvalidCiphertext) {
		t.Errorf("a version that the key does not have: %v", err)
	}
}

func TestMaterialID(t *testing.T) {
	fixed := func() *material.Software {
		return material.NewSoftwareRand(newRoot(t), bytes.NewReader(bytes.Repeat([]byte{1}, 32)))
	}
	first := newKey(t, fixed(), keyID, account).Versions[0]
	if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(first.ID) {
		t.Errorf("ID %q", first.ID)
	}
	if again := newKey(t, fixed(), keyID, account).Versions[0]; again.ID != first.ID {
		t.Errorf("the same material of the same key has ID %s and %s", first.ID, again.ID)
	}
	if other := newKey(t, fixed(), "mrk-1", account).Versions[0]; other.ID == first.ID {
		t.Error("the same material of another key has the same ID")
	}
}

func TestMaterialIsOfUseOnlyInItsPlace(t *testing.T) {
	s := material.NewSoftware(newRoot(t))
	k := newKey(t, s, keyID, account)
	generate(t, s, k)
	other := newKey(t, s, "mrk-1", account)
	for name, sealed := range map[string][]byte{
		"of another version": k.Versions[0].Sealed,
		"of another key":     other.Versions[0].Sealed,
	} {
		k.Versions[1].Sealed = sealed
		if _, err := s.Encrypt(t.Context(), k, nil, nil); !errors.Is(err, store.ErrSealed) {
			t.Errorf("material %s: %v", name, err)
		}
	}
}

func TestMissingMaterial(t *testing.T) {
	s := material.NewSoftware(newRoot(t))
	k := newKey(t, s, keyID, account)
	blob := encrypt(t, s, k, nil, nil)
	k.Versions[0].Sealed = nil
	_, encrypting := s.Encrypt(t.Context(), k, nil, nil)
	_, decrypting := s.Decrypt(t.Context(), k, blob, nil)
	_, never := s.Encrypt(t.Context(), &material.Key{ID: keyID, Account: account}, nil, nil)
	for name, err := range map[string]error{"encrypting": encrypting, "decrypting": decrypting, "a key that never had any": never} {
		if !errors.Is(err, material.ErrNoMaterial) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWithoutRandomnessNothingIsMade(t *testing.T) {
	broken := errors.New("no entropy")
	s := material.NewSoftwareRand(newRoot(t), iotest.ErrReader(broken))
	k := newKey(t, material.NewSoftware(newRoot(t)), keyID, account)
	if err := s.Generate(k); !errors.Is(err, broken) || len(k.Versions) != 1 {
		t.Errorf("generating: %v", err)
	}
	if _, err := s.Encrypt(t.Context(), k, nil, nil); err == nil {
		t.Error("it encrypts")
	}
}

// Contexts that differ only in where a name ends are as different as any.
func TestNoContextOpensTheBlobOfAnother(t *testing.T) {
	s := material.NewSoftware(newRoot(t))
	k := newKey(t, s, keyID, account)
	h := material.NewHeader(material.FormatExternal, k)
	rapid.Check(t, func(r *rapid.T) {
		a, b := contextPair(r)
		if maps.Equal(a, b) {
			r.Skip("equal contexts")
		}
		ea, eb := material.EncodeContext(a), material.EncodeContext(b)
		if bytes.Equal(ea, eb) {
			r.Fatalf("both are %x", ea)
		}
		blob := encrypt(t, s, k, []byte("plaintext"), ea)
		if _, err := s.Decrypt(t.Context(), k, blob, eb); !errors.Is(err, material.ErrInvalidCiphertext) {
			r.Fatalf("software: %v", err)
		}
		inner, err := s.SealInner(k, h, []byte("plaintext"), h.AAD(ea))
		if err != nil {
			r.Fatal(err)
		}
		if _, err := s.OpenInner(k, h, inner, h.AAD(eb)); !errors.Is(err, material.ErrInvalidCiphertext) {
			r.Fatalf("inner layer: %v", err)
		}
	})
}

// contextPair draws two contexts; often the second is the first, with bytes moved
// over the border between two strings.
func contextPair(t *rapid.T) (a, b map[string]string) {
	text := rapid.StringOfN(rapid.RuneFrom([]rune("ab\x00\x01\x02é")), 0, 4, -1)
	contexts := rapid.MapOfN(text, text, 0, 3)
	a = contexts.Draw(t, "a")
	if rapid.Bool().Draw(t, "unrelated") {
		return a, contexts.Draw(t, "b")
	}
	b = map[string]string{}
	for name, value := range a {
		whole := name + value
		cut := rapid.IntRange(0, len(whole)).Draw(t, "cut")
		b[whole[:cut]] = whole[cut:]
	}
	return a, b
}

func TestContextEncoding(t *testing.T) {
	for _, c := range []struct {
		rule    string
		context map[string]string
		want    string
	}{
		{"no context gives nothing", nil, ""},
		{"an empty context is no context", map[string]string{}, ""},
		{"lengths keep pairs apart", map[string]string{"a": "bc"}, "\x01a\x02bc"},
		{"and names from values", map[string]string{"ab": "c"}, "\x02ab\x01c"},
		{"names are sorted", map[string]string{"b": "2", "a": "1"}, "\x01a\x011\x01b\x012"},
		{"an empty value is one", map[string]string{"a": ""}, "\x01a\x00"},
		{"a long value has a long length", map[string]string{"a": strings.Repeat("v", 300)}, "\x01a\xac\x02" + strings.Repeat("v", 300)},
	} {
		if diff := cmp.Diff(c.want, string(material.EncodeContext(c.context))); diff != "" {
			t.Errorf("%s:\n%s", c.rule, diff)
		}
	}
}

func TestRequestTravelsInTheContext(t *testing.T) {
	want := material.Request{Operation: "Encrypt", RequestID: "id", KeyARN: "arn"}
	if got := material.RequestFrom(material.WithRequest(t.Context(), want)); got != want {
		t.Errorf("got %v", got)
	}
	if got := material.RequestFrom(t.Context()); got != (material.Request{}) {
		t.Errorf("without one: %v", got)
	}
}

func ExampleEncodeContext() {
	fmt.Printf("%q\n", material.EncodeContext(map[string]string{"a": "bc"}))
	fmt.Printf("%q\n", material.EncodeContext(map[string]string{"ab": "c"}))
	// Output:
	// "\x01a\x02bc"
	// "\x02ab\x01c"
}
