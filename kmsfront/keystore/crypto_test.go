package keystore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"hyok/kmsfront/api"
	"hyok/kmsfront/material"
	"hyok/proxy/xks"
)

func TestTheProxySeesNeitherPlaintextNorAKeylessRequest(t *testing.T) {
	e, f, k := usable(t)
	const plaintext = "a plaintext that is long enough to be found again"
	if _, err := e.encrypt(k, plaintext); err != nil {
		t.Fatal(err)
	}
	call := f.asked(xks.OpEncrypt)[0]
	if bytes.Contains(call.plaintext, []byte(plaintext)) || len(call.plaintext) != len(plaintext)+material.InnerOverhead {
		t.Error("the proxy sees the plaintext")
	}
	if call.keyID != "external-1" {
		t.Errorf("the external key was %q", call.keyID)
	}
	header := material.NewHeader(material.FormatExternal, k)
	if want := header.AAD(material.EncodeContext(map[string]string{"a": "b"})); !bytes.Equal(call.aad, want) {
		t.Errorf("the additional data is %x, want %x", call.aad, want)
	}
}

func TestRequestMetadata(t *testing.T) { // guide 004:22913-22925
	e, f, k := usable(t)
	all := material.Request{Operation: "GenerateDataKey", RequestID: "r-1", PrincipalARN: "arn:aws:iam::111122223333:user/alice",
		KeyARN: k.ARN, ViaService: "s3.us-east-1.amazonaws.com", SourceVpc: "vpc-1", SourceVpce: "vpce-1"}
	with := func(change func(*material.Request)) material.Request {
		r := all
		change(&r)
		return r
	}
	full := map[string]string{"awsPrincipalArn": all.PrincipalARN, "awsSourceVpc": "vpc-1", "awsSourceVpce": "vpce-1",
		"kmsKeyArn": k.ARN, "kmsOperation": "GenerateDataKey", "kmsRequestId": "r-1", "kmsViaService": all.ViaService}
	for _, c := range []struct {
		rule    string
		r       material.Request
		without []string
		with    map[string]string
	}{
		{rule: "everything", r: all},
		{rule: "no VPC for a caller of another account", r: with(func(r *material.Request) { r.PrincipalARN = "arn:aws:iam::444455556666:user/bob" }),
			without: []string{"awsSourceVpc", "awsSourceVpce"}, with: map[string]string{"awsPrincipalArn": "arn:aws:iam::444455556666:user/bob"}},
		{rule: "no VPC for a service", r: with(func(r *material.Request) { r.PrincipalARN = "ec2.amazonaws.com" }),
			without: []string{"awsSourceVpc", "awsSourceVpce"}, with: map[string]string{"awsPrincipalArn": "ec2.amazonaws.com"}},
		{rule: "no service, no endpoint", r: with(func(r *material.Request) { r.ViaService, r.SourceVpc, r.SourceVpce = "", "", "" }),
			without: []string{"awsSourceVpc", "awsSourceVpce", "kmsViaService"}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			want := map[string]string{}
			for name, v := range full {
				want[name] = v
			}
			for name, v := range c.with {
				want[name] = v
			}
			for _, name := range c.without {
				delete(want, name)
			}
			b, err := e.Backend(k.StoreID)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.Encrypt(material.WithRequest(context.Background(), c.r), k, []byte("p"), nil); err != nil {
				t.Fatal(err)
			}
			calls := f.asked(xks.OpEncrypt)
			if d := cmp.Diff(want, calls[len(calls)-1].metadata); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestRequestMetadataWithoutAKey(t *testing.T) { // XKS facts 1.6
	e, f, k := usable(t)
	made, err := e.Prepare(context.Background(), k.StoreID, k, material.Request{
		Operation: "CreateKey", RequestID: "r-1", PrincipalARN: "arn:aws:iam::111122223333:user/alice",
		KeyARN: k.ARN, ViaService: "s3.us-east-1.amazonaws.com", SourceVpc: "vpc-1", SourceVpce: "vpce-1"})
	if err != nil {
		t.Fatal(err)
	}
	made.Release()
	want := map[string]string{"awsPrincipalArn": "arn:aws:iam::111122223333:user/alice", "awsSourceVpc": "vpc-1",
		"awsSourceVpce": "vpce-1", "kmsOperation": "CreateKey", "kmsRequestId": "r-1"}
	if d := cmp.Diff(want, f.asked(xks.OpGetKeyMetadata)[0].metadata); d != "" {
		t.Errorf("CreateKey: %s", d)
	}
	for i, operation := range []string{"CreateCustomKeyStore", "ConnectCustomKeyStore"} {
		want := map[string]string{"kmsOperation": operation, "kmsRequestId": "request-of-" + operation}
		if d := cmp.Diff(want, f.asked(xks.OpGetHealthStatus)[i].metadata); d != "" {
			t.Error(d)
		}
	}
}

func TestAnotherKMSKeyOnTheSameExternalKeyOpensNothing(t *testing.T) { // guide 004:20294-20297, 22785
	e, f, k := usable(t)
	blob, err := e.encrypt(k, "plaintext")
	if err != nil {
		t.Fatal(err)
	}
	other := e.key(k.StoreID, k.XksKeyID)
	_, err = e.decrypt(other, blob)
	if !errors.Is(err, material.ErrInvalidCiphertext) {
		t.Errorf("got %v", err)
	}
	if n := len(f.asked(xks.OpDecrypt)); n != 0 {
		t.Error("the proxy was asked to decrypt another key's blob")
	}
}

// Every change of the encryption context or of the blob must be refused, by the
// proxy or before it.
func TestAlteredContextsAndBlobsDoNotOpen(t *testing.T) { // contradiction 14
	e, _, k := usable(t)
	b, err := e.Backend(k.StoreID)
	if err != nil {
		t.Fatal(err)
	}
	contexts := rapid.MapOfN(rapid.StringN(1, 8, 32), rapid.StringN(0, 8, 32), 0, 3)
	rapid.Check(t, func(t *rapid.T) {
		one, two := contexts.Draw(t, "one"), contexts.Draw(t, "two")
		plaintext := rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(t, "plaintext")
		blob, err := b.Encrypt(ctxOf("Encrypt"), k, plaintext, material.EncodeContext(one))
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.Decrypt(ctxOf("Decrypt"), k, blob, material.EncodeContext(two))
		if same := cmp.Equal(one, two); same != (err == nil) || same && !bytes.Equal(got, plaintext) {
			t.Fatalf("contexts equal: %v; got %q, %v", same, got, err)
		}
		blob[rapid.IntRange(0, len(blob)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "flip"))
		if _, err := b.Decrypt(ctxOf("Decrypt"), k, blob, material.EncodeContext(one)); err == nil {
			t.Fatal("an altered blob opens")
		}
	})
}

func TestAChangedContextIsTheProxysRefusal(t *testing.T) { // guide 004:22752
	e, _, k := usable(t)
	blob, err := e.encrypt(k, "plaintext")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := e.Backend(k.StoreID)
	_, err = b.Decrypt(ctxOf("Decrypt"), k, blob, material.EncodeContext(nil))
	refused(t, err, "KMSInvalidStateException", msgCiphertext)
}

func TestAWrongIntegrityValueIsAnAnswerThatCannotBeInterpreted(t *testing.T) {
	e, f, k := usable(t)
	f.misbehave(xks.OpEncrypt, answers(xks.EncryptResponse{AuthenticationTag: make([]byte, 16), InitializationVector: make([]byte, 12),
		Ciphertext: make([]byte, 1+material.InnerOverhead), CiphertextDataIntegrityValue: make([]byte, 32)}))
	_, err := e.encrypt(k, "p")
	refused(t, err, "KMSInvalidStateException", msgResponse)
}

func TestCreateKeyNamesTheFirstFaultOfAnExternalKey(t *testing.T) { // guide 004:22803-22820, contradiction 21
	e, f, k := usable(t)
	for _, c := range []struct {
		rule    string
		answer  xks.GetKeyMetadataResponse
		message string
	}{
		{"more usages than needed", keyMetadata("AES_256", "ENABLED", "SIGN", "DECRYPT", "ENCRYPT"), ""},
		{"the spec comes first", keyMetadata("AES_128", "DISABLED", "SIGN"), "The key spec of the external key must be AES_256. The key spec of specified external key is AES_128."},
		{"the status comes second", keyMetadata("AES_256", "DISABLED", "SIGN"), "The status of the external key must be ENABLED. The status of specified external key is DISABLED."},
		{"encryption alone", keyMetadata("AES_256", "ENABLED", "ENCRYPT", "WRAP"), "The key usage of the external key must include ENCRYPT and DECRYPT. The key use of specified external key is ENCRYPT, WRAP."},
	} {
		t.Run(c.rule, func(t *testing.T) {
			f.misbehave(xks.OpGetKeyMetadata, answers(c.answer))
			made, err := e.prepare(k)
			if c.message == "" {
				if err != nil || made.XksKeyID != k.XksKeyID {
					t.Errorf("%+v, %v", made, err)
				}
				return
			}
			refused(t, err, "XksKeyInvalidConfigurationException", c.message)
		})
	}
}

func TestCreateKeyRefusesBeforeItAsksTheProxy(t *testing.T) {
	e, f, k := usable(t)
	e.Manager.c.XksKeyInUse = func(storeID, xksKeyID string) bool { return storeID == k.StoreID && xksKeyID == "taken" }
	for _, c := range []struct {
		rule  string
		spoil func(*material.Key)
		code  string
	}{
		{"another owner's key store", func(k *material.Key) { k.Account = "444455556666" }, "CustomKeyStoreNotFoundException"},
		{"an unknown key store", func(k *material.Key) { k.StoreID = "cks-00000000000000000" }, "CustomKeyStoreNotFoundException"},
		{"another origin", func(k *material.Key) { k.Origin = "AWS_CLOUDHSM" }, "ValidationException"},
		{"an ID that no proxy takes", func(k *material.Key) { k.XksKeyID = "a/b" }, "ValidationException"},
		{"an ID in use", func(k *material.Key) { k.XksKeyID = "taken" }, "XksKeyAlreadyInUseException"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			bad := *k
			c.spoil(&bad)
			_, err := e.prepare(&bad)
			refused(t, err, c.code, "")
		})
	}
	if n := len(f.asked(xks.OpGetKeyMetadata)); n != 0 {
		t.Errorf("the proxy was asked %d times", n)
	}
}

func TestAURIIsNotLongerThanAProxyTakes(t *testing.T) {
	e := newEnv(t)
	f := newFakeProxy(t, e)
	f.change(func() { f.path = "" })
	in := f.request("one")
	in.XksProxyUriPath = "/" + strings.Repeat("p", 116) + xks.BasePath
	id := e.connected(e.create(in))
	_, err := e.prepare(e.key(id, strings.Repeat("k", 128)))
	refused(t, err, "ValidationException", "")
}

func TestOneExternalKeyIsNotTakenTwiceAtOnce(t *testing.T) {
	e, _, k := usable(t)
	first, err := e.Prepare(t.Context(), k.StoreID, k, material.Request{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.prepare(e.key(k.StoreID, k.XksKeyID))
	refused(t, err, "XksKeyAlreadyInUseException", fmt.Sprintf(msgKeyInUse, k.XksKeyID))
	e.disconnected(k.StoreID)
	refused(t, e.delete(k.StoreID), "CustomKeyStoreHasCMKsException", "")
	first.Release()
	first.Release()
	if err := e.delete(k.StoreID); err != nil {
		t.Error(err)
	}
}

func TestNoSecretIsShown(t *testing.T) {
	e, c := withCluster(t)
	f := newFakeProxy(t, e)
	ids := []string{e.create(f.request("external")), e.create(c.request("hsm"))}
	for _, id := range ids {
		r, _ := e.Get(id)
		shown := fmt.Sprintf("%v %+v %#v %v %+v %+v %#v", r, r, r, e.describe(id), r.Proxy, r.Cluster, r.Cluster)
		for _, s := range []string{secretKey, firstPassword} {
			if strings.Contains(shown, s) {
				t.Errorf("%q is shown", s)
			}
		}
	}
	out, err := api.Encode(&api.DescribeCustomKeyStoresResponse{CustomKeyStores: []*api.CustomKeyStoresListEntry{e.describe(ids[0]), e.describe(ids[1])}})
	if err != nil || strings.Contains(string(out), secretKey) || strings.Contains(string(out), firstPassword) {
		t.Errorf("%s, %v", out, err)
	}
}
