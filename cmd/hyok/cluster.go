package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"time"

	"hyok/certs"
)

type clusterCmd struct {
	List       clusterListCmd       `cmd:"" help:"List the simulated CloudHSM clusters of all accounts and Regions."`
	Initialize clusterInitializeCmd `cmd:"" help:"Sign the cluster's certificate with a CA of your own and initialize it."`
	User       clusterUserCmd       `cmd:"" help:"Users of a cluster: what cloudhsm_mgmt_util does."`
	Key        clusterKeyCmd        `cmd:"" help:"Keys of a cluster by handle and label: what key_mgmt_util does."`
	Backup     clusterBackupCmd     `cmd:"" help:"Backups, and clusters restored from them."`
	Subnet     clusterSubnetCmd     `cmd:"" help:"Subnets of the account and Region that a cluster is in."`
	Group      clusterGroupCmd      `cmd:"" name:"security-group" help:"The rules of the cluster's security group."`
	Limit      clusterLimitCmd      `cmd:"" help:"Let the cluster run out of sessions, or be busy."`
}

// Help shows up behind `hyok cluster --help`.
func (*clusterCmd) Help() string {
	return `Clusters are made, filled with HSMs and deleted with the CloudHSM v2 API
(AWS_ENDPOINT_URL_CLOUDHSM_V2) or here. These commands act as the cluster's
crypto officer; they need no password of one.

Examples:
  1. hyok cluster user create kmsuser --cluster cluster-abcdefghijk < password
  2. hyok cluster user password kmsuser --password tempPassword1
  3. hyok cluster key list --json
  4. hyok cluster backup restore backup-abcdefghijk`
}

type clusterListCmd struct{ remote }

// Run lists the clusters.
func (c *clusterListCmd) Run(ctx context.Context, s streams) error {
	var all []clusterView
	if err := c.call(ctx, http.MethodGet, "/clusters", nil, &all); err != nil {
		return err
	}
	var rows []string
	for _, v := range all {
		rows = append(rows, cells(v.ID, v.Account, v.Region, v.State, len(v.HSMs)))
	}
	return c.table(s.Out, all, "ID\tACCOUNT\tREGION\tSTATE\tHSMS", rows)
}

type clusterInitializeCmd struct {
	CA string `name:"ca-dir" placeholder:"DIR" default:"." help:"Where customerCA.crt and customerCA.key are, or are to be made."`
	clusterRemote
}

// Run does what the owner of a cluster does with openssl and InitializeCluster.
func (c *clusterInitializeCmd) Run(ctx context.Context, s streams) error {
	var v clusterView
	if err := c.on(ctx, http.MethodGet, nil, &v); err != nil {
		return err
	}
	if v.CSR == "" {
		return fmt.Errorf("cluster %s is %s; only one that is UNINITIALIZED can be initialized", v.ID, v.State)
	}
	cert, key := filepath.Join(c.CA, trustAnchor), filepath.Join(c.CA, "customerCA.key")
	ca, err := certs.LoadAuthority(cert, key)
	if errors.Is(err, fs.ErrNotExist) {
		if ca, err = certs.NewAuthority("customerCA", time.Now()); err == nil {
			err = ca.Save(cert, key)
		}
	}
	if err != nil {
		return err
	}
	signed, err := ca.SignRequest([]byte(v.CSR), time.Now())
	if err != nil {
		return err
	}
	err = c.on(ctx, http.MethodPost, clusterOrder{SignedCert: string(signed), TrustAnchor: string(ca.CertPEM())}, &v, "initialize")
	if err != nil {
		return err
	}
	return c.show(s.Out, v, v.ID+" is initialized; its trust anchor is "+cert)
}

