// Package authz says who a caller is and what the caller may do.
//
// Identities knows the access keys; one Decide answers for every permission that
// an operation needs, and the table of permissions says which those are. Key
// policy documents are checked here too, since what is no policy must not be
// stored.
//
// Limits: this version evaluates no policies and no grants. Every principal of an
// account may do everything in it, and nothing in another account; an identities
// file that asks for more is refused.
package authz

import (
	"fmt"

	"hyok/kmsfront/api"
)

// Request asks for one permission of one operation on one resource.
type Request struct {
	Caller    api.Caller
	Operation string // the API operation; an action may belong to several
	Action    string // kms:Encrypt
	Resource  string // key ARN, alias ARN, or * where there is none
	// KeyAccount owns the key or the alias. Empty only where Resource is *, which
	// is the caller's own account.
	KeyAccount string
	// KeyPolicy is the key's policy document. Not evaluated yet.
	KeyPolicy string
	// Context has the condition keys of the request. Not evaluated yet.
	Context map[string][]string
}

// Decision is the answer to a Request.
type Decision struct {
	Allowed bool
	// Reason ends AWS's sentence about a refusal: "because no resource-based policy
	// allows the kms:Encrypt action". Empty when allowed.
	Reason string
}

// Engine decides. It is safe for concurrent use.
type Engine struct{}

// New makes an engine.
func New() *Engine { return &Engine{} }

// Decide allows the principals of the account that owns the resource, and nobody
// else; an action that no operation needs is never allowed.
func (e *Engine) Decide(r *Request) Decision {
	own := r.KeyAccount == r.Caller.Account || r.KeyAccount == "" && r.Resource == "*"
	if own && r.Caller.Account != "" && actions[r.Action] {
		return Decision{Allowed: true}
	}
	kind := "resource-based" // what a caller of another account lacks first
	if own {
		kind = "identity-based"
	}
	return Decision{Reason: fmt.Sprintf("because no %s policy allows the %s action", kind, r.Action)}
}

// Err is a refusal as the caller sees it, an *api.Error AccessDeniedException in
// AWS's words; nil for a Decision that allows.
func (d Decision) Err(r *Request) error {
	if d.Allowed {
		return nil
	}
	return api.Errorf(api.CodeAccessDeniedException, "User: %s is not authorized to perform: %s on resource: %s %s",
		r.Caller.ARN, r.Action, r.Resource, d.Reason)
}
