package policy

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	expast "github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"

	"hyok/internal/config"
)

// MaxFile is the longest policy file, in bytes. It bounds how deep expressions
// can nest, too.
const MaxFile = 64 << 10

//go:embed schema.cedarschema
var schemaText []byte

// validator checks policies against the schema.
var validator = sync.OnceValues(func() (*validate.Validator, error) {
	var s schema.Schema
	if err := s.UnmarshalCedar(schemaText); err != nil {
		return nil, err
	}
	resolved, err := s.Resolve()
	if err != nil {
		return nil, err
	}
	return validate.New(resolved, validate.WithStrict()), nil
})

// Load reads the policies of the key store with this path prefix from a file.
// The error is a *config.Error: one line with file and line.
func Load(path, store string) (*Set, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, unreadable(path, err)
	}
	return Parse(path, text, store)
}

func unreadable(path string, err error) error {
	msg := err.Error()
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		msg = pe.Err.Error()
	}
	return &config.Error{File: path, Msg: "cannot read this policy file: " + msg + "; check its path and permissions", Err: err}
}

// Parse is Load with the text of the file called name.
func Parse(name string, text []byte, store string) (*Set, error) {
	fault := func(line int, format string, args ...any) error {
		return &config.Error{File: name, Line: line, Msg: fmt.Sprintf(format, args...)}
	}
	if len(text) > MaxFile {
		return nil, fault(1, "a policy file may have %d bytes; split the key store or say it shorter", MaxFile)
	}
	list, err := cedar.NewPolicyListFromBytes(name, text)
	if err != nil {
		line, msg := located(err)
		return nil, fault(line, "%s; the language is Cedar", msg)
	}
	if len(list) == 0 {
		return nil, fault(1, "no policy stands here, which would refuse everything; permit something")
	}
	check, err := validator()
	if err != nil {
		return nil, fmt.Errorf("reading the policy schema: %w", err)
	}
	s := &Set{
		names: make(map[cedar.PolicyID]string, len(list)),
		store: types.NewEntityUIDSet(types.NewEntityUID(typeStore, types.String(store))),
	}
	seen := make(map[string]bool, len(list))
	for i, p := range list {
		line := p.Position().Line
		id, err := nameOf(p)
		switch {
		case err != nil:
			return nil, fault(line, "%v", err)
		case seen[id]:
			return nil, fault(line, "another policy has the @id %q; each needs its own", id)
		}
		seen[id] = true
		if err := check.Policy(id, (*expast.Policy)(p.AST())); err != nil {
			return nil, fault(line, "the policy %s does not fit the schema: %v", id, oneLine(err.Error()))
		}
		s.add(cedar.PolicyID(strconv.Itoa(i)), id, p)
	}
	return s, nil
}

func (s *Set) add(id cedar.PolicyID, name string, p *cedar.Policy) {
	s.names[id] = name
	s.policies = append(s.policies, struct {
		id     cedar.PolicyID
		policy *cedar.Policy
	}{id, p})
}

// idForm is what an @id may be, since it goes into every line of the log.
var idForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// nameOf is the policy's @id, or its place in the file.
func nameOf(p *cedar.Policy) (string, error) {
	id, ok := p.Annotations()["id"]
	switch {
	case !ok:
		at := p.Position()
		return fmt.Sprintf("%s:%d:%d", filepath.Base(at.Filename), at.Line, at.Column), nil
	case !idForm.MatchString(string(id)):
		return "", fmt.Errorf("@id must be 1 to 64 of A-Z a-z 0-9 . _ -")
	case id == Default:
		return "", fmt.Errorf("@id %q is the name of what decides when no policy applies; choose another", Default)
	}
	return string(id), nil
}

// place is where Cedar's parser puts line and column of an error.
var place = regexp.MustCompile(`:(\d+):\d+`)

// located gives the line and the text of a parser's error; line 1 when the
// parser does not say.
func located(err error) (line int, msg string) {
	msg = oneLine(err.Error())
	if m := place.FindStringSubmatch(msg); m != nil {
		if line, _ = strconv.Atoi(m[1]); line > 0 {
			return line, msg
		}
	}
	return 1, msg
}

// oneLine makes s one line of bounded length.
func oneLine(s string) string {
	const longest = 300
	if s = strings.Join(strings.Fields(s), " "); len(s) > longest {
		s = s[:longest] + "..."
	}
	return s
}
