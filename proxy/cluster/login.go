package cluster

import (
	"context"
	"errors"
	"strings"

	"hyok/hsm"
	"hyok/internal/config"
	"hyok/proxy/xks"
)

// maxFailures is how many wrong passwords lock a user out (guide 004:19806).
const maxFailures = 5

// connect is KMS's login as kmsuser: one login, counted, and the rotation of
// the password.
func (c *Cluster) connect(ctx context.Context, in *xks.ClusterConnectRequest) (*xks.ClusterEmpty, error) {
	if !validPassword(in.Password) || in.NewPassword != "" && !validPassword(in.NewPassword) {
		return nil, refuse(xks.ClusterInvalidRequest, "passwords have 7 to 32 alphanumeric characters")
	}
	c.login.Lock()
	defer c.login.Unlock()
	if err := c.admitKMS(); err != nil {
		return nil, err
	}
	if err := c.logIn(ctx, config.Secret(in.Password)); err != nil {
		c.kms.Store(false)
		return nil, errors.Join(err, c.count(KMSUser, err))
	}
	if err := c.count(KMSUser, nil); err != nil {
		return nil, err
	}
	c.kms.Store(true)
	if in.NewPassword != "" {
		c.tally.RLock()
		defer c.tally.RUnlock()
		if err := c.token.SetPIN(ctx, config.Secret(in.Password), config.Secret(in.NewPassword)); err != nil {
			return nil, err
		}
	}
	return &xks.ClusterEmpty{}, nil
}

// admitKMS says why KMS cannot even try to log in.
func (c *Cluster) admitKMS() error {
	if why := c.refuse.Load(); why != nil && why.Name != xks.ClusterBusy {
		return why
	}
	u, err := c.user(KMSUser)
	switch {
	case err != nil:
		return err
	case u.TwoFactor: // guide 004:18617
		return refuse(xks.ClusterWrongPassword, "kmsuser wants a second factor")
	case u.LoggedIn: // guide 004:18898
		return refuse(xks.ClusterUserLoggedIn, "kmsuser is logged in elsewhere")
	}
	return nil
}

// user gives a copy of a user.
func (c *Cluster) user(name string) (*User, error) {
	return read(c.f, func(st *state) (*User, error) {
		r, err := st.named(c.id)
		if err != nil {
			return nil, err
		}
		u := r.user(name)
		if u == nil {
			return nil, notFound("cluster %s has no user %s", c.id, name)
		}
		return copyOf(u), nil
	})
}

// count notes how a login ended: the fifth wrong password in a row locks the
// user, the right one begins anew (guide 004:19806, CH-05).
func (c *Cluster) count(name string, login error) error {
	if login != nil && !errors.Is(login, hsm.ErrPIN) {
		return nil
	}
	u, err := c.user(name)
	if err != nil || login == nil && u.Failures == 0 {
		return err
	}
	return c.edit(name, func(u *User) error {
		u.Failures++
		if login == nil {
			u.Failures = 0
		}
		u.Locked = u.Locked || u.Failures >= maxFailures
		return nil
	})
}

// edit changes a user.
func (c *Cluster) edit(name string, fn func(*User) error) error {
	return c.f.change(func(st *state) error {
		r, err := st.named(c.id)
		if err != nil {
			return err
		}
		u := r.user(name)
		if u == nil {
			return notFound("cluster %s has no user %s", c.id, name)
		}
		return fn(u)
	})
}

// logIn gives the password to the token at most once. To a token that is logged
// in, hsm compares it with the one in memory; when they differ, an
// administrator may have changed it since, and the token has to say. After a
// refusal nobody is logged in.
func (c *Cluster) logIn(ctx context.Context, password config.Secret) error {
	before := c.token.LoggedIn()
	err := c.token.Login(ctx, password)
	if before && errors.Is(err, hsm.ErrPIN) {
		if err := c.token.Logout(ctx); err != nil {
			return err
		}
		err = c.token.Login(ctx, password)
	}
	if errors.Is(err, hsm.ErrPIN) {
		return errors.Join(err, c.token.Logout(ctx))
	}
	return err
}

// disconnect logs KMS out, and nobody else.
func (c *Cluster) disconnect(ctx context.Context, _ *xks.ClusterEmpty) (*xks.ClusterEmpty, error) {
	c.login.Lock()
	defer c.login.Unlock()
	if !c.kms.Load() {
		return &xks.ClusterEmpty{}, nil
	}
	if err := c.token.Logout(ctx); err != nil {
		return nil, err
	}
	c.kms.Store(false)
	return &xks.ClusterEmpty{}, nil
}

// validPassword keeps a password to what the guide allows for kmsuser (guide 004:18623).
func validPassword(p string) bool {
	return len(p) >= 7 && len(p) <= 32 && !strings.ContainsFunc(p, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	})
}
