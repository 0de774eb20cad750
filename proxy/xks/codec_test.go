package xks

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// text draws strings that need escapes.
var text = rapid.StringN(0, 12, -1)

// octets draws byte slices; nil is an absent member.
var octets = rapid.Custom(func(t *rapid.T) []byte {
	if rapid.Bool().Draw(t, "absent") {
		return nil
	}
	return rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes")
})

func drawMetadata(t *rapid.T) RequestMetadata {
	s := func(name string) string { return text.Draw(t, name) }
	return RequestMetadata{s("principal"), s("vpc"), s("vpce"), s("key"), s("operation"), s("id"), s("via")}
}

// roundTrip checks that v's JSON decodes to v.
func roundTrip[T any](t *rapid.T, v *T) {
	body, err := Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	back := new(T)
	if err := Unmarshal(body, back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(v, back); diff != "" {
		t.Fatal(diff)
	}
}

func TestBodiesDecodeToWhatTheyWere(t *testing.T) {
	some := rapid.SliceOfN(rapid.Byte(), 0, 20)
	for name, check := range map[string]func(*rapid.T){
		"Encrypt": func(t *rapid.T) {
			roundTrip(t, &EncryptRequest{drawMetadata(t), octets.Draw(t, "aad"), octets.Draw(t, "p"), text.Draw(t, "a"), text.Draw(t, "i")})
		},
		"Decrypt": func(t *rapid.T) {
			roundTrip(t, &DecryptRequest{drawMetadata(t), octets.Draw(t, "aad"), octets.Draw(t, "t"), octets.Draw(t, "c"),
				octets.Draw(t, "m"), text.Draw(t, "a"), octets.Draw(t, "iv")})
		},
		"Encrypt's answer": func(t *rapid.T) {
			roundTrip(t, &EncryptResponse{some.Draw(t, "t"), some.Draw(t, "c"), octets.Draw(t, "v"), octets.Draw(t, "m"), some.Draw(t, "iv")})
		},
	} {
		t.Run(name, func(t *testing.T) { rapid.Check(t, check) })
	}
}

// The names of the tables of XKS facts 1.6 and 1.8, and what is left out.
func TestTheNamesOfMembers(t *testing.T) {
	one := []byte{1}
	meta := RequestMetadata{"a", "b", "c", "d", "e", "f", "g"}
	for _, row := range []struct {
		body any
		want string
	}{
		{&GetHealthStatusRequest{RequestMetadata{KMSOperation: "e", KMSRequestID: "f"}}, `{"requestMetadata":{"kmsOperation":"e","kmsRequestId":"f"}}`},
		{&EncryptRequest{meta, one, one, "AES_GCM", "SHA_256"}, `{"requestMetadata":{"awsPrincipalArn":"a","awsSourceVpc":"b","awsSourceVpce":"c",` +
			`"kmsKeyArn":"d","kmsOperation":"e","kmsRequestId":"f","kmsViaService":"g"},"additionalAuthenticatedData":"AQ==",` +
			`"plaintext":"AQ==","encryptionAlgorithm":"AES_GCM","ciphertextDataIntegrityValueAlgorithm":"SHA_256"}`},
		{&DecryptRequest{RequestMetadata{}, one, one, one, one, "AES_GCM", one}, `{"requestMetadata":{},"additionalAuthenticatedData":"AQ==",` +
			`"authenticationTag":"AQ==","ciphertext":"AQ==","ciphertextMetadata":"AQ==","encryptionAlgorithm":"AES_GCM","initializationVector":"AQ=="}`},
		{&EncryptResponse{nil, nil, nil, nil, nil}, `{"authenticationTag":"","ciphertext":"","initializationVector":""}`},
		{&EncryptResponse{one, one, one, one, one}, `{"authenticationTag":"AQ==","ciphertext":"AQ==","ciphertextDataIntegrityValue":"AQ==",` +
			`"ciphertextMetadata":"AQ==","initializationVector":"AQ=="}`},
		{&DecryptResponse{}, `{"plaintext":""}`},
		{&GetKeyMetadataResponse{"AES_256", []string{"ENCRYPT"}, "ENABLED"}, `{"keySpec":"AES_256","keyUsage":["ENCRYPT"],"keyStatus":"ENABLED"}`},
		{&GetHealthStatusResponse{1, "v", "m", "e", []EKMFleetDetail{{"i", "m", "ACTIVE"}}}, `{"xksProxyFleetSize":1,"xksProxyVendor":"v",` +
			`"xksProxyModel":"m","ekmVendor":"e","ekmFleetDetails":[{"id":"i","model":"m","healthStatus":"ACTIVE"}]}`},
		{&Error{"KeyNotFoundException", ""}, `{"errorName":"KeyNotFoundException"}`},
		{&Error{"KeyNotFoundException", "m"}, `{"errorName":"KeyNotFoundException","errorMessage":"m"}`},
	} {
		if got, err := Marshal(row.body); err != nil || string(got) != row.want {
			t.Errorf("%T: %v\ngot  %s\nwant %s", row.body, err, got, row.want)
		}
	}
}

func TestStringsThatAreNotUTF8AreNotSent(t *testing.T) {
	if _, err := Marshal(&GetHealthStatusRequest{RequestMetadata{KMSRequestID: "\xff"}}); err == nil {
		t.Error("no error")
	}
}

func TestUnmarshalIsStrict(t *testing.T) {
	for _, row := range []struct {
		name, body string
		base64     bool // the error is ErrBase64
		plaintext  []byte
		ok         bool
	}{
		{name: "standard base64 (XKS fact 51)", body: `{"plaintext":"+/8="}`, ok: true, plaintext: []byte{0xfb, 0xff}},
		{name: "escaped slash", body: `{"plaintext":"+\/8="}`, ok: true, plaintext: []byte{0xfb, 0xff}},
		{name: "empty is not absent (XKS fact 64)", body: `{"plaintext":""}`, ok: true, plaintext: []byte{}},
		{name: "null is absent", body: `{"plaintext":null}`, ok: true},
		{name: "unknown member (XKS fact 48)", body: `{"later":{"a":[1]}}`, ok: true},
		{name: "URL alphabet", body: `{"plaintext":"-_8="}`, base64: true},
		{name: "no padding", body: `{"plaintext":"+/8"}`, base64: true},
		{name: "bits after the end", body: `{"plaintext":"+/9="}`, base64: true},
		{name: "line end", body: `{"plaintext":"+/8=\n"}`, base64: true},
		{name: "space", body: `{"plaintext":"+/8= "}`, base64: true},
		{name: "number", body: `{"plaintext":1}`},
		{name: "array", body: `{"plaintext":[1,2]}`},
		{name: "name twice", body: `{"plaintext":"","plaintext":""}`},
		{name: "trailing bytes", body: `{} {}`},
		{name: "not UTF-8", body: "{\"encryptionAlgorithm\":\"\xff\"}"},
		{name: "not an object", body: `[]`},
		{name: "nothing", body: ``},
	} {
		var r EncryptRequest
		err := Unmarshal([]byte(row.body), &r)
		if (err == nil) != row.ok || errors.Is(err, ErrBase64) != row.base64 {
			t.Errorf("%s: %v", row.name, err)
		}
		if row.ok && !cmp.Equal(r.Plaintext, row.plaintext) {
			t.Errorf("%s: plaintext %#v, want %#v", row.name, r.Plaintext, row.plaintext)
		}
	}
}

func TestUnmarshalMatchesNamesByCase(t *testing.T) {
	var r EncryptRequest
	if err := Unmarshal([]byte(`{"Plaintext":"AA=="}`), &r); err != nil || r.Plaintext != nil {
		t.Errorf("got %v, %v; a name of another case is an unknown member", r.Plaintext, err)
	}
}
