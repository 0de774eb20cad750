package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"

	"hyok/hsm"
	"hyok/internal/config"
	"hyok/kmsfront/authz"
	"hyok/proxy/cluster"
	"hyok/proxy/cluster/cloudhsmv2"
)

// openFleet opens the simulated CloudHSM clusters, and makes the first one of
// the token that `hyok up` has made for it.
func (w *workbench) openFleet(ctx context.Context) (err error) {
	w.fleet, err = cluster.OpenFleet(ctx, cluster.FleetConfig{
		Dir: w.path("clusters"), Tokens: w.tokens, Module: w.module, SecurityPIN: config.Secret(w.state.SecurityPIN),
		Token:       hsm.TokenConfig{Profile: softHSM, Observe: w.meter.Observer(clusterToken)},
		Credentials: w.state.Cluster.sigv4(), Delay: w.options.ClusterDelay, Clock: w.clock, Log: w.log,
	})
	if err != nil {
		return err
	}
	w.onClose(w.fleet.Close)
	anchor, err := os.ReadFile(w.path(trustAnchor))
	if err != nil {
		return fmt.Errorf("reading the cluster's trust anchor: %w", err)
	}
	cert, err := os.ReadFile(w.path(clusterCert))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // an older directory has none
		return fmt.Errorf("reading the cluster's certificate: %w", err)
	}
	return w.fleet.Adopt(ctx, cluster.Adopted{
		ID: w.state.ClusterID, Owner: cluster.Owner{Account: account, Region: w.region()}, Token: clusterToken,
		Certificate: string(cert), Anchor: string(anchor),
	})
}

// identities is the file of accounts and access keys that holds.
func (w *workbench) identities() string {
	if w.options.Identities != "" {
		return w.options.Identities
	}
	return w.path("identities.yaml")
}

// openCloudHSM makes the CloudHSM v2 API of the clusters, for the access keys
// that the front end takes.
func (w *workbench) openCloudHSM() (http.Handler, error) {
	all, err := authz.LoadIdentities(w.identities())
	if err != nil {
		return nil, err
	}
	return cloudhsmv2.New(cloudhsmv2.Config{
		Fleet: w.fleet, Regions: w.options.Regions, Log: w.log,
		Authenticate: func(id string) (secret, token, account string, ok bool) {
			secret, token, caller, ok := all.Authenticate(id)
			return secret, token, caller.Account, ok
		},
	}), nil
}
