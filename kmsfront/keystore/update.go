package keystore

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"hyok/kmsfront/api"
)

// maxReplans is how often Update starts again because the key store was changed
// while its new values were being tried.
const maxReplans = 10

// Update is UpdateCustomKeyStore for o (custom-key-stores §2.5). What is behind the
// key store is asked with the new values first; when that fails, or when a member
// is not allowed in the connection state, nothing changes. The connection state
// stays; the next use of a key has the new values.
func (m *Manager) Update(ctx context.Context, o Owner, in *api.UpdateCustomKeyStoreRequest) (*api.UpdateCustomKeyStoreResponse, error) {
	for range maxReplans {
		old, err := m.owned(o, in.CustomKeyStoreId)
		if err != nil {
			return nil, err
		}
		next := old.clone()
		tested, err := m.edit(ctx, next, in)
		if err != nil {
			return nil, err
		}
		err = m.change(ctx, old.ID, func(r *Record) error {
			if r.Version != old.Version {
				return errStale
			}
			*r = *next
			return nil
		})
		if err == nil {
			return &api.UpdateCustomKeyStoreResponse{}, nil
		}
		tested()
		if !errors.Is(err, errStale) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("updating key store %s: %w, %d times", in.CustomKeyStoreId, errStale, maxReplans)
}

// edit makes r what in asks for, and tries it. The function it gives undoes
// what was kept of the trial.
func (m *Manager) edit(ctx context.Context, r *Record, in *api.UpdateCustomKeyStoreRequest) (undo func(), err error) {
	if r.External() {
		return m.editProxy(ctx, r, in)
	}
	return func() {}, m.editCluster(ctx, r, in)
}

func (m *Manager) rename(r *Record, name string) {
	if name != "" {
		r.Name = name
	}
}

func (m *Manager) editProxy(ctx context.Context, r *Record, in *api.UpdateCustomKeyStoreRequest) (undo func(), err error) {
	if in.CloudHsmClusterId != "" || in.KeyStorePassword != "" {
		return nil, invalid("CloudHsmClusterId and KeyStorePassword are valid only for key stores of the type AWS_CLOUDHSM.")
	}
	if err := m.checkProxyMembers(r.Proxy, in); err != nil {
		return nil, err
	}
	wanted := useEditXKS
	if in.XksProxyConnectivity != "" || in.XksProxyUriEndpoint != "" || in.XksProxyVpcEndpointServiceName != "" || in.XksProxyVpcEndpointServiceOwner != "" {
		wanted = useReconfigure
	}
	if _, err := r.check(wanted); err != nil {
		return nil, err
	}
	m.rename(r, in.NewCustomKeyStoreName)
	changed := m.editProxyMembers(r, in)
	if err := m.free(r); err != nil || !changed {
		return func() {}, err
	}
	return m.tryProxy(ctx, r)
}

// checkProxyMembers checks the members that belong together, with those that p
// has (guide 004:21036-21042, 21124, 21136).
func (m *Manager) checkProxyMembers(p *Proxy, in *api.UpdateCustomKeyStoreRequest) error {
	connectivity, service := cmp.Or(in.XksProxyConnectivity, p.Connectivity), in.XksProxyVpcEndpointServiceName
	if connectivity == p.Connectivity {
		service = cmp.Or(service, p.Service)
	}
	if err := checkService(connectivity, service, in.XksProxyVpcEndpointServiceOwner); err != nil {
		return err
	}
	if in.XksProxyConnectivity != "" && in.XksProxyUriEndpoint == "" {
		return invalid("XksProxyConnectivity requires XksProxyUriEndpoint.")
	}
	if in.XksProxyUriEndpoint != "" {
		if err := m.checkEndpoint(in.XksProxyUriEndpoint); err != nil {
			return err
		}
	}
	if in.XksProxyUriPath != "" {
		return checkPath(in.XksProxyUriPath)
	}
	return nil
}

// editProxyMembers reports whether there is anything for the proxy to prove.
func (m *Manager) editProxyMembers(r *Record, in *api.UpdateCustomKeyStoreRequest) (changed bool) {
	for _, f := range []struct {
		to  *string
		new string
	}{
		{&r.Proxy.Connectivity, in.XksProxyConnectivity},
		{&r.Proxy.Endpoint, in.XksProxyUriEndpoint},
		{&r.Proxy.Path, in.XksProxyUriPath},
		{&r.Proxy.Service, in.XksProxyVpcEndpointServiceName},
		{&r.Proxy.ServiceOwner, in.XksProxyVpcEndpointServiceOwner},
	} {
		if f.new != "" {
			*f.to, changed = f.new, true
		}
	}
	if r.Proxy.Connectivity != api.XksProxyConnectivityTypeVpcEndpointService {
		r.Proxy.Service, r.Proxy.ServiceOwner = "", ""
	}
	if c := in.XksProxyAuthenticationCredential; c != nil {
		r.Proxy.AccessKeyID, r.Proxy.Secret = c.AccessKeyId, secret(c.RawSecretAccessKey)
		r.Proxy.CredentialCreated, changed = m.c.Clock.Now(), true
	}
	return changed
}

// tryProxy looks at the VPC endpoint service, if there is one, and asks the proxy
// for its health with the new values (guide 004:21012, 22461-22463, 22495,
// contradiction 2). When the key store is connected, the client that has proved
// itself is the one that is used from the change on.
func (m *Manager) tryProxy(ctx context.Context, r *Record) (undo func(), err error) {
	if fault := m.checkEndpointService(r); fault != nil {
		return nil, fault.exception()
	}
	s, err := m.newSession(r)
	if err != nil {
		return nil, err
	}
	if err := m.probe(ctx, s.external, "UpdateCustomKeyStore"); err != nil {
		s.retire()
		return nil, err
	}
	l, ok := m.links.Load(r.ID)
	if !ok || r.State != connected {
		s.retire()
		return func() {}, nil
	}
	l.(*link).prove(s)
	return func() { l.(*link).forget(s) }, nil
}

func (m *Manager) editCluster(ctx context.Context, r *Record, in *api.UpdateCustomKeyStoreRequest) error {
	if in.XksProxyConnectivity != "" || in.XksProxyUriEndpoint != "" || in.XksProxyUriPath != "" ||
		in.XksProxyVpcEndpointServiceName != "" || in.XksProxyVpcEndpointServiceOwner != "" || in.XksProxyAuthenticationCredential != nil {
		return invalid("The XksProxy parameters are valid only for key stores of the type EXTERNAL_KEY_STORE.")
	}
	if in.KeyStorePassword != "" {
		if err := checkPassword(in.KeyStorePassword); err != nil {
			return err
		}
	}
	wanted := useEditCHS
	if in.CloudHsmClusterId != "" || in.KeyStorePassword != "" {
		wanted = useReconfigure
	}
	if _, err := r.check(wanted); err != nil {
		return err
	}
	m.rename(r, in.NewCustomKeyStoreName)
	if p := secret(in.KeyStorePassword); p != "" { // not verified before connecting: 004:18787-18791
		r.Cluster.Given, r.Cluster.Password, r.Cluster.Next = p, p, ""
	}
	if in.CloudHsmClusterId != "" {
		r.ClusterID = in.CloudHsmClusterId
	}
	if err := m.free(r); err != nil || in.CloudHsmClusterId == "" {
		return err
	}
	d, err := m.adopt(ctx, r.Owner, r.ClusterID)
	if err != nil {
		return err
	}
	if d.Certificate != r.Cluster.Certificate { // 004:18585, 18781-18785
		return api.Errorf(api.CodeCloudHsmClusterNotRelatedException, msgNotRelated, r.ClusterID)
	}
	return nil
}
