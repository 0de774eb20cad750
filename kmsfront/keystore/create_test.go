package keystore

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"hyok/kmsfront/api"
	"hyok/proxy/xks"
)

func TestMembersOfAnExternalKeyStore(t *testing.T) {
	type in = api.CreateCustomKeyStoreRequest
	e := newEnv(t, func(e *env) { e.c.AllowEndpointPort = false })
	f := newFakeProxy(t, e)
	for rule, c := range map[string]struct {
		spoil func(*in)
		code  string
		words string
	}{
		"connectivity is required":   {func(r *in) { r.XksProxyConnectivity = "" }, "ValidationException", "XksProxyConnectivity"},
		"endpoint is required":       {func(r *in) { r.XksProxyUriEndpoint = "" }, "ValidationException", "XksProxyUriEndpoint"},
		"path is required":           {func(r *in) { r.XksProxyUriPath = "" }, "ValidationException", "XksProxyUriPath"},
		"credential is required":     {func(r *in) { r.XksProxyAuthenticationCredential = nil }, "ValidationException", "XksProxyAuthenticationCredential"},
		"no member of clusters":      {func(r *in) { r.KeyStorePassword = "password1" }, "ValidationException", "AWS_CLOUDHSM"},
		"no service when public":     {func(r *in) { r.XksProxyVpcEndpointServiceName = "com.amazonaws.vpce.us-east-1.vpce-svc-1" }, "ValidationException", "VPC_ENDPOINT_SERVICE"},
		"service needs its name":     {func(r *in) { r.XksProxyConnectivity = "VPC_ENDPOINT_SERVICE" }, "ValidationException", "XksProxyVpcEndpointServiceName"},
		"no port (contradiction 3)":  {func(r *in) { r.XksProxyUriEndpoint = "https://xks.example.com:6443" }, "ValidationException", "pattern"},
		"no path in the endpoint":    {func(r *in) { r.XksProxyUriEndpoint = "https://xks.example.com/" }, "ValidationException", "pattern"},
		"no http":                    {func(r *in) { r.XksProxyUriEndpoint = "http://xks.example.com" }, "ValidationException", "pattern"},
		"a short endpoint":           {func(r *in) { r.XksProxyUriEndpoint = "https://a" }, "ValidationException", "greater than or equal to 10"},
		"a long endpoint":            {func(r *in) { r.XksProxyUriEndpoint = "https://" + strings.Repeat("a", 121) }, "ValidationException", "less than or equal to 128"},
		"another version":            {func(r *in) { r.XksProxyUriPath = "/kms/xks/v2" }, "ValidationException", xks.BasePath},
		"no slash before the prefix": {func(r *in) { r.XksProxyUriPath = "a/kms/xks/v1" }, "ValidationException", xks.BasePath},
	} {
		t.Run(rule, func(t *testing.T) {
			r := f.request("one")
			r.XksProxyUriEndpoint = "https://xks.example.com"
			c.spoil(r)
			_, err := e.Create(ctxOf("CreateCustomKeyStore"), alice, r)
			refused(t, err, c.code, "")
			if !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v does not tell of %q", err, c.words)
			}
		})
	}
	if n := len(f.asked(xks.OpGetHealthStatus)); n != 0 {
		t.Errorf("the proxy was asked %d times", n)
	}
}

func TestResolveLeadsRealNamesToALocalProxy(t *testing.T) {
	e := newEnv(t, func(e *env) {
		e.c.AllowEndpointPort = false
		e.c.Resolve = map[string]string{"xks.example.com": ""}
	})
	f := newFakeProxy(t, e)
	e.c.Resolve["xks.example.com"] = f.Listener.Addr().String()
	l := certsLeaf("xks.example.com")
	withCertificate(e, f, l)
	in := f.request("one")
	in.XksProxyUriEndpoint = "https://xks.example.com"
	id := e.connected(e.create(in))
	e.roundTrip(e.key(id, "external-1"))
}

func TestNamesAndURIsAreUniqueWithinAccountAndRegion(t *testing.T) {
	e := newEnv(t)
	f := newFakeProxy(t, e)
	e.create(f.request("one"))
	mallory := Owner{"444455556666", alice.Region}
	paris := Owner{alice.Account, "eu-west-3"}
	f.change(func() { f.path = "" }) // every path is served
	for _, c := range []struct {
		rule, name, path string
		owner            Owner
		code             string
	}{
		{"the name", "one", "/other" + xks.BasePath, alice, "CustomKeyStoreNameInUseException"},
		{"endpoint and path", "two", xks.BasePath, alice, "XksProxyUriInUseException"},
		{"both in another account", "one", xks.BasePath, mallory, ""},
		{"both in another Region, whose signature this proxy refuses", "one", xks.BasePath, paris, "XksProxyIncorrectAuthenticationCredentialException"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			in := f.request(c.name)
			in.XksProxyUriPath = c.path
			_, err := e.Create(ctxOf("CreateCustomKeyStore"), c.owner, in)
			if c.code == "" && err != nil {
				t.Error(err)
			} else if c.code != "" {
				refused(t, err, c.code, "")
			}
		})
	}
}

func TestAnExternalKeyStoreIsNotCreatedTwice(t *testing.T) { // contradiction 37
	e := newEnv(t)
	f := newFakeProxy(t, e)
	e.create(f.request("one"))
	_, err := e.Create(ctxOf("CreateCustomKeyStore"), alice, f.request("one"))
	refused(t, err, "CustomKeyStoreNameInUseException", "")
}

