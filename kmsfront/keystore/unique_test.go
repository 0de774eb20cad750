package keystore

import (
	"testing"

	"hyok/kmsfront/api"
	"hyok/proxy/xks"
)

// TestWhatKeyStoresMayShare walks custom-key-stores §6.2. There are two key
// stores of alice's already: one with the public endpoint, one with the private.
func TestWhatKeyStoresMayShare(t *testing.T) {
	const (
		public, free = "https://public.xks.example.com", "https://free.xks.example.com"
		private      = "https://" + privateName
		vpc          = "VPC_ENDPOINT_SERVICE"
		east, paris  = "com.amazonaws.vpce.us-east-1.vpce-svc-", "com.amazonaws.vpce.eu-west-3.vpce-svc-"
	)
	mallory, abroad := Owner{"444455556666", alice.Region}, Owner{alice.Account, "eu-west-3"}
	v := newVPC(t)
	v.c.Resolve = map[string]string{"public.xks.example.com": v.c.ServiceTarget, privateName: v.c.ServiceTarget, "free.xks.example.com": v.c.ServiceTarget}
	v.restart()
	withCertificate(v.env, v.f, certsLeaf(privateName, "public.xks.example.com", "free.xks.example.com"))
	v.f.change(func() { v.f.path = "" }) // every path is served
	for name, host := range map[string]string{east + "public": "public", east + "free": "free", paris + "public": "public", paris + "1a2b": "myproxy-private"} {
		v.service(name, func(s *Service) { s.PrivateDNS = host + ".xks.example.com" })
	}
	v.create(v.public("one", public, xks.BasePath))
	v.create(v.request("two"))
	for _, c := range []struct {
		rule                    string
		owner                   Owner
		endpoint, path, service string // service empty: public
		want                    string // exception, empty: none
	}{
		{"public, the same endpoint, another path", alice, public, "/a" + xks.BasePath, "", ""},                                                // 004:20499, 20831
		{"public, the same endpoint and path", alice, public, xks.BasePath, "", "XksProxyUriInUseException"},                                   // 004:20830, 20845
		{"the endpoint in capitals is the same", alice, "https://PUBLIC.xks.example.com", xks.BasePath, "", "XksProxyUriInUseException"},       // RFC 4343
		{"public, another account, the same endpoint and path", mallory, public, xks.BasePath, "", ""},                                         // 004:20830
		{"VPC, a public endpoint", alice, public, "/b" + xks.BasePath, east + "public", "XksProxyUriEndpointInUseException"},                   // 004:20500, 20832
		{"VPC, another account's public endpoint", mallory, public, "/b" + xks.BasePath, east + "public", "XksProxyUriEndpointInUseException"}, // 004:20502, 20832
		{"VPC, a public endpoint of another Region", abroad, public, "/b" + xks.BasePath, paris + "public", ""},                                // 004:20501
		{"public, a VPC endpoint", alice, private, "/b" + xks.BasePath, "", "XksProxyUriEndpointInUseException"},                               // 004:20500
		{"public, another account's VPC endpoint", mallory, private, xks.BasePath, "", "XksProxyUriEndpointInUseException"},                    // 004:20502
		{"VPC, the same endpoint, another path", alice, private, "/b" + xks.BasePath, east + "free", "XksProxyUriEndpointInUseException"},      // 004:20833, 20861
		{"VPC, the same endpoint and path", alice, private, xks.BasePath, east + "free", "XksProxyUriInUseException"},                          // 004:20830
		{"VPC, another account's endpoint", mallory, private, xks.BasePath, east + "free", "XksProxyUriEndpointInUseException"},                // 004:20572
		{"VPC, the same endpoint in another Region", abroad, private, xks.BasePath, paris + "1a2b", ""},                                        // 004:20572
		{"VPC, the same service", alice, free, xks.BasePath, serviceID, "XksProxyVpcEndpointServiceInUseException"},                            // 004:20566, 20657
		{"VPC, the same service from another account", mallory, free, xks.BasePath, serviceID, "XksProxyVpcEndpointServiceInUseException"},     // API model
	} {
		t.Run(c.rule, func(t *testing.T) {
			in := v.public(c.rule, c.endpoint, c.path)
			if c.service != "" {
				in.XksProxyConnectivity, in.XksProxyVpcEndpointServiceName, in.XksProxyVpcEndpointServiceOwner = vpc, c.service, alice.Account
			}
			_, err := v.Create(ctxOf("CreateCustomKeyStore"), c.owner, in)
			if c.want == "" && err != nil {
				t.Error(err)
			} else if c.want != "" {
				refused(t, err, c.want, "")
			}
		})
	}
}

// public asks for a key store with a public endpoint.
func (v *vpcEnv) public(name, endpoint, path string) *api.CreateCustomKeyStoreRequest {
	in := v.f.request(name)
	in.XksProxyUriEndpoint, in.XksProxyUriPath = endpoint, path
	return in
}

// A public endpoint becomes a private one when its key store is the last that has it.
func TestASharedEndpointIsFreeWhenTheLastHasLeft(t *testing.T) {
	v := newVPC(t)
	v.c.Resolve = map[string]string{privateName: v.c.ServiceTarget}
	v.restart()
	v.f.change(func() { v.f.path = "" })
	one := v.create(v.public("one", "https://"+privateName, xks.BasePath))
	two := v.create(v.public("two", "https://"+privateName, "/two"+xks.BasePath))
	in := updateOf(one)
	in.XksProxyConnectivity, in.XksProxyUriEndpoint, in.XksProxyVpcEndpointServiceName = "VPC_ENDPOINT_SERVICE", "https://"+privateName, serviceID
	refused(t, v.update(in), "XksProxyUriEndpointInUseException", "")
	if err := v.delete(two); err != nil {
		t.Fatal(err)
	}
	if err := v.update(in); err != nil {
		t.Fatal(err)
	}
	_, err := v.Create(ctxOf("CreateCustomKeyStore"), alice, v.public("two", "https://"+privateName, "/two"+xks.BasePath))
	refused(t, err, "XksProxyUriEndpointInUseException", "")
	if err := v.delete(one); err != nil {
		t.Fatal(err)
	}
	v.create(v.request("three"))
	if n := v.claims.Len(); n != 5 { // name, URI, endpoint, service, count
		t.Errorf("%d claims for one key store", n)
	}
}
