package kmsfront

import (
	"context"

	"hyok/kmsfront/api"
)

// The custom key store operations are keystore's; here they get their owner and
// leave what the trail shows (guide 004:4218-4255).

func (s *Server) createCustomKeyStore(ctx context.Context, r *request, in *api.CreateCustomKeyStoreRequest) (*api.CreateCustomKeyStoreResponse, error) {
	return s.stores.Create(ctx, r.owner(), in)
}

func (s *Server) describeCustomKeyStores(ctx context.Context, r *request, in *api.DescribeCustomKeyStoresRequest) (*api.DescribeCustomKeyStoresResponse, error) {
	return s.stores.Describe(ctx, r.owner(), in)
}

func (s *Server) updateCustomKeyStore(ctx context.Context, r *request, in *api.UpdateCustomKeyStoreRequest) (*api.UpdateCustomKeyStoreResponse, error) {
	out, err := s.stores.Update(ctx, r.owner(), in)
	s.namedStore(r, in.CustomKeyStoreId) // as it is now: guide 004:6953-6961
	return out, err
}

func (s *Server) connectCustomKeyStore(ctx context.Context, r *request, in *api.ConnectCustomKeyStoreRequest) (*api.ConnectCustomKeyStoreResponse, error) {
	s.namedStore(r, in.CustomKeyStoreId)
	return s.stores.Connect(ctx, r.owner(), in)
}

func (s *Server) disconnectCustomKeyStore(ctx context.Context, r *request, in *api.DisconnectCustomKeyStoreRequest) (*api.DisconnectCustomKeyStoreResponse, error) {
	s.namedStore(r, in.CustomKeyStoreId)
	return s.stores.Disconnect(ctx, r.owner(), in)
}

func (s *Server) deleteCustomKeyStore(ctx context.Context, r *request, in *api.DeleteCustomKeyStoreRequest) (*api.DeleteCustomKeyStoreResponse, error) {
	s.creating.Lock()
	defer s.creating.Unlock()
	s.namedStore(r, in.CustomKeyStoreId)
	out, err := s.stores.Delete(ctx, r.owner(), in)
	if err == nil {
		s.quotas.ForgetStore(in.CustomKeyStoreId)
	}
	return out, err
}

// namedStore notes the name and cluster of the store that a call works on.
func (s *Server) namedStore(r *request, id string) {
	st, ok := s.stores.Get(id)
	if !ok || st.Owner != r.owner() {
		return
	}
	r.extra.AdditionalEventData = map[string]any{"customKeyStoreName": st.Name}
	if st.ClusterID != "" {
		r.extra.AdditionalEventData["clusterId"] = st.ClusterID
	}
}
