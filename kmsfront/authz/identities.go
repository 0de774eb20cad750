package authz

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"

	"hyok/internal/config"
	"hyok/kmsfront/api"
)

// Types of callers, as CloudTrail has them.
const (
	TypeIAMUser     = "IAMUser"
	TypeRoot        = "Root"
	TypeAssumedRole = "AssumedRole"
)

// DefaultAccount is the one account of a front end without an identities file.
const DefaultAccount = "111122223333"

// Identities are the access keys that a front end accepts, with who holds them.
// It does not change and is safe for concurrent use.
type Identities struct {
	byAccessKey map[string]credential
}

type credential struct {
	secret, sessionToken config.Secret
	caller               api.Caller
}

// LoadIdentities reads an identities file, YAML or JSON. Its errors are one line
// with file, line, what and how to mend it.
func LoadIdentities(path string) (*Identities, error) {
	var f File
	if err := config.Load(path, &f); err != nil {
		return nil, err
	}
	return f.identities(), nil
}

// Default is the user admin of account DefaultAccount with one access key.
func Default(accessKeyID, secret string) *Identities {
	keys := []AccessKey{{ID: accessKeyID, Secret: config.Secret(secret)}}
	f := File{Accounts: []Account{{ID: DefaultAccount, Users: []User{{Name: "admin", AccessKeys: keys}}}}}
	return f.identities()
}

// String counts the access keys, so that a printed Identities shows no secret.
func (i *Identities) String() string {
	return fmt.Sprintf("%d access keys", len(i.byAccessKey))
}

// Authenticate is an api.Authenticator: one look-up in a map. The session token
// is empty for access keys that have none.
func (i *Identities) Authenticate(accessKeyID string) (secret, sessionToken string, caller api.Caller, ok bool) {
	c, ok := i.byAccessKey[accessKeyID]
	return c.secret.Reveal(), c.sessionToken.Reveal(), c.caller, ok
}

// InPartition is the same caller as seen in another partition: the ARNs of the
// China Regions begin with arn:aws-cn (guide 004:783-803).
func InPartition(c api.Caller, partition string) api.Caller {
	const usual = "arn:" + defaultPartition + ":"
	if partition != defaultPartition && len(c.ARN) > len(usual) && c.ARN[:len(usual)] == usual {
		c.ARN = "arn:" + partition + ":" + c.ARN[len(usual):]
	}
	return c
}

const defaultPartition = "aws"

// identities builds the look-up of a valid file.
func (f *File) identities() *Identities {
	i := &Identities{byAccessKey: make(map[string]credential)}
	for _, a := range f.Accounts {
		for _, u := range a.Users {
			for _, k := range u.AccessKeys {
				i.add(k, "", u.caller(a.ID))
			}
		}
		for _, r := range a.Roles {
			for _, s := range r.Sessions {
				for _, k := range s.AccessKeys {
					i.add(k.AccessKey, k.SessionToken, s.caller(a.ID, r.Name))
				}
			}
		}
	}
	return i
}

func (i *Identities) add(k AccessKey, sessionToken config.Secret, caller api.Caller) {
	caller.AccessKeyID = k.ID
	i.byAccessKey[k.ID] = credential{k.Secret, sessionToken, caller}
}

func (u *User) caller(account string) api.Caller {
	if u.Name == rootName {
		return api.Caller{Account: account, Type: TypeRoot, PrincipalID: account,
			ARN: fmt.Sprintf("arn:%s:iam::%s:root", defaultPartition, account)}
	}
	arn := fmt.Sprintf("arn:%s:iam::%s:user/%s", defaultPartition, account, u.Name)
	return api.Caller{Account: account, Type: TypeIAMUser, ARN: arn, UserName: u.Name, PrincipalID: uniqueID("AIDA", arn)}
}

func (s *Session) caller(account, role string) api.Caller {
	roleARN := fmt.Sprintf("arn:%s:iam::%s:role/%s", defaultPartition, account, role)
	return api.Caller{
		Account:     account,
		Type:        TypeAssumedRole,
		ARN:         fmt.Sprintf("arn:%s:sts::%s:assumed-role/%s/%s", defaultPartition, account, role, s.Name),
		PrincipalID: uniqueID("AROA", roleARN) + ":" + s.Name,
	}
}

// uniqueID makes a principal's unique ID, the same in every run: a prefix for its
// kind and 17 letters and digits, as IAM's have.
func uniqueID(prefix, arn string) string {
	sum := sha256.Sum256([]byte(arn))
	return prefix + base32.StdEncoding.EncodeToString(sum[:])[:17]
}
