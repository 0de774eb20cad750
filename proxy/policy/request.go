package policy

import (
	"strings"

	"github.com/cedar-policy/cedar-go/types"
)

// A Request is what a decision is about. Only Operation and Key are the proxy's
// own; the rest is the requestMetadata that KMS signed (XKS facts 1.6). None of
// it is validated: principals need not be ARNs, and ARNs may be malformed.
type Request struct {
	Operation    string // of the proxy: GetKeyMetadata, Encrypt or Decrypt
	Key          string // external key ID
	Principal    string // an ARN, a service principal, or "AWS Internal"
	KMSOperation string // an open set (XKS fact 49)
	KMSKeyARN    string // "" where KMS did not tell
	ViaService   string
	SourceVPC    string
	SourceVPCE   string
}

// Types of the entities, as the schema has them.
const (
	typeAccount   = types.EntityType("Account")
	typePrincipal = types.EntityType("Principal")
	typeStore     = types.EntityType("Store")
	typeKey       = types.EntityType("Key")
	typeAction    = types.EntityType("Action")
)

// entities are the two of a request that have attributes or parents.
type entities struct {
	principal, key types.Entity
}

// Get implements types.EntityGetter.
func (e *entities) Get(uid types.EntityUID) (types.Entity, bool) {
	switch uid {
	case e.principal.UID:
		return e.principal, true
	case e.key.UID:
		return e.key, true
	}
	return types.Entity{}, false
}

// entities makes the entities of r in the store.
func (r *Request) entities(store types.EntityUIDSet) *entities {
	account := arnAccount(r.Principal)
	e := &entities{
		principal: types.Entity{
			UID: types.NewEntityUID(typePrincipal, types.String(r.Principal)),
			Attributes: types.NewRecord(types.RecordMap{
				"arn":     types.String(r.Principal),
				"account": types.String(account),
			}),
		},
		key: types.Entity{
			UID:        types.NewEntityUID(typeKey, types.String(r.Key)),
			Parents:    store,
			Attributes: types.NewRecord(types.RecordMap{"id": types.String(r.Key)}),
		},
	}
	if account != "" {
		e.principal.Parents = types.NewEntityUIDSet(types.NewEntityUID(typeAccount, types.String(account)))
	}
	return e
}

// context makes the context of r.
func (r *Request) context() types.Record {
	service, _, _ := strings.Cut(r.ViaService, ".")
	return types.NewRecord(types.RecordMap{
		"kmsOperation":   types.String(r.KMSOperation),
		"kmsKeyArn":      types.String(r.KMSKeyARN),
		"kmsKeyAccount":  types.String(arnAccount(r.KMSKeyARN)),
		"region":         types.String(arnField(r.KMSKeyARN, 3)),
		"viaService":     types.String(r.ViaService),
		"viaServiceName": types.String(service),
		"sourceVpc":      types.String(r.SourceVPC),
		"sourceVpce":     types.String(r.SourceVPCE),
	})
}

// arnAccount is the account in an ARN; "" where there is none. What follows the
// account is not looked at: the specification's own ARN has a colon too many
// there (XKS fact 50).
func arnAccount(arn string) string {
	account := arnField(arn, 4)
	if len(account) != 12 || strings.Trim(account, "0123456789") != "" {
		return ""
	}
	return account
}

// arnField is the nth part of an ARN, "arn" being 0; "" for what is no ARN.
func arnField(arn string, n int) string {
	rest, ok := strings.CutPrefix(arn, "arn:")
	if !ok {
		return ""
	}
	var field string
	for range n {
		if field, rest, ok = strings.Cut(rest, ":"); !ok {
			return ""
		}
	}
	return field
}
