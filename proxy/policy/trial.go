package policy

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// kmsCalls are the operations of KMS and how each asks the proxy (XKS fact 49).
// ReEncrypt is two.
var kmsCalls = []struct{ kmsOperation, operation string }{
	{"CreateKey", "GetKeyMetadata"},
	{"DescribeKey", "GetKeyMetadata"},
	{"Encrypt", "Encrypt"},
	{"GenerateDataKey", "Encrypt"},
	{"GenerateDataKeyWithoutPlaintext", "Encrypt"},
	{"ReEncrypt", "Encrypt"},
	{"ReEncrypt", "Decrypt"},
	{"Decrypt", "Decrypt"},
}

// A Trial is what a Set says of example requests of one operation of KMS.
type Trial struct {
	KMSOperation, Operation string
	// Allowed is an example that is allowed, made of what the policies name; nil:
	// none of the examples is.
	Allowed *Example
	// Stranger is a user of an account that no policy names, with a KMS key of
	// that account, straight to KMS.
	Stranger Example
}

// An Example is a request that was made up, and the decision on it.
type Example struct {
	Request  Request
	Decision Decision
}

// maxNamed bounds how many of each kind that the policies name are tried, and so
// the number of requests: some twenty thousand for an operation.
const maxNamed = 10

// Try makes example requests for each operation of KMS and decides on them. They
// are made of the principals, accounts, keys, Regions, services and endpoints that
// the policies name, and of the keys and Regions given. That nothing is allowed
// means that no such request is; others that nothing names might be.
func (s *Set) Try(keys, regions []string) ([]Trial, error) {
	n := &named{keys: slices.Clone(keys), regions: slices.Clone(regions)}
	for _, p := range s.policies {
		text, err := p.policy.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("reading the policy %s: %w", s.names[p.id], err)
		}
		var tree any
		if err := json.Unmarshal(text, &tree); err != nil {
			return nil, fmt.Errorf("reading the policy %s: %w", s.names[p.id], err)
		}
		n.walk(tree)
	}
	n.complete()
	trials := make([]Trial, len(kmsCalls))
	for i, c := range kmsCalls {
		trials[i] = Trial{KMSOperation: c.kmsOperation, Operation: c.operation}
		trials[i].Allowed = s.firstAllowed(n, c.kmsOperation, c.operation)
		r := n.stranger()
		r.Operation, r.KMSOperation = c.operation, c.kmsOperation
		if c.kmsOperation == opCreateKey {
			r.KMSKeyARN = ""
		}
		trials[i].Stranger = Example{r, s.evaluate(&r)}
	}
	return trials, nil
}

// opCreateKey comes before there is a KMS key to name.
const opCreateKey = "CreateKey"

// firstAllowed tries the examples of an operation up to one that is allowed.
func (s *Set) firstAllowed(n *named, kmsOperation, operation string) *Example {
	kmsKeys := n.kmsKeys
	if kmsOperation == opCreateKey {
		kmsKeys = []string{""}
	}
	for _, principal := range n.principals {
		for _, kmsKey := range kmsKeys {
			for _, route := range n.routes {
				for _, key := range n.keys {
					r := route
					r.Operation, r.KMSOperation, r.Key, r.Principal, r.KMSKeyARN = operation, kmsOperation, key, principal, kmsKey
					if d := s.evaluate(&r); d.Allowed {
						return &Example{r, d}
					}
				}
			}
		}
	}
	return nil
}

// named is what examples are made of: first what policies name, in their order.
type named struct {
	principals, accounts, kmsKeys, keys, regions, services, endpoints []string
	routes                                                            []Request // how a call comes to KMS
}

