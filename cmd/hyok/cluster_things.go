package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

type clusterKeyCmd struct {
	List   clusterKeyListCmd   `cmd:"" help:"List the keys; somebody must be logged in as kmsuser, be it AWS KMS."`
	Delete clusterKeyDeleteCmd `cmd:"" help:"Delete a key by its handle; log in as kmsuser before."`
}

type clusterKeyListCmd struct {
	Label string `placeholder:"ARN" help:"Only the key with this label, which is the ARN of its KMS key."`
	clusterRemote
}

// Run lists keys.
func (c *clusterKeyListCmd) Run(ctx context.Context, s streams) error {
	var all []keyView
	if err := c.on(ctx, http.MethodGet, nil, &all, "keys"); err != nil {
		return err
	}
	shown := []keyView{}
	var rows []string
	for _, k := range all {
		if c.Label == "" || k.Label == c.Label {
			shown = append(shown, k)
			rows = append(rows, cells(k.Handle, k.Label, k.Owner, k.BackingID))
		}
	}
	return c.table(s.Out, shown, "HANDLE\tLABEL\tOWNER\tBACKING KEY ID", rows)
}

type clusterKeyDeleteCmd struct {
	Handle string `arg:"" help:"The handle, as hyok cluster key list and CloudTrail show it."`
	clusterRemote
}

// Run deletes a key.
func (c *clusterKeyDeleteCmd) Run(ctx context.Context, s streams) error {
	if err := c.on(ctx, http.MethodDelete, nil, nil, "keys", c.Handle); err != nil {
		return err
	}
	return c.show(s.Out, done, c.Handle+" deleted")
}

type clusterBackupCmd struct {
	List    backupListCmd    `cmd:"" help:"List the backups of the cluster's account and Region."`
	Create  backupCreateCmd  `cmd:"" help:"Back the cluster up, and print the backup's ID."`
	Restore backupRestoreCmd `cmd:"" help:"Make a cluster with two HSMs of a backup, and print its ID."`
}

type backupListCmd struct{ clusterRemote }

// Run lists the backups.
func (c *backupListCmd) Run(ctx context.Context, s streams) error {
	var all []backupView
	if err := c.on(ctx, http.MethodGet, nil, &all, "backups"); err != nil {
		return err
	}
	var rows []string
	for _, b := range all {
		rows = append(rows, cells(b.ID, b.Cluster, b.State, b.Created.UTC().Format(time.RFC3339)))
	}
	return c.table(s.Out, all, "ID\tCLUSTER\tSTATE\tCREATED", rows)
}

type backupCreateCmd struct{ clusterRemote }

// Run makes a backup.
func (c *backupCreateCmd) Run(ctx context.Context, s streams) error {
	var b backupView
	if err := c.on(ctx, http.MethodPost, clusterOrder{}, &b, "backups"); err != nil {
		return err
	}
	return c.show(s.Out, b, b.ID)
}

type backupRestoreCmd struct {
	ID      string   `arg:"" name:"backup-id" help:"What hyok cluster backup list shows."`
	Subnets []string `name:"subnet" placeholder:"ID" help:"Subnets of the new cluster; without them those of the cluster."`
	clusterRemote
}

// Run restores a backup.
func (c *backupRestoreCmd) Run(ctx context.Context, s streams) error {
	var v clusterView
	if err := c.on(ctx, http.MethodPost, clusterOrder{Subnets: c.Subnets}, &v, "backups", c.ID, "restore"); err != nil {
		return err
	}
	return c.show(s.Out, v, v.ID)
}

type clusterSubnetCmd struct {
	List   subnetListCmd   `cmd:"" help:"List the subnets with their free addresses."`
	Create subnetCreateCmd `cmd:"" help:"Create a subnet, and print its ID."`
	Set    subnetSetCmd    `cmd:"" help:"Set how many free addresses a subnet has."`
	Delete subnetDeleteCmd `cmd:"" help:"Delete a subnet, even one that a cluster names."`
}

type subnetListCmd struct{ clusterRemote }

// Run lists the subnets.
func (c *subnetListCmd) Run(ctx context.Context, s streams) error {
	var all []subnetView
	if err := c.on(ctx, http.MethodGet, nil, &all, "subnets"); err != nil {
		return err
	}
	var rows []string
	for _, n := range all {
		rows = append(rows, cells(n.ID, n.Zone, n.CIDR, n.Free))
	}
	return c.table(s.Out, all, "ID\tZONE\tCIDR\tFREE", rows)
}

type subnetCreateCmd struct {
	Zone string `required:"" placeholder:"ZONE" help:"Availability Zone, such as us-east-1c."`
	clusterRemote
}

// Run makes a subnet.
func (c *subnetCreateCmd) Run(ctx context.Context, s streams) error {
	var n subnetView
	if err := c.on(ctx, http.MethodPost, clusterOrder{Zone: c.Zone}, &n, "subnets"); err != nil {
		return err
	}
	return c.show(s.Out, n, n.ID)
}

type subnetSetCmd struct {
	ID   string `arg:"" name:"subnet-id" help:"What hyok cluster subnet list shows."`
	Free int    `required:"" placeholder:"N" help:"Free addresses, 0 to 251."`
	clusterRemote
}

// Run sets the free addresses.
func (c *subnetSetCmd) Run(ctx context.Context, s streams) error {
	if err := c.post(ctx, clusterOrder{Free: &c.Free}, "subnets", c.ID); err != nil {
		return err
	}
	return c.show(s.Out, done, fmt.Sprintf("%s has %d free addresses", c.ID, c.Free))
}

type subnetDeleteCmd struct {
	ID string `arg:"" name:"subnet-id" help:"What hyok cluster subnet list shows."`
	clusterRemote
}

// Run deletes a subnet.
func (c *subnetDeleteCmd) Run(ctx context.Context, s streams) error {
	if err := c.on(ctx, http.MethodDelete, nil, nil, "subnets", c.ID); err != nil {
		return err
	}
	return c.show(s.Out, done, c.ID+" deleted")
}

type clusterGroupCmd struct {
	Open  groupOpenCmd  `cmd:"" help:"Put the rules for TCP ports 2223 to 2225 back."`
	Close groupCloseCmd `cmd:"" help:"Remove them, so that AWS KMS cannot communicate with the cluster."`
}

type groupOpenCmd struct{ clusterRemote }

// Run adds the rules.
func (c *groupOpenCmd) Run(ctx context.Context, s streams) error {
	if err := c.post(ctx, clusterOrder{Open: true}, "security-group"); err != nil {
		return err
	}
	return c.show(s.Out, done, "the security group has its rules")
}

type groupCloseCmd struct{ clusterRemote }

// Run removes the rules.
func (c *groupCloseCmd) Run(ctx context.Context, s streams) error {
	if err := c.post(ctx, clusterOrder{}, "security-group"); err != nil {
		return err
	}
	return c.show(s.Out, done, "the security group has no rules")
}

type clusterLimitCmd struct {
	Sessions *int `placeholder:"N" help:"PKCS#11 sessions at a time, 0 or more; no limit without it."`
	Busy     bool `help:"Answer as a cluster that is busy with work of others; not busy without it."`
	clusterRemote
}

// Run sets both limits.
func (c *clusterLimitCmd) Run(ctx context.Context, s streams) error {
	if err := c.post(ctx, clusterOrder{Sessions: c.Sessions, Busy: c.Busy}, "limits"); err != nil {
		return err
	}
	return c.show(s.Out, done, "set")
}
