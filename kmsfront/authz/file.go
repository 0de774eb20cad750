package authz

import (
	"fmt"
	"regexp"

	"hyok/internal/config"
)

// File is an identities file. Members of type any belong to its form and are
// refused by Validate when they are given: this version would not act on them.
type File struct {
	Accounts     []Account `yaml:"accounts"` // at least one
	Services     any       `yaml:"services"`
	VPCEndpoints any       `yaml:"vpc_endpoints"`
}

// Account is one AWS account.
type Account struct {
	ID                     string `yaml:"id"` // twelve digits
	Users                  []User `yaml:"users"`
	Roles                  []Role `yaml:"roles"`
	ServiceControlPolicies any    `yaml:"service_control_policies"`
}

// User is an IAM user, or the root user under the name root.
type User struct {
	Name       string      `yaml:"name"`
	AccessKeys []AccessKey `yaml:"access_keys"` // none: nobody can sign as this user
	Controls   `yaml:",inline"`
}

// Role is an IAM role with the sessions that exist of it.
type Role struct {
	Name     string    `yaml:"name"`
	Sessions []Session `yaml:"sessions"`
	Controls `yaml:",inline"`
}

// Session is a session of a role.
type Session struct {
	Name       string       `yaml:"name"`
	AccessKeys []SessionKey `yaml:"access_keys"`
	Policy     any          `yaml:"policy"`
}

// Controls limit what a user or a role may do.
type Controls struct {
	Policies            any `yaml:"policies"`
	PermissionsBoundary any `yaml:"permissions_boundary"`
	Tags                any `yaml:"tags"`
}

// AccessKey signs requests.
type AccessKey struct {
	ID     string        `yaml:"id"` // 16 to 128 letters, digits and underscores; one holder only
	Secret config.Secret `yaml:"secret"`
}

// SessionKey signs requests that also bear a session token.
type SessionKey struct {
	AccessKey    `yaml:",inline"`
	SessionToken config.Secret `yaml:"session_token"` // empty: none is wanted
}

const rootName = "root" // of the root user

var (
	accountID   = regexp.MustCompile(`^[0-9]{12}$`)
	iamName     = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)
	sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	accessKeyID = regexp.MustCompile(`^\w{16,128}$`)
)

// Why a member is refused.
const (
	noPolicies  = "identity policies are not evaluated in this version; leave it out, every principal may do everything in its own account"
	noServices  = "integrated services are not simulated in this version; leave it out"
	noEndpoints = "VPC endpoints are not simulated in this version; leave it out"
	noTags      = "tags of principals are not evaluated in this version; leave it out"
)

// Validate checks every account; the first fault is a config.FieldError.
func (f *File) Validate() error {
	if err := refuse("services", f.Services, noServices); err != nil {
		return err
	}
	if err := refuse("vpc_endpoints", f.VPCEndpoints, noEndpoints); err != nil {
		return err
	}
	if len(f.Accounts) == 0 {
		return config.FieldError{Field: "accounts", Msg: "no account; give at least one with its id, its users and their access keys"}
	}
	c := checker{taken: make(map[string]bool)}
	for i := range f.Accounts {
		if err := c.account(&f.Accounts[i]); err != nil {
			return config.At(fmt.Sprintf("accounts.%d", i), err)
		}
	}
	return nil
}

// checker remembers the names and access keys that are taken.
type checker struct{ taken map[string]bool }

// claim takes value, which must match form and be free within scope.
func (c *checker) claim(field, scope, value string, form *regexp.Regexp, what string) error {
	if !form.MatchString(value) {
		return config.FieldError{Field: field, Msg: what}
	}
	if name := scope + " " + value; !c.taken[name] {
		c.taken[name] = true
		return nil
	}
	return config.FieldError{Field: field, Msg: fmt.Sprintf("%s is there twice; give each its own", value)}
}

const nameForm = "a name has 1 to 64 letters, digits and +=,.@-_"

func (c *checker) account(a *Account) error {
	if err := c.claim("id", "account", a.ID, accountID, "an account ID has twelve digits"); err != nil {
		return err
	}
	if err := refuse("service_control_policies", a.ServiceControlPolicies, noPolicies); err != nil {
		return err
	}
	for i := range a.Users {
		if err := c.user(a.ID, &a.Users[i]); err != nil {
			return config.At(fmt.Sprintf("users.%d", i), err)
		}
	}
	for i := range a.Roles {
		if err := c.role(a.ID, &a.Roles[i]); err != nil {
			return config.At(fmt.Sprintf("roles.%d", i), err)
		}
	}
	return nil
}

func (c *checker) user(account string, u *User) error {
	if err := c.claim("name", "user of "+account, u.Name, iamName, nameForm); err != nil {
		return err
	}
	if err := u.Controls.refuse(); err != nil {
		return err
	}
	for i := range u.AccessKeys {
		if err := c.accessKey(&u.AccessKeys[i]); err != nil {
			return config.At(fmt.Sprintf("access_keys.%d", i), err)
		}
	}
	return nil
}

func (c *checker) role(account string, r *Role) error {
	if err := c.claim("name", "role of "+account, r.Name, iamName, nameForm); err != nil {
		return err
	}
	if err := r.Controls.refuse(); err != nil {
		return err
	}
	for i := range r.Sessions {
		if err := c.session(account+"/"+r.Name, &r.Sessions[i]); err != nil {
			return config.At(fmt.Sprintf("sessions.%d", i), err)
		}
	}
	return nil
}

func (c *checker) session(role string, s *Session) error {
	if err := c.claim("name", "session of "+role, s.Name, sessionName, "a session's name has 2 to 64 letters, digits and +=,.@-_"); err != nil {
		return err
	}
	if err := refuse("policy", s.Policy, noPolicies); err != nil {
		return err
	}
	for i := range s.AccessKeys {
		if err := c.accessKey(&s.AccessKeys[i].AccessKey); err != nil {
			return config.At(fmt.Sprintf("access_keys.%d", i), err)
		}
	}
	return nil
}

func (c *checker) accessKey(k *AccessKey) error {
	if k.Secret == "" {
		return config.FieldError{Field: "secret", Msg: "no secret; give the secret access key"}
	}
	return c.claim("id", "access key", k.ID, accessKeyID, "an access key ID has 16 to 128 letters, digits and underscores")
}

func (c *Controls) refuse() error {
	if err := refuse("policies", c.Policies, noPolicies); err != nil {
		return err
	}
	if err := refuse("permissions_boundary", c.PermissionsBoundary, noPolicies); err != nil {
		return err
	}
	return refuse("tags", c.Tags, noTags)
}

// refuse is an error when a member that this version does not act on is given.
func refuse(field string, value any, why string) error {
	if value == nil {
		return nil
	}
	return config.FieldError{Field: field, Msg: why}
}
