package keystore

import (
	"cmp"
	"context"

	"hyok/kmsfront/api"
	"hyok/kmsfront/store"
)

// Create is CreateCustomKeyStore for o (custom-key-stores §2.1, §2.2): members,
// repeated request, unique names, quota, then what is behind the key store. The
// new key store is DISCONNECTED.
func (m *Manager) Create(ctx context.Context, o Owner, in *api.CreateCustomKeyStoreRequest) (*api.CreateCustomKeyStoreResponse, error) {
	r, err := m.draft(o, in)
	if err != nil {
		return nil, err
	}
	if id := m.repeated(r); id != "" {
		return &api.CreateCustomKeyStoreResponse{CustomKeyStoreId: id}, nil
	}
	if err := m.free(r); err != nil {
		return nil, err
	}
	if err := m.examine(ctx, r); err != nil {
		return nil, err
	}
	err = store.Update(ctx, m.c.Store, func(tx *store.Tx) error {
		if err := m.hold(tx, nil, r); err != nil {
			return err
		}
		if err := m.count(tx, o, 1); err != nil {
			return err
		}
		return m.stores.Put(tx, r.ID, r)
	})
	if id := m.repeated(r); err != nil && id != "" { // a twin was quicker
		return &api.CreateCustomKeyStoreResponse{CustomKeyStoreId: id}, nil
	}
	if err != nil {
		return nil, err
	}
	m.follow(r.ID)
	return &api.CreateCustomKeyStoreResponse{CustomKeyStoreId: r.ID}, nil
}

// draft makes the record that the members of in ask for.
func (m *Manager) draft(o Owner, in *api.CreateCustomKeyStoreRequest) (*Record, error) {
	r := &Record{
		ID: newID(), Name: in.CustomKeyStoreName, Owner: o, Created: m.c.Clock.Now(), State: disconnected,
		Type: cmp.Or(in.CustomKeyStoreType, api.CustomKeyStoreTypeAwsCloudhsm),
	}
	if r.External() {
		return r, m.draftProxy(r, in)
	}
	return r, draftCluster(r, in)
}

func draftCluster(r *Record, in *api.CreateCustomKeyStoreRequest) error {
	switch {
	case in.XksProxyConnectivity != "" || in.XksProxyUriEndpoint != "" || in.XksProxyUriPath != "" ||
		in.XksProxyVpcEndpointServiceName != "" || in.XksProxyVpcEndpointServiceOwner != "" || in.XksProxyAuthenticationCredential != nil:
		return invalid("The XksProxy parameters are valid only for key stores of the type EXTERNAL_KEY_STORE.")
	case in.CloudHsmClusterId == "" || in.KeyStorePassword == "" || in.TrustAnchorCertificate == "":
		return invalid("CloudHsmClusterId, KeyStorePassword and TrustAnchorCertificate are required for an AWS CloudHSM key store.")
	}
	password := secret(in.KeyStorePassword)
	r.ClusterID = in.CloudHsmClusterId
	r.Cluster = &Cluster{TrustAnchor: in.TrustAnchorCertificate, Given: password, Password: password}
	return checkPassword(in.KeyStorePassword)
}

func (m *Manager) draftProxy(r *Record, in *api.CreateCustomKeyStoreRequest) error {
	cred := in.XksProxyAuthenticationCredential
	switch {
	case in.CloudHsmClusterId != "" || in.KeyStorePassword != "" || in.TrustAnchorCertificate != "":
		return invalid("CloudHsmClusterId, KeyStorePassword and TrustAnchorCertificate are valid only for key stores of the type AWS_CLOUDHSM.")
	case in.XksProxyConnectivity == "" || in.XksProxyUriEndpoint == "" || in.XksProxyUriPath == "" || cred == nil:
		return invalid("XksProxyConnectivity, XksProxyUriEndpoint, XksProxyUriPath and XksProxyAuthenticationCredential are required for an external key store.")
	}
	if err := checkService(in.XksProxyConnectivity, in.XksProxyVpcEndpointServiceName, in.XksProxyVpcEndpointServiceOwner); err != nil {
		return err
	}
	if err := m.checkEndpoint(in.XksProxyUriEndpoint); err != nil {
		return err
	}
	r.Proxy = &Proxy{
		Connectivity: in.XksProxyConnectivity, Endpoint: in.XksProxyUriEndpoint, Path: in.XksProxyUriPath,
		Service: in.XksProxyVpcEndpointServiceName, ServiceOwner: in.XksProxyVpcEndpointServiceOwner,
		AccessKeyID: cred.AccessKeyId, Secret: secret(cred.RawSecretAccessKey), CredentialCreated: r.Created,
	}
	return checkPath(in.XksProxyUriPath)
}

