package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"

	"hyok/kmsfront/keystore"
)

const servicesPath = "/vpc-services"

type vpcServiceCmd struct {
	Create vpcCreateCmd `cmd:"" help:"Make a service as KMS wants one, but for what the flags say."`
	Set    vpcSetCmd    `cmd:"" help:"Change what the flags say."`
	Delete vpcDeleteCmd `cmd:"" help:"Remove a service."`
	List   vpcListCmd   `cmd:"" help:"List the services."`
}

// Help shows up behind `hyok vpc-service --help`.
func (*vpcServiceCmd) Help() string {
	return `A service has the properties that KMS looks at when an external key store with the
connectivity VPC_ENDPOINT_SERVICE is created, updated and connected; there is no
network. Behind it is the proxy of hyok up, which gets a certificate for its
private DNS name, or what --target names. NAME says the Region.

Examples:
  1. hyok vpc-service create com.amazonaws.vpce.us-east-1.vpce-svc-example --private-dns myproxy-private.xks.example.com
  2. aws kms create-custom-key-store --custom-key-store-name vpc --custom-key-store-type EXTERNAL_KEY_STORE \
       --xks-proxy-connectivity VPC_ENDPOINT_SERVICE --xks-proxy-vpc-endpoint-service-name com.amazonaws.vpce.us-east-1.vpce-svc-example \
       --xks-proxy-uri-endpoint https://myproxy-private.xks.example.com --xks-proxy-uri-path $HYOK_XKS_URI_PATH \
       --xks-proxy-authentication-credential AccessKeyId=$HYOK_XKS_ACCESS_KEY_ID,RawSecretAccessKey=$HYOK_XKS_SECRET_ACCESS_KEY
  3. hyok vpc-service set com.amazonaws.vpce.us-east-1.vpce-svc-example --acceptance-required
  4. hyok vpc-service set com.amazonaws.vpce.us-east-1.vpce-svc-example --no-acceptance-required --domain failed`
}

// serviceName is the argument of create, set and delete.
type serviceName struct {
	Name string `arg:"" help:"com.amazonaws.vpce.REGION.vpce-svc-ID."`
	remote
}

// serviceFlags are the properties; what is not given is left out.
type serviceFlags struct {
	Principals         []string `name:"principal" sep:"none" placeholder:"ARN" json:"principals,omitempty" help:"Who may connect, * for everybody; may be repeated. KMS's principal of the Region without it."`
	AcceptanceRequired *bool    `name:"acceptance-required" negatable:"" json:"acceptanceRequired,omitempty" help:"Whether connections must be accepted."`
	PrivateDNS         *string  `name:"private-dns" placeholder:"HOST" json:"privateDns,omitempty" help:"The private DNS name, the host of XksProxyUriEndpoint; empty for none."`
	Domain             *string  `placeholder:"verified|pendingVerification|failed" json:"domain,omitempty" help:"The domain verification status."`
	Zones              *int     `placeholder:"N" json:"zones,omitempty" help:"In how many Availability Zones the load balancer has subnets."`
	Type               *string  `placeholder:"network|gateway" json:"type,omitempty" help:"The type of the load balancer."`
	Targets            []string `name:"target" sep:"none" placeholder:"HOST:PORT" json:"targets,omitempty" help:"A proxy behind the load balancer; may be repeated. The proxy of hyok up without it."`
}

type vpcCreateCmd struct {
	serviceName
	serviceFlags
	Owner string `placeholder:"ACCOUNT" default:"111122223333" help:"The account that it belongs to; hyok up's without it."`
}

// Run makes the service.
func (c *vpcCreateCmd) Run(ctx context.Context, s streams) error {
	return c.send(ctx, s, http.MethodPost, servicesPath, struct {
		Name  string `json:"name"`
		Owner string `json:"owner"`
		serviceFlags
	}{c.Name, c.Owner, c.serviceFlags})
}

type vpcSetCmd struct {
	serviceName
	serviceFlags
	Owner *string `placeholder:"ACCOUNT" help:"The account that it belongs to."`
}

// Run changes the service.
func (c *vpcSetCmd) Run(ctx context.Context, s streams) error {
	changes := struct {
		Owner *string `json:"owner,omitempty"`
		serviceFlags
	}{c.Owner, c.serviceFlags}
	if b, err := json.Marshal(changes); err != nil || string(b) == "{}" {
		return usagef("this changes nothing; give at least one of --owner, --principal, --acceptance-required, --private-dns, --domain, --zones, --type, --target")
	}
	return c.send(ctx, s, http.MethodPatch, servicesPath+"?name="+url.QueryEscape(c.Name), changes)
}

func (c *serviceName) send(ctx context.Context, s streams, method, path string, in any) error {
	var made keystore.Service
	if err := c.call(ctx, method, path, in, &made); err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(made)
	}
	return printServices(s, made)
}

type vpcDeleteCmd struct{ serviceName }

// Run removes the service.
func (c *vpcDeleteCmd) Run(ctx context.Context, s streams) error {
	var answer struct {
		Removed int `json:"removed"`
	}
	if err := c.call(ctx, http.MethodDelete, servicesPath+"?name="+url.QueryEscape(c.Name), nil, &answer); err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(answer)
	}
	_, err := fmt.Fprintf(s.Out, "%d removed\n", answer.Removed)
	return err
}

type vpcListCmd struct{ remote }

// Run lists the services.
func (c *vpcListCmd) Run(ctx context.Context, s streams) error {
	var all []keystore.Service
	if err := c.call(ctx, http.MethodGet, servicesPath, nil, &all); err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(all)
	}
	return printServices(s, all...)
}

func printServices(s streams, all ...keystore.Service) error {
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tOWNER\tTYPE\tZONES\tACCEPTANCE\tPRIVATE DNS\tDOMAIN\tPRINCIPALS\tTARGETS")
	for _, v := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%t\t%s\t%s\t%s\t%s\n", v.Name, v.Owner, v.Type, v.Zones, v.AcceptanceRequired,
			orDash(v.PrivateDNS), v.Domain, orDash(strings.Join(v.Principals, ",")), orDash(strings.Join(v.Targets, ",")))
	}
	return w.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
