package config

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// fieldsOf gives the settable fields of a struct under their names in a file.
func fieldsOf(v reflect.Value) map[string]reflect.Value {
	fields := make(map[string]reflect.Value)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() || name == "-":
		case slices.Contains(strings.Split(options, ","), "inline"):
			maps.Copy(fields, fieldsOf(v.Field(i)))
		case name == "":
			fields[strings.ToLower(f.Name)] = v.Field(i)
		default:
			fields[name] = v.Field(i)
		}
	}
	return fields
}

// suggest says which of the known keys an unknown one may stand for.
func suggest(key string, known map[string]reflect.Value) string {
	return Suggest(key, slices.Sorted(maps.Keys(known)))
}

// Suggest ends an error about an unknown name: with the known one that it is
// most likely meant for, else with all that are known.
func Suggest(name string, known []string) string {
	best, at := "", 1+max(1, len(name)/3)
	for _, k := range known {
		if max(len(name)-len(k), len(k)-len(name)) >= at {
			continue // no need to count: too far, and a name may be very long
		}
		if n := distance(fold(name), fold(k)); n < at {
			best, at = k, n
		}
	}
	switch {
	case best != "":
		return "did you mean " + strconv.Quote(best) + "?"
	case len(known) == 0:
		return "leave it out, no key is known here"
	}
	return "the keys known here are " + strings.Join(known, ", ")
}

func fold(s string) string { return strings.ToLower(strings.ReplaceAll(s, "-", "_")) }

// distance is the number of bytes to insert, delete, replace or swap with the
// next to come from a to b (optimal string alignment).
func distance(a, b string) int {
	d := make([][]int, len(a)+1) // d[i][j]: between the first i of a and j of b
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range b {
		d[0][j+1] = j + 1
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			d[i][j] = min(d[i-1][j], d[i][j-1]) + 1
			if a[i-1] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-1][j-1])
			} else {
				d[i][j] = min(d[i][j], d[i-1][j-1]+1)
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}

// lineOf gives the line of the key or list element at path below n, else of the
// last one on the way there. Keys may hold dots: the longest that fits is taken.
func lineOf(n *yaml.Node, path string) int {
	line := n.Line
	for path != "" {
		name, at, next := step(n, path)
		if next == nil {
			break
		}
		line, n = at, next
		path = strings.TrimPrefix(path[len(name):], ".")
	}
	return line
}

// step finds the first part of path in n: its name, its line, its value.
func step(n *yaml.Node, path string) (name string, line int, value *yaml.Node) {
	for i, c := range n.Content {
		switch {
		case n.Kind == yaml.SequenceNode:
			if s := strconv.Itoa(i); leads(s, path) {
				return s, c.Line, c
			}
		case i%2 == 0 && leads(c.Value, path) && (value == nil || len(c.Value) > len(name)):
			name, line, value = c.Value, c.Line, n.Content[i+1]
		}
	}
	return name, line, value
}

// leads reports whether path is name or begins with it and a dot.
func leads(name, path string) bool {
	rest, ok := strings.CutPrefix(path, name)
	return ok && (rest == "" || rest[0] == '.')
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func inside(path string) string {
	if path == "" {
		return ""
	}
	return " in " + path
}

// because reports err as a fault of the value at path; nil stays nil.
func (d *document) because(n *yaml.Node, path string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{File: d.file, Line: n.Line, Msg: prefixed(path, err.Error()), Err: err}
}

func (d *document) wrongType(n *yaml.Node, path, want string) error {
	return d.errorf(n, "%s", prefixed(path, "want "+want+", not "+kindOf(n)))
}

func (d *document) unsupported(n *yaml.Node, v reflect.Value, path string) error {
	return d.errorf(n, "%s", prefixed(path, "a "+v.Type().String()+" cannot be read from a file"))
}

func prefixed(path, msg string) string {
	if path == "" {
		return msg
	}
	return path + ": " + msg
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!int", "!!float":
		return "this number"
	case "!!bool":
		return "true or false"
	}
	return "this text"
}
