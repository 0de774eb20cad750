package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
)

type hsmCmd struct {
	Add    hsmAddCmd    `cmd:"" help:"Add an HSM to the cluster, and print its ID."`
	Remove hsmRemoveCmd `cmd:"" help:"Remove an HSM."`
	List   hsmListCmd   `cmd:"" help:"List the HSMs of the cluster."`
	Lock   hsmLockCmd   `cmd:"" help:"Lock kmsuser out, as five wrong passwords do."`
}

// Help shows up behind `hyok hsm --help`.
func (*hsmCmd) Help() string {
	return `A key store needs two active HSMs in different zones to be created and to create
keys, and one to connect and to use keys.

Examples:
  1. hyok hsm add --zone us-east-1c
  2. hyok hsm remove hsm-abcdefghijk
  3. hyok hsm lock; hyok cluster user password kmsuser`
}

// clusterRemote is remote for commands on a simulated cluster.
type clusterRemote struct {
	Cluster string `placeholder:"ID" help:"The simulated cluster; without it the one of HYOK_CLUSTER_ID."`
	remote
}

// on calls a path below the cluster's.
func (c *clusterRemote) on(ctx context.Context, method string, in, out any, below ...string) error {
	id := c.Cluster
	if id == "" {
		env, err := c.variables()
		if err != nil {
			return err
		}
		if id = env["HYOK_CLUSTER_ID"]; id == "" {
			return usagef("--cluster: name a cluster, or set HYOK_CLUSTER_ID; hyok cluster list shows them")
		}
	}
	path := "/clusters/" + url.PathEscape(id)
	for _, b := range below {
		path += "/" + url.PathEscape(b)
	}
	return c.call(ctx, method, path, in, out)
}

// post is on with POST, for what has nothing to tell.
func (c *clusterRemote) post(ctx context.Context, in clusterOrder, below ...string) error {
	return c.on(ctx, http.MethodPost, in, nil, below...)
}

// show prints v as JSON when that is asked for, and else a line for people.
func (r *remote) show(w io.Writer, v any, line string) error {
	if r.JSON {
		return json.NewEncoder(w).Encode(v)
	}
	_, err := fmt.Fprintln(w, line)
	return err
}

// table prints a list: as JSON, or in columns. The rows' cells are separated by tabs.
func (r *remote) table(w io.Writer, v any, header string, rows []string) error {
	if r.JSON {
		return json.NewEncoder(w).Encode(v)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, header)
	for _, row := range rows {
		fmt.Fprintln(t, row)
	}
	return t.Flush()
}

// cells joins the cells of a row.
func cells(values ...any) string {
	var b strings.Builder
	for i, v := range values {
		if i > 0 {
			b.WriteByte('\t')
		}
		fmt.Fprint(&b, v)
	}
	return b.String()
}

type hsmAddCmd struct {
	Zone string `placeholder:"ZONE" help:"Availability Zone with a subnet of the cluster; without it the one with the fewest HSMs."`
	clusterRemote
}

// Run adds an HSM.
func (c *hsmAddCmd) Run(ctx context.Context, s streams) error {
	var h hsmView
	if err := c.on(ctx, http.MethodPost, clusterOrder{Zone: c.Zone}, &h, "hsms"); err != nil {
		return err
	}
	return c.show(s.Out, h, h.ID)
}

type hsmRemoveCmd struct {
	ID string `arg:"" name:"hsm-id" help:"What hyok hsm list shows."`
	clusterRemote
}

// Run removes an HSM.
func (c *hsmRemoveCmd) Run(ctx context.Context, s streams) error {
	var h hsmView
	if err := c.on(ctx, http.MethodDelete, nil, &h, "hsms", c.ID); err != nil {
		return err
	}
	return c.show(s.Out, h, h.ID+" removed")
}

type hsmListCmd struct{ clusterRemote }

// Run lists the HSMs.
func (c *hsmListCmd) Run(ctx context.Context, s streams) error {
	var v clusterView
	if err := c.on(ctx, http.MethodGet, nil, &v); err != nil {
		return err
	}
	var rows []string
	for _, h := range v.HSMs {
		rows = append(rows, cells(h.ID, h.Zone, h.State, h.IP, h.ENI, h.Subnet))
	}
	return c.table(s.Out, v.HSMs, "ID\tZONE\tSTATE\tADDRESS\tINTERFACE\tSUBNET", rows)
}

type hsmLockCmd struct{ clusterRemote }

// Run locks kmsuser out.
func (c *hsmLockCmd) Run(ctx context.Context, s streams) error {
	if err := c.post(ctx, clusterOrder{}, "users", "kmsuser", "lock"); err != nil {
		return err
	}
	return c.show(s.Out, done, "kmsuser is locked out")
}

// passwordFlag is how a command is given a password.
type passwordFlag struct {
	Password string `placeholder:"PASSWORD" help:"The password, 7 to 32 letters and digits; without it the first line of standard input, where nobody sees it in the list of processes."`
}

func (p *passwordFlag) read() (string, error) {
	if p.Password != "" {
		return p.Password, nil
	}
	b, err := io.ReadAll(io.LimitReader(os.Stdin, 4096))
	if err != nil {
		return "", fmt.Errorf("reading the password from standard input: %w", err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", usagef("no password came on standard input; give one there, or with --password")
	}
	return line, nil
}