type clusterUserCmd struct {
	List     userListCmd     `cmd:"" help:"List the users."`
	Create   userCreateCmd   `cmd:"" help:"Create a user; the first one activates the cluster."`
	Delete   userDeleteCmd   `cmd:"" help:"Delete a user."`
	Password userPasswordCmd `cmd:"" help:"Change a user's password, which also ends a lock-out."`
	Unlock   userUnlockCmd   `cmd:"" help:"End a lock-out without a new password, which AWS cannot do."`
	Login    userLoginCmd    `cmd:"" help:"Log in as a user; who is logged in as kmsuser keeps AWS KMS out."`
	Logout   userLogoutCmd   `cmd:"" help:"Log a user out."`
}

type userListCmd struct{ clusterRemote }

// Run lists the users.
func (c *userListCmd) Run(ctx context.Context, s streams) error {
	var all []userView
	if err := c.on(ctx, http.MethodGet, nil, &all, "users"); err != nil {
		return err
	}
	var rows []string
	for _, u := range all {
		rows = append(rows, cells(u.Name, u.Type, u.TwoFactor, u.Failures, u.Locked, u.LoggedIn))
	}
	return c.table(s.Out, all, "NAME\tTYPE\t2FA\tFAILURES\tLOCKED\tLOGGED IN", rows)
}

type userCreateCmd struct {
	Name      string `arg:"" help:"The name; kmsuser is the one that AWS KMS logs in as."`
	Type      string `enum:"CU,CO" default:"CU" placeholder:"CU|CO" help:"Crypto user or crypto officer."`
	TwoFactor bool   `name:"two-factor" help:"Want a second factor, which AWS KMS does not have."`
	passwordFlag
	clusterRemote
}

// Run creates a user.
func (c *userCreateCmd) Run(ctx context.Context, s streams) error {
	password, err := c.read()
	if err != nil {
		return err
	}
	order := clusterOrder{Name: c.Name, Type: c.Type, TwoFactor: c.TwoFactor, Password: password}
	if err := c.post(ctx, order, "users"); err != nil {
		return err
	}
	return c.show(s.Out, done, c.Name+" created")
}

type userDeleteCmd struct {
	Name string `arg:"" help:"The name."`
	clusterRemote
}

// Run deletes a user.
func (c *userDeleteCmd) Run(ctx context.Context, s streams) error {
	if err := c.on(ctx, http.MethodDelete, nil, nil, "users", c.Name); err != nil {
		return err
	}
	return c.show(s.Out, done, c.Name+" deleted")
}

type userPasswordCmd struct {
	Name string `arg:"" help:"The name."`
	passwordFlag
	clusterRemote
}

// Run changes a password.
func (c *userPasswordCmd) Run(ctx context.Context, s streams) error {
	password, err := c.read()
	if err != nil {
		return err
	}
	if err := c.post(ctx, clusterOrder{Password: password}, "users", c.Name, "password"); err != nil {
		return err
	}
	return c.show(s.Out, done, "the password of "+c.Name+" is changed")
}

type userUnlockCmd struct {
	Name string `arg:"" help:"The name."`
	clusterRemote
}

// Run ends a lock-out.
func (c *userUnlockCmd) Run(ctx context.Context, s streams) error {
	if err := c.post(ctx, clusterOrder{}, "users", c.Name, "unlock"); err != nil {
		return err
	}
	return c.show(s.Out, done, c.Name+" is no longer locked out")
}

type userLoginCmd struct {
	Name string `arg:"" help:"The name."`
	passwordFlag
	clusterRemote
}

// Run logs in until somebody logs out, or hyok up ends.
func (c *userLoginCmd) Run(ctx context.Context, s streams) error {
	password, err := c.read()
	if err != nil {
		return err
	}
	if err := c.post(ctx, clusterOrder{Password: password}, "users", c.Name, "login"); err != nil {
		return err
	}
	return c.show(s.Out, done, c.Name+" is logged in until hyok cluster user logout "+c.Name)
}

type userLogoutCmd struct {
	Name string `arg:"" help:"The name."`
	clusterRemote
}

// Run logs out.
func (c *userLogoutCmd) Run(ctx context.Context, s streams) error {
	if err := c.post(ctx, clusterOrder{}, "users", c.Name, "logout"); err != nil {
		return err
	}
	return c.show(s.Out, done, c.Name+" is logged out")
}