var (
	accountForm = regexp.MustCompile(`^[0-9]{12}$`)
	regionForm  = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$`)
)

// walk takes what a policy names from its JSON form.
func (n *named) walk(tree any) {
	switch v := tree.(type) {
	case []any:
		for _, one := range v {
			n.walk(one)
		}
	case map[string]any:
		if kind, ok := v["type"].(string); ok {
			n.entity(kind, fmt.Sprint(v["id"]))
			return
		}
		if text, ok := v["Value"].(string); ok {
			n.text(text)
		}
		if parts, ok := v["pattern"].([]any); ok {
			n.text(filled(parts))
		}
		for _, name := range sortedNames(v) {
			n.walk(v[name])
		}
	}
}

// sortedNames are the members of a JSON object in an order that does not change.
func sortedNames(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// filled is a pattern of like with a word for each star.
func filled(parts []any) string {
	var b strings.Builder
	for _, p := range parts {
		if m, ok := p.(map[string]any); ok {
			b.WriteString(fmt.Sprint(m["Literal"]))
		} else {
			b.WriteString("example")
		}
	}
	return b.String()
}

func (n *named) entity(kind, id string) {
	switch kind {
	case string(typePrincipal):
		n.principals = append(n.principals, id)
	case string(typeAccount):
		n.accounts = append(n.accounts, id)
	case string(typeKey):
		n.keys = append(n.keys, id)
	}
}

// text takes a string for what it looks like. One that is nothing else may be a
// service or a key, which is tried in vain if it is not.
func (n *named) text(s string) {
	switch {
	case accountForm.MatchString(s):
		n.accounts = append(n.accounts, s)
	case strings.HasPrefix(s, "arn:") && arnField(s, 2) == "kms":
		n.kmsKeys = append(n.kmsKeys, s)
	case strings.HasPrefix(s, "arn:") || s == "AWS Internal":
		n.principals = append(n.principals, s)
	case regionForm.MatchString(s):
		n.regions = append(n.regions, s)
		n.keys = append(n.keys, s)
	case strings.HasPrefix(s, "vpc"):
		n.endpoints = append(n.endpoints, s)
	default:
		n.services = append(n.services, s)
		n.keys = append(n.keys, s)
		if strings.HasSuffix(s, ".amazonaws.com") {
			n.principals = append(n.principals, s)
		}
	}
}

// complete makes the lists that are tried of those that were found.
func (n *named) complete() {
	for _, arn := range slices.Concat(n.principals, n.kmsKeys) {
		if account := arnAccount(arn); account != "" {
			n.accounts = append(n.accounts, account)
		}
	}
	n.accounts = bounded(n.accounts, n.strangerAccount())
	n.regions = bounded(n.regions, "us-east-1")
	n.keys = bounded(n.keys, "example")
	for _, account := range n.accounts {
		n.principals = append(n.principals, "arn:aws:sts::"+account+":assumed-role/example/session")
		for _, region := range n.regions {
			n.kmsKeys = append(n.kmsKeys, "arn:aws:kms:"+region+":"+account+":key/example")
		}
	}
	n.principals = bounded(n.principals, "AWS Internal")
	n.kmsKeys = bounded(n.kmsKeys)
	n.routes = []Request{{}}
	for _, service := range bounded(n.services) {
		n.routes = append(n.routes, Request{ViaService: service})
	}
	for _, endpoint := range bounded(n.endpoints) {
		if strings.HasPrefix(endpoint, "vpce-") {
			n.routes = append(n.routes, Request{SourceVPC: "vpc-example", SourceVPCE: endpoint})
		} else {
			n.routes = append(n.routes, Request{SourceVPC: endpoint, SourceVPCE: "vpce-example"})
		}
	}
}

// bounded is list without doubles, no longer than maxNamed, and last behind it.
func bounded(list []string, last ...string) []string {
	var b []string
	for _, s := range list {
		if len(b) < maxNamed && !slices.Contains(b, s) {
			b = append(b, s)
		}
	}
	for _, s := range last {
		if !slices.Contains(b, s) {
			b = append(b, s)
		}
	}
	return b
}

// strangerAccount is an account that no policy names.
func (n *named) strangerAccount() string {
	for digit := '9'; digit > '0'; digit-- {
		if account := strings.Repeat(string(digit), 12); !slices.Contains(n.accounts, account) {
			return account
		}
	}
	return "012345678901"
}

// stranger is the request of somebody whom no policy names.
func (n *named) stranger() Request {
	account := n.accounts[len(n.accounts)-1] // of complete
	return Request{
		Key: n.keys[0], Principal: "arn:aws:iam::" + account + ":user/stranger",
		KMSKeyARN: "arn:aws:kms:" + n.regions[0] + ":" + account + ":key/example",
	}
}
