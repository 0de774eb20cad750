package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A model is the part of the KMS API model that the generator uses.
type model struct {
	Operations map[string]*operation `json:"operations"`
	Shapes     map[string]*shape     `json:"shapes"`

	inputs map[string]bool // structures reachable from an operation's input
}

type operation struct {
	Input  *ref  `json:"input"`
	Output *ref  `json:"output"`
	Errors []ref `json:"errors"`
}

type ref struct {
	Shape string `json:"shape"`
}

type shape struct {
	Type      string   `json:"type"`
	Members   members  `json:"members"`
	Required  []string `json:"required"`
	Member    ref      `json:"member"`
	Key       ref      `json:"key"`
	Value     ref      `json:"value"`
	Min       int      `json:"min"`
	Max       int      `json:"max"`
	Pattern   string   `json:"pattern"`
	Enum      []string `json:"enum"`
	Sensitive bool     `json:"sensitive"`
	Exception bool     `json:"exception"`
	Fault     bool     `json:"fault"`
}

// members keeps the order in which the model lists them.
type members []member

type member struct {
	Name  string
	Shape string
}

// UnmarshalJSONFrom reads an object whose members' order matters.
func (m *members) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		one := member{Name: name.String()}
		var r ref
		if err := json.UnmarshalDecode(dec, &r); err != nil {
			return err
		}
		one.Shape = r.Shape
		*m = append(*m, one)
	}
	_, err := dec.ReadToken()
	return err
}

// secretShapes are hidden in messages although the model does not call them
// sensitive: a grant token carries a permission and never reaches the trail
// (guide 004:10347).
var secretShapes = []string{"GrantTokenType"}

// servicePatterns are checked by the service, which alone knows whether its
// configuration lets an endpoint have a port (guide 004:20817).
var servicePatterns = []string{"XksProxyUriEndpointType"}

func parseModel(data []byte) (*model, error) {
	m := &model{inputs: make(map[string]bool)}
	if err := json.Unmarshal(data, m); err != nil {
		return nil, err
	}
	for _, name := range servicePatterns {
		if m.Shapes[name] == nil {
			return nil, fmt.Errorf("no shape %s", name)
		}
		m.Shapes[name].Pattern = ""
	}
	for _, name := range secretShapes {
		if m.Shapes[name] == nil {
			return nil, fmt.Errorf("no shape %s", name)
		}
		m.Shapes[name].Sensitive = true
	}
	for _, name := range m.operations() {
		if m.Operations[name].Input == nil {
			return nil, fmt.Errorf("operation %s has no input", name)
		}
		if err := m.reach(m.Operations[name].Input.Shape); err != nil {
			return nil, fmt.Errorf("operation %s: %w", name, err)
		}
	}
	return m, nil
}

// reach marks name and what it holds as part of an input.
func (m *model) reach(name string) error {
	s := m.Shapes[name]
	if s == nil {
		return fmt.Errorf("no shape %s", name)
	}
	if m.inputs[name] {
		return nil
	}
	m.inputs[name] = true
	var next []string
	switch s.Type {
	case "structure":
		for _, f := range s.Members {
			next = append(next, f.Shape)
		}
	case "list":
		next = []string{s.Member.Shape}
	case "map":
		next = []string{s.Key.Shape, s.Value.Shape}
	}
	for _, n := range next {
		if err := m.reach(n); err != nil {
			return err
		}
	}
	return nil
}

func (m *model) operations() []string { return slices.Sorted(maps.Keys(m.Operations)) }

// shapes are the names of the shapes for which keep holds, sorted.
func (m *model) shapes(keep func(name string, s *shape) bool) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(m.Shapes)) {
		if keep(name, m.Shapes[name]) {
			names = append(names, name)
		}
	}
	return names
}

// structures are the structures that are no exceptions, sorted.
func (m *model) structures() []string {
	return m.shapes(func(_ string, s *shape) bool { return s.Type == "structure" && !s.Exception })
}

// source is Go text being written.
type source struct{ bytes.Buffer }

func (s *source) line(format string, args ...any) {
	fmt.Fprintf(s, format, args...)
	s.WriteByte('\n')
}
