package cluster

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"hyok/hsm"
	"hyok/internal/config"
)

// hashRounds makes a guess at a stored password cost about ten milliseconds.
const hashRounds = 50_000

// What a cluster's users do with cloudhsm_mgmt_util (guide 004:18611-18630,
// 19806-19833, 19930-20008). Whoever may call these methods acts as its crypto
// officer.

// Users gives the users of a cluster, without their passwords.
func (f *Fleet) Users(id string) ([]User, error) {
	r, err := f.Cluster(id)
	if err != nil {
		return nil, err
	}
	for i := range r.Users {
		r.Users[i].Hash = ""
	}
	return r.Users, nil
}

// CreateUser is createUser: a CO or CU with a password of 7 to 32 alphanumeric
// characters. The first user of a cluster that is INITIALIZED activates it: its
// precrypto officer becomes a crypto officer.
func (f *Fleet) CreateUser(ctx context.Context, id string, u User, password string) error {
	c, err := f.officer(id)
	if err != nil {
		return err
	}
	if !validName(u.Name) || u.Type != UserCO && u.Type != UserCU {
		return invalid("a user is of the type CO or CU and has a name of 1 to 31 letters, digits, - and _")
	}
	if !validPassword(password) {
		return errPassword
	}
	if u.Name == KMSUser && u.Type != UserCU {
		return invalid("kmsuser must be of the type CU")
	}
	if _, err := c.user(u.Name); err == nil {
		return invalid("cluster %s has a user %s", id, u.Name)
	}
	c.login.Lock()
	defer c.login.Unlock()
	n := User{Name: u.Name, Type: u.Type, TwoFactor: u.TwoFactor}
	if err := c.setPassword(ctx, &n, password); err != nil {
		return err
	}
	return f.change(func(st *state) error {
		r, err := st.named(id)
		if err != nil {
			return err
		}
		if r.user(n.Name) != nil {
			return invalid("cluster %s has a user %s", id, n.Name)
		}
		for i := range r.Users {
			if r.Users[i].Type == UserPRECO {
				r.Users[i].Type = UserCO
			}
		}
		r.Users = append(r.Users, n)
		return nil
	})
}

var errPassword = invalid("a password has 7 to 32 alphanumeric characters")

