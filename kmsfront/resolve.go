package kmsfront

import (
	"regexp"
	"strings"

	"hyok/kmsfront/api"
)

// keyIDForm is a single-Region or multi-Region key ID (guide kms-core ID-02).
var keyIDForm = regexp.MustCompile(`^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$`)

// An identifier is a key identifier of a request, taken apart. An ARN names its
// account; everything else means the caller's (guide 004:13639-13644).
type identifier struct {
	account string
	key     string // key ID, or
	alias   string // alias name with its prefix
}

// parseIdentifier reads a key ID, key ARN, alias name or alias ARN.
func parseIdentifier(c *api.Call, id string) (identifier, error) {
	if !strings.HasPrefix(id, "arn:") {
		return split(c.Caller.Account, id), nil
	}
	p := strings.SplitN(id, ":", 6)
	if len(p) != 6 || p[2] != "kms" || len(p[4]) != 12 {
		return identifier{}, api.Errorf(api.CodeInvalidArnException, "Invalid arn %s", id)
	}
	if p[1] != partition(c.Region) || p[3] != c.Region {
		return identifier{}, api.Errorf(api.CodeNotFoundException, "Invalid arn %s", p[3])
	}
	if rest, ok := strings.CutPrefix(p[5], "key/"); ok && rest != "" {
		return identifier{account: p[4], key: rest}, nil
	}
	if strings.HasPrefix(p[5], aliasPrefix) {
		return identifier{account: p[4], alias: p[5]}, nil
	}
	return identifier{}, api.Errorf(api.CodeInvalidArnException, "Invalid arn %s", id)
}

func split(account, id string) identifier {
	if strings.HasPrefix(id, aliasPrefix) {
		return identifier{account: account, alias: id}
	}
	return identifier{account: account, key: id}
}

// findKey resolves a key identifier to the key's record. Aliases are taken
// only by the operations of guide kms-core §1.1 that do.
func (s *Server) findKey(c *api.Call, id string, aliases bool) (*Key, error) {
	i, err := parseIdentifier(c, id)
	if err != nil {
		return nil, err
	}
	if i.alias != "" {
		if !aliases {
			return nil, api.Errorf(api.CodeNotFoundException, "Invalid keyId %s", id)
		}
		a, ok := s.lookupAlias(recordKey(i.account, c.Region, i.alias))
		if !ok {
			return nil, unknown(c, i, "Alias %s is not found.", arn(i.account, c.Region, i.alias))
		}
		i.key = a.TargetKeyID
	}
	if k, ok := s.lookup(recordKey(i.account, c.Region, i.key)); ok {
		return k, nil
	}
	if !keyIDForm.MatchString(i.key) {
		return nil, api.Errorf(api.CodeNotFoundException, "Invalid keyId '%s'", id)
	}
	return nil, unknown(c, i, "Key '%s' does not exist", arn(i.account, c.Region, "key/"+i.key))
}

// unknown is the answer for what is not there. In another account it reads
// like a missing permission, so that nobody learns which keys exist.
func unknown(c *api.Call, i identifier, format, name string) error {
	if i.account != c.Caller.Account {
		return accessDenied(c)
	}
	return api.Errorf(api.CodeNotFoundException, format, name)
}

func accessDenied(c *api.Call) error {
	return api.Errorf(api.CodeAccessDeniedException, "User: %s is not authorized to perform: kms:%s on this resource "+
		"because the resource does not exist in this Region, no resource-based policies allow access, "+
		"or a resource-based policy explicitly denies access", c.Caller.ARN, c.Op.Name)
}

// findCiphertextKey finds the key that made a symmetric ciphertext, or the one
// that the caller names, which must be the same (guide kms-core CR-12).
func (s *Server) findCiphertextKey(c *api.Call, id string, blob []byte) (*Key, error) {
	made, err := s.madeBy(c, blob)
	if id == "" {
		return made, err
	}
	named, nameErr := s.findKey(c, id, true)
	if nameErr != nil {
		return nil, nameErr
	}
	if err == nil && made != named && made.ARN != named.ARN {
		return nil, errIncorrectKey
	}
	return named, nil
}

func (s *Server) lookup(recordKey string) (*Key, bool) {
	k, _, ok := s.keys.Get(recordKey)
	return k, ok
}

func (s *Server) lookupAlias(recordKey string) (*Alias, bool) {
	a, _, ok := s.aliases.Get(recordKey)
	return a, ok
}
