// Package config reads configuration files: YAML, and therefore JSON too.
//
// It is strict, because a configuration that is half understood is worse than
// one that is refused. Unknown keys, keys given twice, a second document, bytes
// after the document and values of the wrong type are errors. So is what YAML
// has and a configuration does not need: anchors, aliases, merge keys and tags.
//
// Any scalar, keys included, may hold ${NAME}, alone or inside a longer text; it
// becomes the value of that environment variable, which must be set. $${ stands
// for a plain ${. Variables of IAM policies, such as ${aws:username}, are not
// names of environment variables and stay as they are.
//
// Every error is one line, "file:line: what is wrong, and how to mend it", and
// shows keys but no values, since any value may be a secret in the wrong place.
// Only a type that reads itself, such as netip.Addr, may quote what it was given.
//
// Fields are named by their yaml tag, else by their name in lower case. What
// the file leaves out, or gives as null, keeps the value it had before; a list or
// map in the file replaces the one before as a whole. Text takes any scalar as it
// is written, so an account ID needs no quotes. Relative paths in a file are
// relative to the working directory, like those on a command line.
package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Validator is a configuration that checks itself after it was read.
type Validator interface {
	// Validate returns nil, a FieldError (also wrapped) for the value at fault,
	// or any other error about the whole. Only the first of several is shown.
	Validate() error
}

// A FieldError is what a Validate returns for one wrong value. It is reported
// with the line of that value's key.
type FieldError struct {
	// Field is the path of the key: names joined by dots, a list index as a
	// number from 0, as in "stores.0.path". Where the file has no such key, the
	// line is that of the nearest key around it.
	Field string
	// Msg says what is wrong and how to mend it.
	Msg string
}

// Error gives "field: message".
func (e FieldError) Error() string { return e.Field + ": " + e.Msg }

// At puts prefix and a dot before the field of err, so that a part of a
// configuration can validate itself without knowing its place. An error that is
// no FieldError becomes one about the part itself; nil stays nil.
func At(prefix string, err error) error {
	if err == nil {
		return nil
	}
	if fe, ok := errors.AsType[FieldError](err); ok {
		return FieldError{Field: prefix + "." + fe.Field, Msg: fe.Msg}
	}
	return FieldError{Field: prefix, Msg: err.Error()}
}

// An Error is a fault in a configuration file.
type Error struct {
	File string // as given to Load or Parse
	Line int    // from 1; 0 when the file could not be read at all
	Msg  string // what is wrong and how to mend it
	Err  error  // the cause, or nil
}

// Error gives "file:line: message" on one line.
func (e *Error) Error() string {
	msg := strings.ReplaceAll(strings.TrimSpace(e.Msg), "\n", "; ")
	if e.Line == 0 {
		return e.File + ": " + msg
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, msg)
}

// Unwrap gives the cause, or nil.
func (e *Error) Unwrap() error { return e.Err }

// Load reads the file at path into what into points to, a struct most often, and
// calls Validate when it is a Validator. Variables come from the environment. The
// error is an *Error; after one, into may be partly filled.
func Load(path string, into any) error {
	_, err := LoadSources(path, into)
	return err
}

func readFile(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err == nil {
		return data, nil
	}
	msg := err.Error()
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		msg = pe.Err.Error()
	}
	return nil, &Error{File: path, Msg: "cannot read this file: " + msg + "; check its path and permissions", Err: err}
}

// Parse does what Load does with data read already: name stands for the file in
// errors, getenv for the environment (nil: no variable is set).
func Parse(name string, data []byte, getenv func(string) (string, bool), into any) error {
	return parse(name, data, getenv, into, nil)
}

func parse(name string, data []byte, getenv func(string) (string, bool), into any, sources *Sources) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return &Error{File: name, Msg: fmt.Sprintf("cannot be read into a %T; give a pointer", into)}
	}
	if getenv == nil {
		getenv = func(string) (string, bool) { return "", false }
	}
	d := &document{file: name, getenv: getenv, sources: sources, expanded: make(map[*yaml.Node]bool)}
	root, err := d.parse(data)
	if err != nil {
		return err
	}
	if err := d.check(root); err != nil {
		return err
	}
	if err := d.decode(root, v.Elem(), ""); err != nil {
		return err
	}
	return d.validate(root, into)
}

func (d *document) validate(root *yaml.Node, into any) error {
	c, ok := into.(Validator)
	if !ok {
		return nil
	}
	err := c.Validate()
	if err == nil {
		return nil
	}
	if fe, ok := errors.AsType[FieldError](err); ok {
		return &Error{File: d.file, Line: lineOf(root, fe.Field), Msg: fe.Error(), Err: err}
	}
	return &Error{File: d.file, Line: root.Line, Msg: err.Error(), Err: err}
}
