package trail

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"hyok/kmsfront/api"
)

func TestEveryOperationHasOneRow(t *testing.T) {
	seen := make(map[string]bool)
	for _, r := range table {
		if seen[r.op] {
			t.Errorf("%s has two rows", r.op)
		}
		seen[r.op] = true
		if r.ref == "" {
			t.Errorf("%s has no reference", r.op)
		}
	}
	for op := range api.Operations {
		if !seen[op] {
			t.Errorf("%s has no row", op)
		}
	}
	if len(seen) != 54 {
		t.Errorf("%d rows, want 54", len(seen))
	}
}

// readOnlyOps is guide kms-core CT-09 with the two operations newer than it.
func readOnlyOp(op string) bool {
	for _, prefix := range []string{"Get", "List", "Describe", "Encrypt", "Decrypt", "ReEncrypt", "Generate", "Sign", "Verify", "DeriveSharedSecret"} {
		if strings.HasPrefix(op, prefix) {
			return true
		}
	}
	return false
}

func TestReadOnlyFollowsTheGuidesRule(t *testing.T) {
	for _, r := range table {
		if r.readOnly != readOnlyOp(r.op) {
			t.Errorf("%s: readOnly %v", r.op, r.readOnly)
		}
		if r.readOnly && r.response != "" {
			t.Errorf("%s only reads, and shows %q of its answer", r.op, r.response)
		}
	}
}

// Guide kms-core CT-05: the key ARN is there although the API returns nothing.
func TestKeyIDIsInTheElementsOfChanges(t *testing.T) {
	for _, op := range []string{
		"CreateAlias", "CreateGrant", "DeleteAlias", "DisableKey", "EnableKey", "EnableKeyRotation",
		"ImportKeyMaterial", "TagResource", "UntagResource", "UpdateAlias", "UpdatePrimaryRegion",
		"CancelKeyDeletion", "DeleteImportedKeyMaterial", "RotateKeyOnDemand", "ScheduleKeyDeletion",
	} {
		r := New(filledCall(op), api.Operations[op].NewOutput(), nil, Extra{KeyARN: keyARN})
		var got struct{ KeyID string }
		if err := json.Unmarshal(r.ResponseElements, &got); err != nil || got.KeyID != keyARN {
			t.Errorf("%s: responseElements %s", op, r.ResponseElements)
		}
	}
}

// canary is a value that can be found again: the path of the member it fills.
func canary(path string) string { return "CANARY-" + path + "-" }

// fill sets every member below v to a value of its own.
func fill(v reflect.Value, path string) {
	switch {
	case v.Type() == timeType:
		v.Set(reflect.ValueOf(time.Date(2022, 8, 10, 22, 38, 27, 0, time.UTC)))
	case v.Type() == reflect.TypeFor[[]byte]():
		v.SetBytes([]byte(canary(path)))
	case v.Kind() == reflect.String:
		v.SetString(canary(path))
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.Kind() == reflect.Int32:
		v.SetInt(7)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), path)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), path)
	case v.Kind() == reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"key": canary(path)}))
	default:
		panic(fmt.Sprintf("no value for %s", v.Type()))
	}
}

func filledCall(op string) *api.Call {
	in := api.Operations[op].New()
	fill(reflect.ValueOf(in).Elem(), "in")
	return &api.Call{Op: api.Operations[op], In: in, Caller: alice, Start: time.Unix(1e9, 0)}
}

// secret are the members that no record may show (guide 004:4014, kms-custom-key-stores
// CT-02), beside everything that is bytes.
var secret = []string{
	"KeyStorePassword", "TrustAnchorCertificate", "AccessKeyId", "RawSecretAccessKey", "GrantTokens", "GrantToken",
	"Plaintext", "CiphertextBlob", "CiphertextForRecipient", "Mac", "Message", "Signature", "SharedSecret", "PublicKey",
	"ImportToken", "EncryptedKeyMaterial", "AttestationDocument", "PrivateKeyPlaintext", "PrivateKeyCiphertextBlob",
}

func TestNoRowShowsASecret(t *testing.T) {
	for op := range api.Operations {
		out := api.Operations[op].NewOutput()
		fill(reflect.ValueOf(out).Elem(), "out")
		line := string(appendRecord(nil, New(filledCall(op), out, nil, Extra{KeyARN: keyARN})))
		for found := range strings.SplitSeq(line, "CANARY-") {
			path, _, _ := strings.Cut(found, "-")
			if name := path[strings.LastIndexByte(path, '.')+1:]; slices.Contains(secret, name) {
				t.Errorf("%s shows %s", op, path)
			}
		}
		if readOnlyOp(op) && strings.Contains(line, "CANARY-out") {
			t.Errorf("%s shows part of its answer: %s", op, line)
		}
		if strings.Contains(line, "Q0FOQVJZ") { // CANARY in base64
			t.Errorf("%s shows bytes: %s", op, line)
		}
	}
}

func TestEveryMemberOfARowIsShown(t *testing.T) {
	for _, r := range table {
		rec := New(filledCall(r.op), nil, nil, Extra{})
		var shown map[string]json.RawMessage
		if err := json.Unmarshal(appendRaw(nil, "", rec.RequestParameters), &shown); err != nil {
			t.Fatalf("%s: %v in %s", r.op, err, rec.RequestParameters)
		}
		if want := len(strings.Fields(r.request)); len(shown) != want {
			t.Errorf("%s shows %d members, want %d: %s", r.op, len(shown), want, rec.RequestParameters)
		}
	}
}

func TestARowThatDoesNotFitIsFoundAtTheStart(t *testing.T) {
	for name, list := range map[string]string{"no such member": "keyID", "a blob": "plaintext"} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("the row was accepted")
				}
			}()
			compile(list, reflect.TypeFor[api.EncryptRequest]())
		})
	}
}
