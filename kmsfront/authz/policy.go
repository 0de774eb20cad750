package authz

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"hyok/kmsfront/api"
)

// MaxPolicySize is the largest key policy document, in bytes (guide 004:8916). It
// cannot be adjusted.
const MaxPolicySize = 32768

// DefaultKeyPolicy is the policy of a key that was made without one (guide
// 004:1326-1345), written as GetKeyPolicy gives it. partition is aws or aws-cn.
func DefaultKeyPolicy(account, partition string) string {
	return `{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:` + partition + `:iam::` + account + `:root"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}`
}

// CheckPolicyDocument refuses text that is no key policy document (guide
// 004:8910-8992) with an *api.Error: LimitExceededException over MaxPolicySize
// (guide 004:23415, 23427), MalformedPolicyDocumentException otherwise. What the
// document says, and whether its principals, actions and conditions exist, is not
// looked at. A statement without Resource passes and has no effect (guide
// 004:8980-8988).
func CheckPolicyDocument(text string) error {
	if len(text) > MaxPolicySize {
		return api.Errorf(api.CodeLimitExceededException, "The key policy document exceeds the maximum size of %d bytes.", MaxPolicySize)
	}
	if fault := documentFault(text); fault != "" {
		return &api.Error{Code: api.CodeMalformedPolicyDocumentException, Message: fault}
	}
	return nil
}

// object is a JSON object whose members are still text.
type object map[string]json.RawMessage

// A member is one element of a policy or a statement.
type member struct {
	name     string
	required bool
	fits     func(json.RawMessage) bool
}

// documentMembers and statementMembers are guide 004:8928-8992; the required ones
// first, in the order in which they are missed. The Not forms are IAM's.
var (
	documentMembers = []member{
		{"Version", true, isVersion},
		{"Statement", true, func(v json.RawMessage) bool { return first(v) == '[' || first(v) == '{' }},
		{"Id", false, isText},
	}
	statementMembers = []member{
		{"Effect", true, func(v json.RawMessage) bool { return isOneOf(v, "Allow", "Deny") }},
		{"Principal", true, isPrincipal},
		{"Action", true, isTexts},
		{"Resource", false, isTexts},
		{"NotPrincipal", false, isPrincipal},
		{"NotAction", false, isTexts},
		{"NotResource", false, isTexts},
		{"Sid", false, isText},
		{"Condition", false, func(v json.RawMessage) bool { return first(v) == '{' }},
	}
)

// syntaxErrors is what AWS says of text that is no policy at all.
const syntaxErrors = "Syntax errors in policy."

// documentFault says what is wrong with text; empty: nothing.
func documentFault(text string) string {
	if strings.ContainsFunc(text, unprintable) {
		return "Policy contains characters that are not allowed."
	}
	var document object
	if !jsontext.Value(text).IsValid() || json.Unmarshal([]byte(text), &document) != nil || document == nil {
		return syntaxErrors
	}
	if fault := document.fault(documentMembers, "the policy"); fault != "" {
		return fault
	}
	statements := []json.RawMessage{document["Statement"]}
	if first(document["Statement"]) == '[' {
		_ = json.Unmarshal(document["Statement"], &statements) // valid JSON as a whole
	}
	if len(statements) == 0 {
		return "Policy document must have at least one statement."
	}
	for i, s := range statements {
		if fault := statementFault(s, fmt.Sprintf("statement %d", i+1)); fault != "" {
			return fault
		}
	}
	return ""
}

func statementFault(text json.RawMessage, where string) string {
	var statement object
	if json.Unmarshal(text, &statement) != nil || statement == nil {
		return syntaxErrors
	}
	return statement.fault(statementMembers, where)
}

// fault says which member of o is not known, not of the right form, or missing,
// by itself and in its Not form; empty: none.
func (o object) fault(members []member, where string) string {
	for _, m := range members {
		value, ok := o[m.name]
		_, negated := o["Not"+m.name]
		switch {
		case ok && negated:
			return fmt.Sprintf("Both %s and Not%s are in %s.", m.name, m.name, where)
		case m.required && !ok && !negated:
			return fmt.Sprintf("Missing required field %s in %s.", m.name, where)
		case ok && !m.fits(value):
			return fmt.Sprintf("Invalid value of %s in %s.", m.name, where)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if !slices.ContainsFunc(members, func(m member) bool { return m.name == name }) {
			return fmt.Sprintf("Unknown field %s in %s.", name, where)
		}
	}
	return ""
}

// unprintable is what a policy must not hold: controls but for tab, line feed and
// carriage return, and everything past Latin-1 (guide 004:8920-8926).
func unprintable(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r >= 0x7f && r < 0xa0 || r > 0xff
}

// first is the first byte of JSON, 0 if there is none.
func first(v []byte) byte {
	if len(v) == 0 {
		return 0
	}
	return v[0]
}

func isText(v json.RawMessage) bool { return first(v) == '"' }

func isOneOf(v json.RawMessage, allowed ...string) bool {
	var s string
	return json.Unmarshal(v, &s) == nil && slices.Contains(allowed, s)
}

// isVersion takes IAM's older version too, which many key policies still bear.
func isVersion(v json.RawMessage) bool { return isOneOf(v, "2012-10-17", "2008-10-17") }

// isTexts is a string or a list of them, not empty.
func isTexts(v json.RawMessage) bool {
	var list []*string
	if first(v) == '[' && json.Unmarshal(v, &list) == nil {
		return len(list) > 0 && !slices.Contains(list, nil)
	}
	return isText(v)
}

// isPrincipal is "*", or an object of at least one kind of principal.
func isPrincipal(v json.RawMessage) bool {
	if first(v) != '{' {
		return isOneOf(v, "*")
	}
	var kinds object
	if json.Unmarshal(v, &kinds) != nil || len(kinds) == 0 {
		return false
	}
	for kind, names := range kinds {
		if !slices.Contains([]string{"AWS", "Service", "Federated", "CanonicalUser"}, kind) || !isTexts(names) {
			return false
		}
	}
	return true
}
