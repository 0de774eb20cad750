package api

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"pgregory.net/rapid"
)

// The model as the tests read it, apart from the generator's reading.
type modelShape struct {
	Type     string
	Members  map[string]struct{ Shape string }
	Required []string
	Member   struct{ Shape string }
	Min, Max int
	Pattern  string
	Enum     []string
}

type modelOperation struct {
	Input, Output *struct{ Shape string }
	Errors        []struct{ Shape string }
}

type testModel struct {
	Operations map[string]modelOperation
	Shapes     map[string]modelShape

	times int64 // how far from the epoch times are drawn, in milliseconds
}

func loadModel(t testing.TB) *testModel {
	t.Helper()
	data, err := os.ReadFile("model/kms-2014-11-01.json")
	if err != nil {
		t.Fatal(err)
	}
	m := &testModel{times: -(minSeconds + 1) * 1000}
	if err := json.Unmarshal(data, m, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	return m
}

// examples are expressions whose strings meet both the pattern and the length
// of the shapes that have patterns.
var examples = map[string]string{
	"AccountIdType":                         `[0-9]{12}`,
	"AliasNameType":                         `alias/[a-zA-Z0-9:/_-]{1,40}`,
	"BackingKeyIdType":                      `[a-f0-9]{64}`,
	"BackingKeyIdResponseType":              `[a-f0-9]{64}`,
	"CloudHsmClusterIdType":                 `cluster-[2-7a-zA-Z]{11,16}`,
	"GrantNameType":                         `[a-zA-Z0-9:/_-]{1,40}`,
	"KeyMaterialDescriptionType":            `[a-zA-Z0-9:/_\s.-]{1,40}`,
	"MarkerType":                            `[\x{20}-\x{FF}]{1,40}`,
	"PolicyNameType":                        `\w{1,20}`,
	"PolicyType":                            `[\x{09}\x{0A}\x{0D}\x{20}-\x{FF}]{1,60}`,
	"PrincipalIdType":                       `[\w+=,.@:/-]{1,60}`,
	"RegionType":                            `[a-z]{2}-[a-z]{4,9}-\d`,
	"XksKeyIdType":                          `[a-zA-Z0-9-_.]{1,40}`,
	"XksProxyAuthenticationAccessKeyIdType": `[A-Z2-7]{20,30}`,
	"XksProxyAuthenticationRawSecretAccessKeyType": `[a-zA-Z0-9/+=]{43,64}`,
	"XksProxyUriEndpointType":                      `https://[a-zA-Z0-9.-]{4,40}`,
	"XksProxyUriPathType":                          `(/[a-zA-Z0-9/_-]{1,9})?/kms/xks/v\d{1,2}`,
	"XksProxyVpcEndpointServiceNameType":           `com\.amazonaws\.vpce\.[a-z]{2}-[a-z]{4}-\d\.vpce-svc-[0-9a-z]{4}`,
}

// draw fills v, of the shape called name, with a value that the model allows.
func (m *testModel) draw(t *rapid.T, name string, v reflect.Value) {
	s := m.Shapes[name]
	switch s.Type {
	case "string":
		v.SetString(drawString(t, name, s))
	case "blob":
		v.SetBytes(rapid.SliceOfN(rapid.Byte(), s.Min, min(s.Max, s.Min+80)).Draw(t, name))
	case "integer":
		v.Set(reflect.ValueOf(new(rapid.Int32Range(int32(s.Min), int32(s.Max)).Draw(t, name))))
	case "boolean":
		b := rapid.Bool().Draw(t, name)
		if v.Kind() == reflect.Bool {
			v.SetBool(b)
		} else {
			v.Set(reflect.ValueOf(&b))
		}
	case "timestamp":
		ms := rapid.Int64Range(-m.times, m.times).Draw(t, name)
		v.Set(reflect.ValueOf(time.UnixMilli(ms).UTC()))
	case "map":
		v.Set(reflect.ValueOf(rapid.MapOfN(rapid.String(), rapid.String(), 0, 8).Draw(t, name)))
	case "list":
		n := rapid.IntRange(s.Min, 3).Draw(t, name)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			m.draw(t, s.Member.Shape, v.Index(i))
		}
	case "structure":
		v.Set(reflect.New(v.Type().Elem()))
		m.drawMembers(t, s, v.Elem())
	default:
		t.Fatalf("shape %s has type %q", name, s.Type)
	}
}

// drawMembers fills a structure, leaving out some of what is not required.
func (m *testModel) drawMembers(t *rapid.T, s modelShape, v reflect.Value) {
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if slices.Contains(s.Required, name) || rapid.Bool().Draw(t, "has "+name) {
			m.draw(t, s.Members[name].Shape, v.Field(i))
		}
	}
}

func drawString(t *rapid.T, name string, s modelShape) string {
	if s.Enum != nil {
		return rapid.SampledFrom(s.Enum).Draw(t, name)
	}
	if s.Pattern != "" {
		return rapid.StringMatching(examples[name]).Draw(t, name)
	}
	if s.Max == 0 {
		return rapid.StringN(1, 30, -1).Draw(t, name)
	}
	return rapid.StringN(max(1, s.Min), min(s.Max, s.Min+30), -1).Draw(t, name)
}

// drawStructure gives a new structure of the model, e.g. an EncryptRequest.
func (m *testModel) drawStructure(t *rapid.T, empty any) any {
	v := reflect.ValueOf(empty)
	m.drawMembers(t, m.Shapes[v.Type().Elem().Name()], v.Elem())
	return v.Interface()
}

func TestEveryPatternHasAnExample(t *testing.T) {
	for name, s := range loadModel(t).Shapes {
		if _, ok := examples[name]; ok != (s.Pattern != "") {
			t.Errorf("%s: pattern %q, example %v", name, s.Pattern, ok)
		}
	}
}

func TestOperationsAreThoseOfTheModel(t *testing.T) {
	m := loadModel(t)
	if len(Operations) != 54 || len(m.Operations) != 54 {
		t.Fatalf("%d operations, %d in the model, want 54", len(Operations), len(m.Operations))
	}
	for name, op := range Operations {
		want := m.Operations[name]
		if got := strings.TrimPrefix(reflect.TypeOf(op.New()).String(), "*api."); op.Name != name || got != want.Input.Shape {
			t.Errorf("%s: name %s, input %s", name, op.Name, got)
		}
		output := "Empty"
		if want.Output != nil {
			output = want.Output.Shape
		}
		if got := strings.TrimPrefix(reflect.TypeOf(op.NewOutput()).String(), "*api."); got != output {
			t.Errorf("%s: output %s, want %s", name, got, output)
		}
		for i, e := range want.Errors {
			if op.Errors[i] != e.Shape {
				t.Errorf("%s: error %d is %s, want %s", name, i, op.Errors[i], e.Shape)
			}
		}
	}
}
