package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A document is one file on its way from bytes to values: parse, check, decode.
type document struct {
	file   string
	getenv func(string) (string, bool)
	// sources notes the files that secrets are read from; nil: nobody asked.
	sources *Sources
	// expanded holds the scalars that had a variable: they are text, whatever
	// the variable's value looks like, but a number may be read from them.
	expanded map[*yaml.Node]bool
}

func (d *document) errorf(n *yaml.Node, format string, args ...any) error {
	return &Error{File: d.file, Line: n.Line, Msg: fmt.Sprintf(format, args...)}
}

// parse gives the root value of the only document; of an empty file, a null.
func (d *document) parse(data []byte) (*yaml.Node, error) {
	if json.Valid(data) {
		data = jsonEscape.ReplaceAllFunc(data, unescapeJSON)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: 1}, nil
	}
	if err != nil {
		return nil, d.syntax(err)
	}
	switch err := dec.Decode(&second); {
	case err == nil:
		return nil, d.errorf(&second, "a second document begins here; keep one document in the file")
	case !errors.Is(err, io.EOF):
		return nil, d.syntax(err)
	}
	return doc.Content[0], nil
}

// jsonEscape matches every escape in a JSON text, so that none is cut in two.
var jsonEscape = regexp.MustCompile(`\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|u....|.)`)

// unescapeJSON writes out the escapes that JSON has and the YAML reader has not:
// the slash and characters in two halves.
func unescapeJSON(escape []byte) []byte {
	if len(escape) < 12 && escape[1] != '/' {
		return escape
	}
	var text string
	if json.Unmarshal([]byte(`"`+string(escape)+`"`), &text) != nil {
		return escape
	}
	return []byte(text)
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)`)

// syntax turns the YAML reader's error into ours. What it quotes from the file is
// left out: it may be part of a secret.
func (d *document) syntax(err error) error {
	e := &Error{File: d.file, Line: 1, Err: err}
	msg := err.Error()
	if m := yamlLine.FindStringSubmatch(msg); m != nil {
		msg = m[2]
		if n, err := strconv.Atoi(m[1]); err == nil {
			e.Line = n
		}
	}
	switch {
	case strings.HasPrefix(msg, "unknown anchor"):
		e.Msg, e.Err = "a value that begins with * is an alias in YAML; put the value in quotes", nil
	case strings.ContainsAny(msg, "`'\""):
		e.Msg, e.Err = "not valid YAML, here or just below; check the indentation, and put text with special characters in quotes", nil
	default:
		e.Msg = "not valid YAML, here or just below: " + msg + "; check the indentation, and put text with special characters in quotes"
	}
	return e
}

// check refuses what a configuration must not have and puts in the variables, in
// n and all below it.
func (d *document) check(n *yaml.Node) error {
	switch {
	case n.Kind == yaml.AliasNode:
		return d.errorf(n, "aliases (*name) are not supported; write the value out, or put it in quotes if it is text")
	case n.Anchor != "":
		return d.errorf(n, "anchors (&name) are not supported; leave the anchor out, or put the value in quotes if it is text")
	case n.Style&yaml.TaggedStyle != 0:
		return d.errorf(n, "tags (!name) are not supported; leave the tag out, or put the value in quotes if it is text")
	case n.Kind == yaml.ScalarNode:
		return d.expand(n)
	}
	for _, c := range n.Content {
		if err := d.check(c); err != nil {
			return err
		}
	}
	if n.Kind == yaml.MappingNode {
		return d.checkKeys(n)
	}
	return nil
}

func (d *document) checkKeys(n *yaml.Node) error {
	first := make(map[string]int, len(n.Content)/2)
	for i := 0; i < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode {
			return d.errorf(k, "a list or map cannot be a key; write the key as text")
		}
		if k.Tag == "!!merge" {
			return d.errorf(k, "merge keys (<<) are not supported; write the keys out")
		}
		if line, ok := first[k.Value]; ok {
			return d.errorf(k, "key %q is given twice, first on line %d; keep one of them", k.Value, line)
		}
		first[k.Value] = k.Line
	}
	return nil
}

var (
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	// policyVariable is what IAM puts between ${ and }: a condition key, perhaps
	// with a default, or one of the three characters that it escapes this way.
	policyVariable = regexp.MustCompile(`^(?:[A-Za-z0-9-]+:[A-Za-z][^{}]*|[*?$])$`)
)

// expand replaces ${NAME} and $${ in a scalar.
func (d *document) expand(n *yaml.Node) error {
	if !strings.Contains(n.Value, "${") {
		return nil
	}
	var out strings.Builder
	for rest := n.Value; rest != ""; {
		before, after, found := strings.Cut(rest, "${")
		if !found {
			out.WriteString(rest)
			break
		}
		if strings.HasSuffix(before, "$") {
			out.WriteString(before[:len(before)-1] + "${")
			rest = after
			continue
		}
		name, tail, closed := strings.Cut(after, "}")
		value, err := d.variable(name, closed)
		if err != nil {
			line := n.Line
			if n.Style&yaml.LiteralStyle != 0 {
				line += 1 + strings.Count(n.Value[:len(n.Value)-len(after)], "\n")
			}
			return &Error{File: d.file, Line: line, Msg: err.Error()}
		}
		out.WriteString(before + value)
		rest = tail
	}
	n.Value, n.Tag = out.String(), "!!str"
	d.expanded[n] = true
	return nil
}

// variable gives what stands for ${name}; closed tells whether the brace was.
func (d *document) variable(name string, closed bool) (string, error) {
	switch {
	case !closed:
		return "", errors.New("${ has no closing brace; write ${NAME} for a variable, or $${ for a plain ${")
	case policyVariable.MatchString(name):
		return "${" + name + "}", nil
	case !variableName.MatchString(name):
		return "", errors.New("${…} does not hold the name of a variable; write ${NAME} with letters, digits and _ only, or $${ for a plain ${")
	}
	value, ok := d.getenv(name)
	if !ok {
		return "", fmt.Errorf("environment variable %s is not set; set it, or write $${%s} for the text itself", name, name)
	}
	return value, nil
}
