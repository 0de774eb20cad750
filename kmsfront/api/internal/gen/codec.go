package main

import (
	"fmt"
	"slices"
	"strings"
)

func writeValidate(m *model, s *source) {
	s.line("// What the model demands of the simple shapes that inputs use.")
	s.line("var (")
	for _, name := range m.shapes(func(n string, s *shape) bool { return m.inputs[n] && s.Type != "structure" }) {
		if c := m.constraint(name); c != "" {
			s.line("shape%s = %s", name, c)
		}
	}
	s.line(")")
	for _, name := range m.structures() {
		if m.inputs[name] {
			writeDecode(m, s, name)
		}
	}
}

// constraint is the Go value that holds what the model demands of a shape.
func (m *model) constraint(name string) string {
	s := m.Shapes[name]
	switch s.Type {
	case "string":
		c := fmt.Sprintf("newStringShape(stringShape{min: %d, max: %d, sensitive: %v", s.Min, s.Max, s.Sensitive)
		if s.Pattern != "" {
			c += fmt.Sprintf(", pattern: %q", s.Pattern)
		}
		if s.Enum != nil {
			c += fmt.Sprintf(", enum: %#v", s.Enum)
		}
		return c + "})"
	case "blob", "integer":
		return fmt.Sprintf("boundShape{min: %d, max: %d}", s.Min, s.Max)
	case "list":
		if m.Shapes[s.Member.Shape].Type == "structure" {
			return fmt.Sprintf("listShape{min: %d, max: %d}", s.Min, s.Max)
		}
		return fmt.Sprintf("listShape{min: %d, max: %d, member: shape%s}", s.Min, s.Max, s.Member.Shape)
	case "map", "boolean", "timestamp":
		return ""
	}
	panic("shape " + name + " has type " + s.Type)
}

func writeDecode(m *model, s *source, name string) {
	st := m.Shapes[name]
	var names []string
	for _, f := range st.Members {
		names = append(names, fmt.Sprintf("%q", f.Name))
	}
	s.line("")
	s.line("var names%s = [...]string{%s}", name, strings.Join(names, ", "))
	s.line("")
	s.line("func (v *%s) decode(r *reader, raw []byte, at *path) {", name)
	s.line("var m [%d][]byte", len(st.Members))
	s.line("if !r.split(raw, names%s[:], m[:]) { return }", name)
	for i, f := range st.Members {
		need := "optional"
		if slices.Contains(st.Required, f.Name) {
			need = "required"
		}
		s.line("v.%s = %s", f.Name, m.read(f, i, need))
	}
	s.line("}")
}

// read is the call that reads member f from the raw value m[i].
func (m *model) read(f member, i int, need string) string {
	s := m.Shapes[f.Shape]
	args := fmt.Sprintf("m[%d], at, %q, %s", i, lowerFirst(f.Name), need)
	switch s.Type {
	case "string":
		return fmt.Sprintf("r.str(%s, shape%s)", args, f.Shape)
	case "blob":
		return fmt.Sprintf("r.blob(%s, &shape%s)", args, f.Shape)
	case "integer":
		return fmt.Sprintf("r.integer(%s, &shape%s)", args, f.Shape)
	case "boolean":
		return fmt.Sprintf("r.boolean(%s)", args)
	case "timestamp":
		return fmt.Sprintf("r.timestamp(%s)", args)
	case "map":
		return fmt.Sprintf("r.stringMap(%s)", args)
	case "list":
		if m.Shapes[s.Member.Shape].Type == "structure" {
			return fmt.Sprintf("structs(r, %s, &shape%s, (*%s).decode)", args, f.Shape, s.Member.Shape)
		}
		return fmt.Sprintf("r.strs(%s, &shape%s)", args, f.Shape)
	case "structure":
		return fmt.Sprintf("structure(r, %s, (*%s).decode)", args, f.Shape)
	}
	panic("member " + f.Name + " has type " + s.Type)
}

func writeEncode(m *model, s *source) {
	for _, name := range m.structures() {
		st := m.Shapes[name]
		s.line("")
		if len(st.Members) == 0 {
			s.line("func (v *%s) appendJSON(b []byte) []byte { return append(b, \"{}\"...) }", name)
			continue
		}
		s.line("func (v *%s) appendJSON(b []byte) []byte {", name)
		s.line("b = append(b, '{')")
		for _, f := range st.Members {
			s.line("b = %s", m.write(name, f))
		}
		s.line("return append(b, '}')")
		s.line("}")
	}
}

// alwaysWritten are the strings of outputs that AWS writes even when empty.
var alwaysWritten = []string{"KeyMetadata.Description", "GrantListEntry.Name"}

// write is the call that appends member f of the structure name.
func (m *model) write(name string, f member) string {
	st, s := m.Shapes[name], m.Shapes[f.Shape]
	args := fmt.Sprintf("(b, %q, v.%s)", `"`+f.Name+`":`, f.Name)
	switch goType := m.goType(f.Shape, m.inputs[name]); goType {
	case "string":
		needed := m.inputs[name] && slices.Contains(st.Required, f.Name)
		if needed || slices.Contains(alwaysWritten, name+"."+f.Name) {
			return "appendString" + args
		}
		return "appendOptString" + args
	case "[]byte":
		return "appendBlob" + args
	case "*int32":
		return "appendInteger" + args
	case "time.Time":
		return "appendTime" + args
	case "bool":
		return "appendBool" + args
	case "*bool":
		return "appendOptBool" + args
	case "map[string]string":
		return "appendMap" + args
	case "[]string":
		if m.paged(st) {
			return "appendStrings" + args
		}
		return "appendOptStrings" + args
	default:
		if s.Type == "structure" {
			return "appendStruct" + args
		}
		if m.paged(st) {
			return "appendStructs" + args
		}
		return "appendOptStructs" + args
	}
}

// paged tells whether st is one page of a list: its list is written even when
// nothing is in it, so that a client can count on it.
func (m *model) paged(st *shape) bool {
	return slices.ContainsFunc(st.Members, func(f member) bool { return f.Name == "Truncated" })
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }
