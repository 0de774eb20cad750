package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

func writeTypes(m *model, s *source) {
	s.line("import \"time\"")
	for _, name := range m.structures() {
		s.line("")
		s.line("// %s is %s.", name, m.role(name))
		st := m.Shapes[name]
		if len(st.Members) == 0 {
			s.line("type %s struct{}", name)
			continue
		}
		s.line("type %s struct {", name)
		for _, f := range st.Members {
			s.line("%s %s%s", f.Name, m.goType(f.Shape, m.inputs[name]), m.remark(st, f, m.inputs[name]))
		}
		s.line("}")
	}
}

// role says what a structure is for.
func (m *model) role(name string) string {
	var in, out []string
	for _, op := range m.operations() {
		if m.Operations[op].Input.Shape == name {
			in = append(in, op)
		}
		if o := m.Operations[op].Output; o != nil && o.Shape == name {
			out = append(out, op)
		}
	}
	switch {
	case in != nil:
		return "the input of " + strings.Join(in, " and ")
	case out != nil:
		return "the output of " + strings.Join(out, " and ")
	case m.inputs[name]:
		return "a structure inside inputs of the API model"
	}
	return "a structure inside outputs of the API model"
}

// goType is the Go type of a shape. Booleans of inputs can be absent, those of
// outputs are always written.
func (m *model) goType(name string, input bool) string {
	s := m.Shapes[name]
	switch s.Type {
	case "string":
		return "string"
	case "blob":
		return "[]byte"
	case "integer":
		return "*int32"
	case "timestamp":
		return "time.Time"
	case "boolean":
		if input || name == "NullableBooleanType" {
			return "*bool"
		}
		return "bool"
	case "list":
		return "[]" + m.goType(s.Member.Shape, input)
	case "map":
		return "map[string]string"
	case "structure":
		return "*" + name
	}
	panic("shape " + name + " has type " + s.Type)
}

// remark is the comment of a member: what the model demands of it.
func (m *model) remark(st *shape, f member, input bool) string {
	s := m.Shapes[f.Shape]
	var words []string
	if input && slices.Contains(st.Required, f.Name) {
		words = append(words, "required")
	}
	if s.Max > 0 {
		words = append(words, fmt.Sprintf("%d to %d%s", s.Min, s.Max, unit[s.Type]))
	}
	if s.Enum != nil {
		words = append(words, "one of the "+f.Shape+" constants")
	}
	if s.Pattern != "" {
		words = append(words, "pattern "+s.Pattern)
	}
	if len(words) == 0 {
		return ""
	}
	return " // " + strings.Join(words, ", ")
}

var unit = map[string]string{"string": " characters", "blob": " bytes", "list": " members"}

func writeOperations(m *model, s *source) {
	s.line("// The operations of the API.")
	s.line("const (")
	for _, name := range m.operations() {
		s.line("Op%s = %q", name, name)
	}
	s.line(")")
	s.line("")
	s.line("// Operations are the operations of the API by name.")
	s.line("var Operations = map[string]*Operation{")
	for _, name := range m.operations() {
		op := m.Operations[name]
		out := "&Empty{}"
		if op.Output != nil {
			out = "&" + op.Output.Shape + "{}"
		}
		s.line("Op%s: {", name)
		s.line("Name: Op%s,", name)
		s.line("New: func() any { return &%s{} },", op.Input.Shape)
		s.line("NewOutput: func() any { return %s },", out)
		s.line("Errors: []string{")
		for _, e := range op.Errors {
			s.line("Code%s,", e.Shape)
		}
		s.line("},")
		s.line("},")
	}
	s.line("}")
}

func writeEnums(m *model, s *source) {
	for _, name := range m.shapes(func(_ string, s *shape) bool { return s.Enum != nil }) {
		s.line("// Values of %s.", name)
		s.line("const (")
		for _, v := range m.Shapes[name].Enum {
			s.line("%s%s = %q", name, camel(v), v)
		}
		s.line(")")
		s.line("")
	}
}

// camel turns RSA_2048 into Rsa2048 and leaves what is CamelCase already.
func camel(v string) string {
	if !strings.Contains(v, "_") && strings.ContainsFunc(v, unicode.IsLower) {
		return v
	}
	var b strings.Builder
	for _, w := range strings.Split(v, "_") {
		b.WriteString(w[:1] + strings.ToLower(w[1:]))
	}
	return b.String()
}

func writeErrors(m *model, s *source) {
	codes := m.shapes(func(_ string, s *shape) bool { return s.Exception })
	s.line("// Error codes that the API model declares.")
	s.line("const (")
	for _, name := range codes {
		s.line("Code%s = %q", name, name)
	}
	s.line(")")
	s.line("")
	s.line("// faults are the codes that the model calls the service's own fault: HTTP status 500.")
	s.line("var faults = map[string]bool{")
	for _, name := range codes {
		if m.Shapes[name].Fault {
			s.line("Code%s: true,", name)
		}
	}
	s.line("}")
}
