package config

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

// A source is a value that is read from more than one form of node.
type source interface {
	fromNode(d *document, n *yaml.Node, path string) error
}

var (
	durationType   = reflect.TypeFor[time.Duration]()
	rawMessageType = reflect.TypeFor[json.RawMessage]()
	nodeType       = reflect.TypeFor[yaml.Node]()
)

// decode stores n in v. path is where n stands, "" at the root.
func (d *document) decode(n *yaml.Node, v reflect.Value, path string) error {
	if n.ShortTag() == "!!null" && v.Type() != nodeType {
		return nil
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		return d.decode(n, v.Elem(), path)
	}
	if done, err := d.decodeSpecial(n, v, path); done {
		return err
	}
	switch v.Kind() {
	case reflect.Struct:
		return d.decodeStruct(n, v, path)
	case reflect.Map:
		return d.decodeMap(n, v, path)
	case reflect.Slice:
		return d.decodeSlice(n, v, path)
	case reflect.Interface:
		if v.NumMethod() > 0 {
			return d.unsupported(n, v, path)
		}
		x, err := d.plain(n, path)
		if err == nil {
			v.Set(reflect.ValueOf(x))
		}
		return err
	default:
		return d.decodeScalar(n, v, path)
	}
}

// decodeSpecial handles types that read themselves or need more than their kind.
func (d *document) decodeSpecial(n *yaml.Node, v reflect.Value, path string) (done bool, err error) {
	switch v.Type() {
	case nodeType:
		v.Set(reflect.ValueOf(*n))
		return true, nil
	case durationType:
		return true, d.decodeText(n, (*Duration)(v.Addr().Interface().(*time.Duration)), path)
	case rawMessageType:
		x, err := d.plain(n, path)
		if err != nil {
			return true, err
		}
		raw, err := json.Marshal(x)
		v.SetBytes(raw)
		return true, d.because(n, path, err)
	}
	switch x := v.Addr().Interface().(type) {
	case source:
		return true, x.fromNode(d, n, path)
	case yaml.Unmarshaler:
		err := x.UnmarshalYAML(n)
		if _, ok := errors.AsType[*yaml.TypeError](err); ok { // it quotes values
			err = errors.New("holds a value of the wrong type; check lists, maps and numbers in it")
		}
		return true, d.because(n, path, err)
	case encoding.TextUnmarshaler:
		return true, d.decodeText(n, x, path)
	}
	return false, nil
}

func (d *document) decodeText(n *yaml.Node, t encoding.TextUnmarshaler, path string) error {
	if n.Kind != yaml.ScalarNode {
		return d.wrongType(n, path, "text")
	}
	return d.because(n, path, t.UnmarshalText([]byte(n.Value)))
}

func (d *document) decodeStruct(n *yaml.Node, v reflect.Value, path string) error {
	if n.Kind != yaml.MappingNode {
		return d.wrongType(n, path, "a map of keys and values")
	}
	fields := fieldsOf(v)
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i]
		f, ok := fields[key.Value]
		if !ok {
			return d.errorf(key, "unknown key %q%s; %s", key.Value, inside(path), suggest(key.Value, fields))
		}
		if err := d.decode(n.Content[i+1], f, join(path, key.Value)); err != nil {
			return err
		}
	}
	return nil
}

func (d *document) decodeMap(n *yaml.Node, v reflect.Value, path string) error {
	if v.Type().Key().Kind() != reflect.String {
		return d.unsupported(n, v, path)
	}
	if n.Kind != yaml.MappingNode {
		return d.wrongType(n, path, "a map of keys and values")
	}
	m := reflect.MakeMapWithSize(v.Type(), len(n.Content)/2)
	for i := 0; i < len(n.Content); i += 2 {
		name := n.Content[i].Value
		elem := reflect.New(v.Type().Elem()).Elem()
		if err := d.decode(n.Content[i+1], elem, join(path, name)); err != nil {
			return err
		}
		m.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), elem)
	}
	v.Set(m)
	return nil
}

func (d *document) decodeSlice(n *yaml.Node, v reflect.Value, path string) error {
	if n.Kind != yaml.SequenceNode {
		return d.wrongType(n, path, "a list")
	}
	s := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, c := range n.Content {
		if err := d.decode(c, s.Index(i), join(path, strconv.Itoa(i))); err != nil {
			return err
		}
	}
	v.Set(s)
	return nil
}

func (d *document) decodeScalar(n *yaml.Node, v reflect.Value, path string) error {
	want, set := scalarOf(v)
	if set == nil {
		return d.unsupported(n, v, path)
	}
	if n.Kind != yaml.ScalarNode {
		return d.wrongType(n, path, want)
	}
	if v.Kind() != reflect.String && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 && !d.expanded[n] {
		return d.wrongType(n, path, want+" without quotes")
	}
	if !set(n.Value) {
		return d.wrongType(n, path, want)
	}
	return nil
}

// scalarOf says what v takes, and gives the function that sets it from text and
// reports whether the text fits; nil for a kind that a scalar cannot fill.
func scalarOf(v reflect.Value) (want string, set func(text string) bool) {
	switch v.Kind() {
	case reflect.String:
		return "text", func(s string) bool { v.SetString(s); return true }
	case reflect.Bool:
		return "true or false", func(s string) bool { v.SetBool(s == "true"); return s == "true" || s == "false" }
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		bits := v.Type().Bits()
		return fmt.Sprintf("a whole number of at most %d bits", bits), func(s string) bool {
			i, err := strconv.ParseInt(s, 10, bits)
			v.SetInt(i)
			return err == nil
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		bits := v.Type().Bits()
		return fmt.Sprintf("a whole number from 0 to %d", ^uint64(0)>>(64-bits)), func(s string) bool {
			u, err := strconv.ParseUint(s, 10, bits)
			v.SetUint(u)
			return err == nil
		}
	case reflect.Float32, reflect.Float64:
		return "a number", func(s string) bool {
			f, err := strconv.ParseFloat(s, v.Type().Bits())
			v.SetFloat(f)
			return err == nil && f-f == 0 // neither infinite nor NaN
		}
	}
	return "", nil
}

// plain gives n as nil, bool, int, float64, string, []any or map[string]any.
func (d *document) plain(n *yaml.Node, path string) (x any, err error) {
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any)
		err = d.decodeMap(n, reflect.ValueOf(&m).Elem(), path)
		return m, err
	case yaml.SequenceNode:
		s := []any{}
		err = d.decodeSlice(n, reflect.ValueOf(&s).Elem(), path)
		return s, err
	}
	switch n.ShortTag() {
	case "!!bool", "!!int", "!!float":
		err = d.because(n, path, n.Decode(&x))
		return x, err
	case "!!null":
		return nil, nil
	}
	return n.Value, nil
}
