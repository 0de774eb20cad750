package api

import "strings"

// stringMap reads an encryption context. Values that are numbers or booleans
// stand for the text they are written as (guide 004:1005).
func (r *reader) stringMap(raw []byte, at *path, name string, need bool) map[string]string {
	if r.absent(raw, at, name, need) {
		return nil
	}
	if raw[0] != '{' {
		r.mistyped(raw, "a Map")
		return nil
	}
	v := make(map[string]string)
	for w := walk(raw); w.more(); {
		key := string(unquoted(w.name()))
		switch value := w.value(); value[0] {
		case '"':
			v[key] = string(unquoted(value))
		case '{', '[':
			r.mistyped(value, "a String")
			return nil
		case 'n':
			r.complain("", path{parent: &path{parent: at, name: name}, name: key + ".member"}, notNull)
		default:
			v[key] = string(value)
		}
	}
	return v
}

// open starts reading the list raw; ok is false where there is none.
func (r *reader) open(raw []byte, at *path, name string, need bool) (w walker, ok bool) {
	if r.absent(raw, at, name, need) {
		return w, false
	}
	if raw[0] != '[' {
		if raw[0] == '{' {
			r.mistyped(raw, "a List")
		} else {
			r.fail("Expected list or null")
		}
		return w, false
	}
	return walk(raw), true
}

// strs reads a list of strings. AWS complains of all members at once, naming
// everything the model demands of a member.
func (r *reader) strs(raw []byte, at *path, name string, need bool, s *listShape) []string {
	w, ok := r.open(raw, at, name, need)
	if !ok {
		return nil
	}
	v := []string{}
	bad := false
	for w.more() {
		element := w.value()
		if element[0] == 'n' {
			bad = true
			v = append(v, "null")
			continue
		}
		if element[0] != '"' {
			r.mistyped(element, "a String")
			return nil
		}
		text := string(unquoted(element))
		bad = bad || len(s.member.broken(text)) > 0
		v = append(v, text)
	}
	if s.max > 0 && len(v) > s.max {
		r.complain(s.shown(v), path{parent: at, name: name}, maxLength(s.max))
	}
	if bad {
		r.complain(s.shown(v), path{parent: at, name: name}, s.member.demands())
	}
	return v
}

func (s *listShape) shown(v []string) string {
	if s.member.sensitive {
		return "'***' "
	}
	return "'[" + strings.Join(v, ", ") + "]' "
}

// structure reads a structure inside an input.
func structure[T any](r *reader, raw []byte, at *path, name string, need bool, decode func(*T, *reader, []byte, *path)) *T {
	if r.absent(raw, at, name, need) {
		return nil
	}
	v := new(T)
	decode(v, r, raw, &path{parent: at, name: name})
	return v
}

// structs reads a list of structures.
func structs[T any](r *reader, raw []byte, at *path, name string, need bool, s *listShape, decode func(*T, *reader, []byte, *path)) []*T {
	w, ok := r.open(raw, at, name, need)
	if !ok {
		return nil
	}
	v := []*T{}
	list := path{parent: at, name: name}
	for w.more() {
		element := w.value()
		v = append(v, new(T))
		here := path{parent: &list, index: len(v)}
		if element[0] == 'n' {
			r.complain("", here, notNull)
			continue
		}
		decode(v[len(v)-1], r, element, &here)
	}
	if s.max > 0 && len(v) > s.max {
		r.complain("", path{parent: at, name: name}, maxLength(s.max))
	}
	return v
}