// checkService wants the name of a VPC endpoint service with that connectivity
// and only with it (guide 004:20849, 20972).
func checkService(connectivity, name, owner string) error {
	switch {
	case connectivity == api.XksProxyConnectivityTypeVpcEndpointService && name == "":
		return invalid("XksProxyVpcEndpointServiceName is required for the connectivity VPC_ENDPOINT_SERVICE.")
	case connectivity != api.XksProxyConnectivityTypeVpcEndpointService && (name != "" || owner != ""):
		return invalid("XksProxyVpcEndpointServiceName and XksProxyVpcEndpointServiceOwner are valid only for the connectivity VPC_ENDPOINT_SERVICE.")
	}
	return nil
}

// repeated finds the disconnected AWS CloudHSM key store that r describes once
// more in every value, the password being the one that was last given. Creating
// it again is no error and makes nothing (guide 004:18559-18561, 18684,
// contradiction 37).
func (m *Manager) repeated(r *Record) string {
	if r.Cluster == nil {
		return ""
	}
	c, _, ok := m.claims.Get(r.uniques()[0].key)
	if !ok {
		return ""
	}
	old, ok := m.Get(c.StoreID)
	if !ok || old.Cluster == nil || old.State != disconnected || old.ClusterID != r.ClusterID ||
		old.Cluster.TrustAnchor != r.Cluster.TrustAnchor || old.Cluster.Given != r.Cluster.Given {
		return ""
	}
	return old.ID
}

// free checks unique names and quota before anything behind the key store is
// asked; what counts is the same check in the transaction.
func (m *Manager) free(r *Record) error {
	old, _, there := m.stores.Get(r.ID)
	if err := clash(func(key string) (*claim, bool) { c, _, ok := m.claims.Get(key); return c, ok }, old, r); err != nil || there {
		return err
	}
	if n, _, ok := m.claims.Get(countKey(r.Owner)); ok && m.c.MaxStores > 0 && n.Count >= m.c.MaxStores {
		return api.Errorf(api.CodeLimitExceededException, msgLimit, m.c.MaxStores)
	}
	return nil
}

// examine looks at what is behind a key store that is to be created: at a proxy
// with a public endpoint, at the VPC endpoint service of another, whose proxy is
// asked only when it is connected (contradiction 2).
func (m *Manager) examine(ctx context.Context, r *Record) error {
	if r.Proxy != nil && r.Proxy.Service != "" {
		if fault := m.checkEndpointService(r); fault != nil {
			return fault.exception()
		}
		return nil
	}
	if r.Proxy != nil {
		client, err := m.newProxyClient(r, m.proxyTLS(), nil) // no store yet that metrics could be of
		if err != nil {
			return err
		}
		defer client.Close()
		return m.probe(ctx, &external{client: client, log: m.c.Log}, "CreateCustomKeyStore")
	}
	d, err := m.adopt(ctx, r.Owner, r.ClusterID)
	if err != nil {
		return err
	}
	if !sameCertificate(d.TrustAnchor, r.Cluster.TrustAnchor) {
		return api.Errorf(api.CodeIncorrectTrustAnchorException, msgTrustAnchor, r.ClusterID)
	}
	r.Cluster.Certificate = d.Certificate
	return nil
}

// probe is health for an operation that fails with it.
func (m *Manager) probe(ctx context.Context, x *external, operation string) error {
	if e, err := m.health(ctx, x, operation); err != nil {
		return e.exception(colManage)
	}
	return nil
}