func TestDeletingFreesNameURIAndQuota(t *testing.T) {
	e := newEnv(t, func(e *env) { e.c.MaxStores = 1 })
	f := newFakeProxy(t, e)
	for range 2 {
		id := e.create(f.request("one"))
		if err := e.delete(id); err != nil {
			t.Fatal(err)
		}
		if err := e.delete(id); err == nil {
			t.Error("what is deleted can be deleted")
		}
	}
	if n := e.stores.Len(); n != 0 {
		t.Errorf("%d records are left", n)
	}
}

func TestTheQuotaHoldsWhenManyCreateAtOnce(t *testing.T) { // guide 004:23469-23473
	e := newEnv(t, func(e *env) { e.c.MaxStores = 3 })
	f := newFakeProxy(t, e)
	f.change(func() { f.path = "" })
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	for i := range cap(errs) {
		wg.Go(func() {
			in := f.request(fmt.Sprint("store ", i))
			in.XksProxyUriPath = fmt.Sprintf("/p%d%s", i, xks.BasePath)
			_, err := e.Create(ctxOf("CreateCustomKeyStore"), alice, in)
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	made := 0
	for err := range errs {
		if err == nil {
			made++
			continue
		}
		refused(t, err, "LimitExceededException", "")
	}
	if made != 3 || e.stores.Len() != 3 {
		t.Errorf("%d of 8 were created, %d are there", made, e.stores.Len())
	}
}

func TestAKeyStoreWithKeysIsNotDeleted(t *testing.T) {
	e := newEnv(t, func(e *env) { e.c.HasKeys = func(string) bool { return true } })
	f := newFakeProxy(t, e)
	id := e.connected(e.create(f.request("one")))
	refused(t, e.delete(id), "CustomKeyStoreInvalidStateException", "")
	e.disconnected(id)
	refused(t, e.delete(id), "CustomKeyStoreHasCMKsException", "")
}

func TestOthersKeyStoresDoNotExist(t *testing.T) {
	e := newEnv(t)
	id := e.create(newFakeProxy(t, e).request("one"))
	mallory := Owner{"444455556666", alice.Region}
	for op, do := range map[string]func() error{
		"Connect": func() error {
			_, err := e.Connect(t.Context(), mallory, &api.ConnectCustomKeyStoreRequest{CustomKeyStoreId: id})
			return err
		},
		"Disconnect": func() error {
			_, err := e.Disconnect(t.Context(), mallory, &api.DisconnectCustomKeyStoreRequest{CustomKeyStoreId: id})
			return err
		},
		"Update": func() error { _, err := e.Update(t.Context(), mallory, updateOf(id)); return err },
		"Delete": func() error {
			_, err := e.Delete(t.Context(), mallory, &api.DeleteCustomKeyStoreRequest{CustomKeyStoreId: id})
			return err
		},
		"Describe": func() error {
			_, err := e.Describe(t.Context(), mallory, &api.DescribeCustomKeyStoresRequest{CustomKeyStoreId: id})
			return err
		},
		"Describe by name": func() error {
			_, err := e.Describe(t.Context(), mallory, &api.DescribeCustomKeyStoresRequest{CustomKeyStoreName: "one"})
			return err
		},
		"Random": func() error { _, err := e.Random(t.Context(), mallory, id, 8); return err },
	} {
		t.Run(op, func(t *testing.T) { refused(t, do(), "CustomKeyStoreNotFoundException", "") })
	}
	_, err := e.Random(t.Context(), alice, id, 8)
	refused(t, err, "UnsupportedOperationException", "")
}

func TestDescribe(t *testing.T) {
	e := newEnv(t)
	f := newFakeProxy(t, e)
	f.change(func() { f.path = "" })
	want := map[string]bool{}
	for i := range 5 {
		in := f.request(fmt.Sprint("store ", i))
		in.XksProxyUriPath = fmt.Sprintf("/p%d%s", i, xks.BasePath)
		want[e.create(in)] = true
	}
	ask := func(in *api.DescribeCustomKeyStoresRequest) *api.DescribeCustomKeyStoresResponse {
		t.Helper()
		out, err := e.Describe(t.Context(), alice, in)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	limit, marker := int32(2), ""
	for pages := 0; pages == 0 || marker != ""; pages++ {
		out := ask(&api.DescribeCustomKeyStoresRequest{Limit: &limit, Marker: marker})
		for _, s := range out.CustomKeyStores {
			if !want[s.CustomKeyStoreId] {
				t.Errorf("%s comes twice or is not ours", s.CustomKeyStoreId)
			}
			delete(want, s.CustomKeyStoreId)
		}
		if out.Truncated != (out.NextMarker != "") || pages > 3 {
			t.Fatalf("page %d: truncated %v, marker %q", pages, out.Truncated, out.NextMarker)
		}
		marker = out.NextMarker
	}
	if len(want) != 0 {
		t.Errorf("not listed: %v", want)
	}
	if out := ask(&api.DescribeCustomKeyStoresRequest{CustomKeyStoreName: "store 3"}); out.CustomKeyStores[0].CustomKeyStoreName != "store 3" {
		t.Errorf("by name: %+v", out.CustomKeyStores[0])
	}
	for code, in := range map[string]*api.DescribeCustomKeyStoresRequest{
		"ValidationException":             {CustomKeyStoreId: "cks-1", CustomKeyStoreName: "store 3"},
		"CustomKeyStoreNotFoundException": {CustomKeyStoreName: "store 9"},
		"InvalidMarkerException":          {Marker: "x"},
	} {
		_, err := e.Describe(t.Context(), alice, in)
		refused(t, err, code, "")
	}
}
