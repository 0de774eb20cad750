package api

import (
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// operationNames are all operations, sorted.
var operationNames = func() []string {
	var names []string
	for name := range Operations {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}()

func drawOperation(t *rapid.T) *Operation {
	return Operations[rapid.SampledFrom(operationNames).Draw(t, "operation")]
}

func TestDecodeGivesBackWhatEncodeTook(t *testing.T) {
	m := loadModel(t)
	rapid.Check(t, func(t *rapid.T) {
		op := drawOperation(t)
		in := m.drawStructure(t, op.New())
		text, err := Encode(in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(op, text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(in, got); diff != "" {
			t.Fatalf("(-encoded +decoded)\n%s\n%s", diff, text)
		}
	})
}

// epochSeconds makes the reflecting decoder, which knows nothing of this
// package's code, read times as the protocol writes them.
var epochSeconds = json.WithUnmarshalers(json.UnmarshalFunc(func(raw []byte, t *time.Time) error {
	var seconds float64
	if err := json.Unmarshal(raw, &seconds); err != nil {
		return err
	}
	*t = time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
	return nil
}))

func TestOutputsReadTheSameByAnotherDecoder(t *testing.T) {
	m := loadModel(t)
	rapid.Check(t, func(t *rapid.T) {
		op := drawOperation(t)
		out := m.drawStructure(t, op.NewOutput())
		text, err := Encode(out)
		if err != nil {
			t.Fatal(err)
		}
		got := op.NewOutput()
		if _, none := got.(*Empty); none {
			if len(text) > 0 {
				t.Fatalf("body %q, want none", text)
			}
			return
		}
		if err := json.Unmarshal(text, got, epochSeconds); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(out, got, cmp.FilterPath(emptyPage, cmp.Ignore())); diff != "" {
			t.Fatalf("(-encoded +decoded)\n%s\n%s", diff, text)
		}
	})
}

// emptyPage is the list of a page when there is none: it is written as [].
func emptyPage(p cmp.Path) bool {
	x, y := p.Last().Values()
	return x.IsValid() && y.IsValid() && x.Kind() == reflect.Slice && x.IsNil() && !y.IsNil() && y.Len() == 0
}

var encoded = map[string]struct {
	out  any
	want string
}{
	"nothing":                         {nil, ``},
	"no output":                       {&Empty{}, ``},
	"output without members":          {&ConnectCustomKeyStoreResponse{}, `{}`},
	"absent members are left out":     {&EncryptResponse{KeyId: "k"}, `{"KeyId":"k"}`},
	"an empty blob is not absent":     {&DecryptResponse{Plaintext: []byte{}}, `{"Plaintext":""}`},
	"booleans are always written":     {&VerifyResponse{KeyId: "k"}, `{"KeyId":"k","SignatureValid":false}`},
	"a page's list is always written": {&ListKeysResponse{}, `{"Keys":[],"Truncated":false}`},
	"pages of strings too":            {&ListKeyPoliciesResponse{}, `{"PolicyNames":[],"Truncated":false}`},
	"a description even if empty (guide 004:1306)": {
		&KeyMetadata{KeyId: "k"}, `{"Description":"","Enabled":false,"KeyId":"k"}`},
	"a grant's name even if empty": {&GrantListEntry{GrantId: "g"}, `{"GrantId":"g","Name":""}`},
	"epoch seconds with fraction (guide 004:2663)": {
		&KeyLastUsageData{Timestamp: time.UnixMilli(1499988169234)}, `{"Timestamp":1499988169.234}`},
	"whole seconds have no fraction":     {&KeyLastUsageData{Timestamp: time.Unix(1499988169, 0)}, `{"Timestamp":1499988169}`},
	"no zeros at a fraction's end":       {&KeyLastUsageData{Timestamp: time.UnixMilli(50)}, `{"Timestamp":0.05}`},
	"times before the epoch":             {&KeyLastUsageData{Timestamp: time.UnixMilli(-1500)}, `{"Timestamp":-1.5}`},
	"context keys are sorted":            {&GrantConstraints{EncryptionContextEquals: map[string]string{"b": "2", "a": "1"}}, `{"EncryptionContextEquals":{"a":"1","b":"2"}}`},
	"strings are escaped":                {&GetKeyPolicyResponse{Policy: "{\"a\":\n\"é\"}"}, `{"Policy":"{\"a\":\n\"é\"}"}`},
	"bytes that are no UTF-8 are marked": {&GetKeyPolicyResponse{Policy: "a\xff"}, `{"Policy":"a` + "\ufffd" + `"}`},
}

func TestEncodedForm(t *testing.T) {
	for name, tt := range encoded {
		t.Run(name, func(t *testing.T) {
			got, err := Encode(tt.out)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if len(got) > 0 && !jsontext.Value(got).IsValid() {
				t.Errorf("%s is not JSON", got)
			}
		})
	}
	if _, err := Encode(7); err == nil {
		t.Error("a number was encoded as an output")
	}
}
