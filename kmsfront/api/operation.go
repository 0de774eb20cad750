package api

import (
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Operation is one operation of the API.
type Operation struct {
	Name      string
	New       func() any // a new input structure
	NewOutput func() any // a new output structure, *Empty where the model has none
	Errors    []string   // codes of the exceptions that the model declares
}

// Empty is the output of an operation that has none: the body is empty.
type Empty struct{}

// structureValue is what every generated structure can do.
type structureValue interface{ appendJSON(b []byte) []byte }

// input is a structure that can be read from a request.
type input interface {
	structureValue
	decode(r *reader, raw []byte, at *path)
}

// grammar is what the body as a whole must keep to: JSON in valid UTF-8.
var grammar = []jsontext.Options{jsontext.AllowDuplicateNames(true)}

// Decode reads a request's body into op's input structure and validates it.
// An empty body counts as {}. The error is an *Error: SerializationException
// if the body is not JSON of the right types, else ValidationException with
// every complaint. The result shares no memory with body.
func Decode(op *Operation, body []byte) (any, error) {
	if len(body) == 0 {
		body = emptyObject
	}
	if !jsontext.Value(body).IsValid(grammar...) {
		return nil, &Error{Code: CodeSerializationException}
	}
	in := op.New().(input)
	var r reader
	in.decode(&r, trim(body), nil)
	if err := r.error(); err != nil {
		return nil, err
	}
	return in, nil
}

var emptyObject = []byte("{}")

// Encode writes an output structure, or an input structure, as JSON. nil and
// *Empty give an empty body. Bytes that are no UTF-8 are replaced by U+FFFD.
func Encode(out any) ([]byte, error) { return appendOutput(nil, out) }

func appendOutput(b []byte, out any) ([]byte, error) {
	switch v := out.(type) {
	case nil, *Empty:
		return b, nil
	case structureValue:
		return v.appendJSON(slices.Grow(b, 256)), nil
	}
	return b, fmt.Errorf("encoding %T: not a structure of the API", out)
}
