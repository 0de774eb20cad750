package trail

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"hyok/kmsfront/api"
)

// An element is a compiled member of a row: how to find and write one value.
type element struct {
	key      string // `"keyId":`
	fields   []field
	fallback string // JSON for an absent value; empty: the element is left out
	keyARN   bool   // the ARN of the key goes before the fields
}

// field is one member of an API structure.
type field struct {
	index int
	write writer
}

// A writer appends the JSON of a value, or reports that it is absent.
type writer func(b []byte, v reflect.Value) ([]byte, bool)

// compile reads a row's list of members for the structure t. It panics where the
// list does not fit t: the table is code.
func compile(list string, t reflect.Type) []element {
	var out []element
	for item := range strings.FieldsSeq(list) {
		spec, value, hasDefault := strings.Cut(item, "=")
		name, members, renamed := strings.Cut(spec, ":")
		name, keyARN := strings.CutSuffix(name, "@")
		if !renamed {
			members = strings.ToUpper(name[:1]) + name[1:]
		}
		e := element{key: strconv.Quote(name) + ":", keyARN: keyARN}
		kind := reflect.String
		for member := range strings.SplitSeq(members, "/") {
			f, ok := t.FieldByName(member)
			if !ok {
				if keyARN {
					continue // the output does not have it, the call does
				}
				panic(fmt.Sprintf("trail: %s has no member %s", t, member))
			}
			kind = f.Type.Kind()
			e.fields = append(e.fields, field{f.Index[0], writerOf(f.Type, name)})
		}
		if hasDefault {
			e.fallback = value
			if kind == reflect.String {
				e.fallback = strconv.Quote(value)
			}
		}
		out = append(out, e)
	}
	return out
}

// appendElements appends the object of elements found in v, or nothing if there
// are none. keyARN is the ARN of the key that was used, if any.
func appendElements(b []byte, elements []element, v reflect.Value, keyARN string) []byte {
	start := len(b)
	for i := range elements {
		b = elements[i].append(b, len(b) == start, v, keyARN)
	}
	if len(b) == start {
		return b
	}
	return append(b, '}')
}

func (e *element) append(b []byte, first bool, v reflect.Value, keyARN string) []byte {
	start := len(b)
	if first {
		b = append(b, '{')
	} else {
		b = append(b, ',')
	}
	b = append(b, e.key...)
	if e.keyARN && keyARN != "" {
		return appendQuoted(b, keyARN)
	}
	for i := range e.fields {
		if out, ok := e.fields[i].write(b, v.Field(e.fields[i].index)); ok {
			return out
		}
	}
	if e.fallback != "" {
		return append(b, e.fallback...)
	}
	return b[:start]
}

var (
	timeType     = reflect.TypeFor[time.Time]()
	metadataType = reflect.TypeFor[api.KeyMetadata]()
)

// writerOf makes the writer for a type of the API. Bytes have none: no blob goes
// into the trail.
func writerOf(t reflect.Type, name string) writer {
	switch {
	case t == timeType:
		return timeWriter(name)
	case t.Kind() == reflect.String:
		return writeString
	case t.Kind() == reflect.Bool:
		return func(b []byte, v reflect.Value) ([]byte, bool) { return strconv.AppendBool(b, v.Bool()), true }
	case t.Kind() == reflect.Int32:
		return func(b []byte, v reflect.Value) ([]byte, bool) { return strconv.AppendInt(b, v.Int(), 10), true }
	case t.Kind() == reflect.Pointer:
		return pointerWriter(writerOf(t.Elem(), name))
	case t.Kind() == reflect.Struct:
		return structWriter(t)
	case t == reflect.TypeFor[map[string]string]():
		return writeMap
	case t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8:
		return listWriter(writerOf(t.Elem(), name))
	}
	panic(fmt.Sprintf("trail: %s of type %s cannot be shown", name, t))
}

func writeString(b []byte, v reflect.Value) ([]byte, bool) {
	s := v.String()
	if s == "" {
		return b, false
	}
	return appendQuoted(b, s), true
}

// dateLayouts are the two forms of dates in the guide's records (004:4448, 5931,
// 6647); every name but validTo has the one with two commas.
const (
	dateLayout    = `"Jan 2, 2006, 3:04:05 PM"`
	validToLayout = `"Jan 2, 2006 3:04:05 PM"`
)

func timeWriter(name string) writer {
	layout := dateLayout
	if name == "validTo" {
		layout = validToLayout
	}
	return func(b []byte, v reflect.Value) ([]byte, bool) {
		t := v.Interface().(time.Time)
		if t.IsZero() {
			return b, false
		}
		return t.UTC().AppendFormat(b, layout), true
	}
}

func pointerWriter(elem writer) writer {
	return func(b []byte, v reflect.Value) ([]byte, bool) {
		if v.IsNil() {
			return b, false
		}
		return elem(b, v.Elem())
	}
}

func listWriter(elem writer) writer {
	return func(b []byte, v reflect.Value) ([]byte, bool) {
		if v.IsNil() {
			return b, false
		}
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			out, ok := elem(b, v.Index(i))
			if !ok {
				out = append(b, `""`...) // an empty string keeps its place
			}
			b = out
		}
		return append(b, ']'), true
	}
}

// structWriter writes every member of a nested structure under its name with a
// small first letter (guide kms-core CT-04). A key's description is there even
// when it is empty, as in the answer to the caller.
func structWriter(t reflect.Type) writer {
	var elements []element
	for i := range t.NumField() {
		f := t.Field(i)
		name := strings.ToLower(f.Name[:1]) + f.Name[1:]
		e := element{key: strconv.Quote(name) + ":", fields: []field{{i, writerOf(f.Type, name)}}}
		if t == metadataType && f.Name == "Description" {
			e.fallback = `""`
		}
		elements = append(elements, e)
	}
	return func(b []byte, v reflect.Value) ([]byte, bool) {
		out := appendElements(b, elements, v, "")
		if len(out) == len(b) {
			out = append(b, "{}"...)
		}
		return out, true
	}
}

// writeMap writes an encryption context in the order of its names.
func writeMap(b []byte, v reflect.Value) ([]byte, bool) {
	m := v.Interface().(map[string]string)
	if len(m) == 0 {
		return b, false
	}
	var few [8]string
	names := few[:0]
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendQuoted(b, name), ':')
		b = appendQuoted(b, m[name])
	}
	return append(b, '}'), true
}
