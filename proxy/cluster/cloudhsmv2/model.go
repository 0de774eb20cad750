package cloudhsmv2

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

//go:embed model/cloudhsmv2-2017-04-28.json
var modelJSON []byte

// A model is the API model: what each operation takes, and what each shape demands.
type model struct {
	Operations map[string]struct {
		Input ref `json:"input"`
	} `json:"operations"`
	Shapes map[string]*shape `json:"shapes"`
}

type ref struct {
	Shape string `json:"shape"`
}

type shape struct {
	Type     string         `json:"type"`
	Members  map[string]ref `json:"members"`
	Required []string       `json:"required"`
	Member   ref            `json:"member"`
	Key      ref            `json:"key"`
	Value    ref            `json:"value"`
	Min      *int           `json:"min"`
	Max      *int           `json:"max"`
	Pattern  string         `json:"pattern"`
	Enum     []string       `json:"enum"`

	pattern *regexp.Regexp // of the whole value; nil: any
}

// theModel is read once. A model that cannot be read is a fault of the build.
var theModel = sync.OnceValue(func() *model {
	m := new(model)
	if err := json.Unmarshal(modelJSON, m); err != nil {
		panic("cloudhsmv2: the API model: " + err.Error())
	}
	for _, s := range m.Shapes {
		if s.Pattern != "" {
			s.pattern = regexp.MustCompile("^(?:" + s.Pattern + ")$")
		}
	}
	return m
})

// decode reads the body of a request of the operation into in, after it has been
// held to the model. What is wrong with it is one *fault.
func decode(operation string, body []byte, in any) error {
	var value any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return &fault{Code: codeSerialization, Message: "The request's body is not JSON."}
	}
	m := theModel()
	var c checker
	c.check(m, m.Operations[operation].Input.Shape, "", value)
	switch n := len(c.complaints); {
	case c.wrongType != "":
		return &fault{Code: codeSerialization, Message: c.wrongType}
	case n == 1:
		return invalid("1 validation error detected: %s", c.complaints[0])
	case n > 1:
		return invalid("%d validation errors detected: %s", n, strings.Join(c.complaints, "; "))
	}
	if err := json.Unmarshal(body, in); err != nil {
		return &fault{Code: codeSerialization, Message: "The request's body is not what the operation takes."}
	}
	return nil
}

// A checker gathers what is wrong with a request, in the words that AWS uses.
type checker struct {
	complaints []string
	wrongType  string // the first member that has not the type of the model
}

func (c *checker) complain(at string, value any, constraint string) {
	c.complaints = append(c.complaints, fmt.Sprintf("Value '%v' at '%s' failed to satisfy constraint: %s", value, at, constraint))
}

func (c *checker) check(m *model, name, at string, value any) {
	s := m.Shapes[name]
	right := true
	switch v := value.(type) {
	case map[string]any:
		switch s.Type {
		case "structure":
			c.structure(m, s, at, v)
		case "map":
			c.mapping(m, s, at, v)
		default:
			right = false
		}
	case []any:
		right = s.Type == "list"
		c.size(s, at, len(v), "Member must have length")
		for i, e := range v {
			below := fmt.Sprintf("%s.%d.member", at, i+1)
			switch {
			case e == nil:
				c.complain(below, "null", "Member must not be null")
			case right:
				c.check(m, s.Member.Shape, below, e)
			}
		}
	case string:
		right = s.Type == "string"
		c.text(s, at, v)
	case json.Number:
		n, err := v.Int64()
		right = s.Type == "integer" && err == nil
		c.size(s, at, int(n), "Member must have value")
	case bool:
		right = s.Type == "boolean"
	}
	if !right && c.wrongType == "" {
		c.wrongType = fmt.Sprintf("The member %s must be a %s.", at, s.Type)
	}
}

func (c *checker) structure(m *model, s *shape, at string, v map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(s.Members)) {
		below := lowerFirst(name)
		if at != "" {
			below = at + "." + below
		}
		value, ok := v[name]
		switch {
		case ok && value != nil:
			c.check(m, s.Members[name].Shape, below, value)
		case slices.Contains(s.Required, name):
			c.complain(below, "null", "Member must not be null")
		}
	}
}

func (c *checker) mapping(m *model, s *shape, at string, v map[string]any) {
	c.size(s, at, len(v), "Member must have length")
	for _, key := range slices.Sorted(maps.Keys(v)) {
		c.check(m, s.Key.Shape, at+".key", key)
		c.check(m, s.Value.Shape, at+"."+key, v[key])
	}
}

func (c *checker) text(s *shape, at, v string) {
	c.size(s, at, utf8.RuneCountInString(v), "Member must have length")
	if s.pattern != nil && !s.pattern.MatchString(v) {
		c.complain(at, v, "Member must satisfy regular expression pattern: "+s.Pattern)
	}
	if s.Enum != nil && !slices.Contains(s.Enum, v) {
		c.complain(at, v, "Member must satisfy enum value set: ["+strings.Join(s.Enum, ", ")+"]")
	}
}

func (c *checker) size(s *shape, at string, n int, what string) {
	if s.Min != nil && n < *s.Min {
		c.complain(at, n, fmt.Sprintf("%s greater than or equal to %d", what, *s.Min))
	}
	if s.Max != nil && n > *s.Max {
		c.complain(at, n, fmt.Sprintf("%s less than or equal to %d", what, *s.Max))
	}
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }
