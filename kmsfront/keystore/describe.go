package keystore

import (
	"context"
	"strings"

	"hyok/kmsfront/api"
)

// defaultPage is how many key stores Describe gives when no Limit says so.
const defaultPage = 100

// Describe is DescribeCustomKeyStores for o (custom-key-stores §1): all key stores,
// in the order of their IDs, or the one of that ID or name. Passwords and secret
// keys are never among what it tells.
func (m *Manager) Describe(_ context.Context, o Owner, in *api.DescribeCustomKeyStoresRequest) (*api.DescribeCustomKeyStoresResponse, error) {
	switch {
	case in.CustomKeyStoreId != "" && in.CustomKeyStoreName != "":
		return nil, invalid("Specify CustomKeyStoreId or CustomKeyStoreName, not both.")
	case in.CustomKeyStoreId != "":
		return one(m.owned(o, in.CustomKeyStoreId))
	case in.CustomKeyStoreName != "":
		return one(m.named(o, in.CustomKeyStoreName))
	case in.Marker != "" && !strings.HasPrefix(in.Marker, "cks-"):
		return nil, &api.Error{Code: api.CodeInvalidMarkerException, Message: "The marker is not one of DescribeCustomKeyStores."}
	}
	limit := defaultPage
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	out := &api.DescribeCustomKeyStoresResponse{}
	for id, r := range m.stores.By(byOwner, o.key(), in.Marker) {
		if len(out.CustomKeyStores) == limit {
			out.Truncated = true
			break
		}
		out.CustomKeyStores, out.NextMarker = append(out.CustomKeyStores, entry(r)), id
	}
	if !out.Truncated {
		out.NextMarker = ""
	}
	return out, nil
}

func one(r *Record, err error) (*api.DescribeCustomKeyStoresResponse, error) {
	if err != nil {
		return nil, err
	}
	return &api.DescribeCustomKeyStoresResponse{CustomKeyStores: []*api.CustomKeyStoresListEntry{entry(r)}}, nil
}

func (m *Manager) named(o Owner, name string) (*Record, error) {
	key := (&Record{Name: name, Owner: o}).uniques()[0].key
	if c, _, ok := m.claims.Get(key); ok {
		if r, ok := m.Get(c.StoreID); ok {
			return r, nil
		}
	}
	return nil, api.Errorf(api.CodeCustomKeyStoreNotFoundException, msgNameNotFound, name)
}

func entry(r *Record) *api.CustomKeyStoresListEntry {
	e := &api.CustomKeyStoresListEntry{
		CustomKeyStoreId: r.ID, CustomKeyStoreName: r.Name, CustomKeyStoreType: r.Type,
		CreationDate: r.Created, ConnectionState: r.State,
	}
	if showsCode(r.State) {
		e.ConnectionErrorCode = r.ErrorCode
	}
	if p := r.Proxy; p != nil {
		e.XksProxyConfiguration = &api.XksProxyConfigurationType{
			Connectivity: p.Connectivity, AccessKeyId: p.AccessKeyID, UriEndpoint: p.Endpoint, UriPath: p.Path,
			VpcEndpointServiceName: p.Service, VpcEndpointServiceOwner: p.ServiceOwner,
		}
	}
	if c := r.Cluster; c != nil {
		e.CloudHsmClusterId, e.TrustAnchorCertificate = r.ClusterID, c.TrustAnchor
	}
	return e
}
