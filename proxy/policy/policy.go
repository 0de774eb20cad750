// Package policy is the key owner's own authorization: which AWS principals may
// use which external keys, through which services and from which networks.
//
// Policies are written in Cedar and checked against a schema when they are
// loaded, so that a misspelled attribute is an error with its line and not a
// condition that is never true. What no policy permits is refused, and a forbid
// is stronger than every permit. A forbid that cannot be evaluated refuses too,
// unlike in plain Cedar: adding one never allows more.
//
// Limits: it sees what KMS tells of a call and no more, so it is a second line
// behind the KMS key policy (XKS fact 43). GetHealthStatus has no key and no
// principal, and is never asked about.
package policy

import (
	"iter"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
)

// Default is the name of what decides when no policy applies: a refusal.
const Default = "default"

// A Set is the policies of one key store, compiled. They never change, and it is
// safe for concurrent use.
type Set struct {
	policies ordered
	names    map[cedar.PolicyID]string
	store    types.EntityUIDSet // the parent of every key
	cache    cache
}

// A Decision is what a Set says of a Request.
type Decision struct {
	Allowed bool
	// Policy names what decided: the @id of a policy, FILE:LINE of one without,
	// or Default. Of several that agree it is the first of the file.
	Policy string
	// Fault says which policy could not be evaluated, and why; most often "".
	Fault string
}

// Decide decides on r.
func (s *Set) Decide(r *Request) Decision {
	d, ok := s.cache.get(r)
	if !ok {
		d = s.evaluate(r)
		s.cache.put(r, d)
	}
	return d
}

// evaluate asks every policy.
func (s *Set) evaluate(r *Request) Decision {
	allowed, diagnostic := cedar.Authorize(s.policies, r.entities(s.store), cedar.Request{
		Principal: types.NewEntityUID(typePrincipal, types.String(r.Principal)),
		Action:    types.NewEntityUID(typeAction, types.String(r.Operation)),
		Resource:  types.NewEntityUID(typeKey, types.String(r.Key)),
		Context:   r.context(),
	})
	d := Decision{Allowed: bool(allowed), Policy: Default}
	if len(diagnostic.Reasons) > 0 {
		d.Policy = s.names[diagnostic.Reasons[0].PolicyID]
	}
	for _, e := range diagnostic.Errors {
		if d.Fault == "" {
			d.Fault = s.names[e.PolicyID] + ": " + e.Message
		}
		if d.Allowed && s.forbids(e.PolicyID) {
			d.Allowed, d.Policy = false, s.names[e.PolicyID]
		}
	}
	return d
}

// Len is the number of policies.
func (s *Set) Len() int { return len(s.policies) }

func (s *Set) forbids(id cedar.PolicyID) bool {
	for _, p := range s.policies {
		if p.id == id {
			return p.policy.Effect() == cedar.Forbid
		}
	}
	return false
}

// ordered are policies in the order of their file. Cedar's own set has none, and
// the name in the log would change from request to request.
type ordered []struct {
	id     cedar.PolicyID
	policy *cedar.Policy
}

// All implements cedar.PolicyIterator.
func (o ordered) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		for _, p := range o {
			if !yield(p.id, p.policy) {
				return
			}
		}
	}
}