// validName keeps names to what cloudhsm_mgmt_util takes.
func validName(s string) bool {
	return s != "" && len(s) < 32 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

// officer gives a cluster that a crypto officer can log in to: it is initialized
// and has an HSM.
func (f *Fleet) officer(id string) (*Cluster, error) {
	r, err := f.Cluster(id)
	if err != nil {
		return nil, err
	}
	switch r.State {
	case StateInitialized, StateActive:
	default:
		return nil, invalid("cluster %s is %s: nobody can log in to it before it is initialized", id, r.State)
	}
	if r.activeHSMs() == 0 {
		return nil, invalid("cluster %s has no active HSM to log in to; add one with hyok hsm add", id)
	}
	if c := f.cluster(id); c != nil {
		return c, nil
	}
	return nil, notFound("there is no cluster %s", id)
}

// setPassword makes password u's: kmsuser's is the PIN of the token, the others'
// are kept as hashes. c.login is held.
func (c *Cluster) setPassword(ctx context.Context, u *User, password string) error {
	if u.Name != KMSUser {
		u.Hash = hashOf(password, rand.Text())
		return nil
	}
	if c.token.LoggedIn() { // guide 004:19530
		return invalid("kmsuser is logged in, which keeps its password as it is: disconnect the key store, or log it out, first")
	}
	c.tally.RLock()
	defer c.tally.RUnlock()
	return c.token.ResetPIN(ctx, c.f.c.SecurityPIN, config.Secret(password))
}

func hashOf(password, salt string) string {
	key, err := pbkdf2.Key(sha256.New, password, []byte(salt), hashRounds, sha256.Size)
	if err != nil {
		panic(err) // only for sizes that FIPS forbids
	}
	return salt + "$" + hex.EncodeToString(key)
}

func (u *User) knows(password string) bool {
	salt, _, _ := strings.Cut(u.Hash, "$")
	return u.Hash != "" && subtle.ConstantTimeCompare([]byte(hashOf(password, salt)), []byte(u.Hash)) == 1
}

// DeleteUser is deleteUser. Keys of kmsuser's stay.
func (f *Fleet) DeleteUser(ctx context.Context, id, name string) error {
	c, err := f.officer(id)
	if err != nil {
		return err
	}
	c.login.Lock()
	defer c.login.Unlock()
	u, err := c.user(name)
	if err != nil {
		return err
	}
	if name == KMSUser { // with a PIN that nobody knows
		if err := c.setPassword(ctx, u, newID("")+newID("")); err != nil {
			return err
		}
	}
	return f.change(func(st *state) error {
		r, err := st.named(id)
		if err != nil {
			return err
		}
		officers := 0
		for _, other := range r.Users {
			if other.Type != UserCU && other.Name != name {
				officers++
			}
		}
		if officers == 0 {
			return invalid("%s is the last crypto officer of cluster %s", name, id)
		}
		r.Users = slices.DeleteFunc(r.Users, func(other User) bool { return other.Name == name })
		return nil
	})
}

// SetPassword is changePswd: it also unlocks the user (guide 004:19806). The first
// one of the precrypto officer's activates the cluster.
func (f *Fleet) SetPassword(ctx context.Context, id, name, password string) error {
	c, err := f.officer(id)
	if err != nil {
		return err
	}
	if !validPassword(password) {
		return errPassword
	}
	c.login.Lock()
	defer c.login.Unlock()
	u, err := c.user(name)
	if err != nil {
		return err
	}
	if err := c.setPassword(ctx, u, password); err != nil {
		return err
	}
	return c.edit(name, func(now *User) error {
		now.Hash, now.Locked, now.Failures = u.Hash, false, 0
		if now.Type == UserPRECO {
			now.Type = UserCO
		}
		return nil
	})
}

// Lock locks a user out, as five wrong passwords do; Unlock takes that back
// without a new password, which on AWS there is no way to do.
func (f *Fleet) Lock(id, name string) error { return f.setLock(id, name, true) }

// Unlock ends a lock-out.
func (f *Fleet) Unlock(id, name string) error { return f.setLock(id, name, false) }

func (f *Fleet) setLock(id, name string, locked bool) error {
	c := f.cluster(id)
	if c == nil {
		return notFound("there is no cluster %s", id)
	}
	return c.edit(name, func(u *User) error {
		u.Locked, u.Failures = locked, 0
		if locked {
			u.Failures = maxFailures
		}
		return nil
	})
}

// LogIn is loginHSM with one of the command line tools. Five wrong passwords lock
// the user out. Who is logged in as kmsuser keeps KMS out.
func (f *Fleet) LogIn(ctx context.Context, id, name, password string) error {
	c, err := f.officer(id)
	if err != nil {
		return err
	}
	c.login.Lock()
	defer c.login.Unlock()
	u, err := c.user(name)
	switch {
	case err != nil:
		return err
	case u.Locked:
		return invalid("%s is locked out; only a new password ends that", name)
	case name == KMSUser && c.kms.Load():
		return invalid("AWS KMS is logged in as kmsuser: disconnect the key store first")
	case name == KMSUser:
		err = c.logIn(ctx, config.Secret(password))
	case !u.knows(password):
		err = hsm.ErrPIN
	}
	if err := c.count(name, err); err != nil {
		return err
	}
	if errors.Is(err, hsm.ErrPIN) {
		return invalid("the password is not that of %s", name)
	}
	if err != nil {
		return fmt.Errorf("logging in: %w", err)
	}
	return c.edit(name, func(u *User) error { u.LoggedIn = true; return nil })
}

// LogOut is logoutHSM. That nobody was logged in is no error.
func (f *Fleet) LogOut(ctx context.Context, id, name string) error {
	c := f.cluster(id)
	if c == nil {
		return notFound("there is no cluster %s", id)
	}
	c.login.Lock()
	defer c.login.Unlock()
	u, err := c.user(name)
	if err != nil {
		return err
	}
	if name == KMSUser && u.LoggedIn && !c.kms.Load() {
		if err := c.token.Logout(ctx); err != nil {
			return err
		}
	}
	return c.edit(name, func(u *User) error { u.LoggedIn = false; return nil })
}
