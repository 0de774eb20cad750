package keystore

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hyok/kmsfront/api"
	"hyok/proxy/xks"
)

const (
	privateName = "myproxy-private.xks.example.com"
	serviceID   = "com.amazonaws.vpce.us-east-1.vpce-svc-1a2b"
)

// A vpcEnv is an env with a proxy behind a VPC endpoint service that is well.
type vpcEnv struct {
	*env
	f *fakeProxy
}

func newVPC(t *testing.T) *vpcEnv {
	t.Helper()
	v := &vpcEnv{}
	v.env = newEnv(t, func(e *env) {
		v.f = newFakeProxy(t, e)
		withCertificate(e, v.f, certsLeaf(privateName))
		e.c.AllowEndpointPort, e.c.ServiceTarget = false, v.f.Listener.Addr().String()
	})
	v.service(serviceID, func(*Service) {})
	return v
}

// service makes a service of alice's, changed by spoil.
func (v *vpcEnv) service(name string, spoil func(*Service)) {
	v.t.Helper()
	s := NewService(name)
	s.Owner, s.PrivateDNS = alice.Account, privateName
	spoil(&s)
	if err := v.CreateService(v.t.Context(), s); err != nil {
		v.t.Fatal(err)
	}
}

func (v *vpcEnv) change(spoil func(*Service)) {
	v.t.Helper()
	if _, err := v.ChangeService(v.t.Context(), serviceID, func(s *Service) error { spoil(s); return nil }); err != nil {
		v.t.Fatal(err)
	}
}

func (v *vpcEnv) request(name string) *api.CreateCustomKeyStoreRequest {
	in := v.f.request(name)
	in.XksProxyConnectivity, in.XksProxyUriEndpoint, in.XksProxyVpcEndpointServiceName = "VPC_ENDPOINT_SERVICE", "https://"+privateName, serviceID
	return in
}

const (
	serviceGone  = "XKS_VPC_ENDPOINT_SERVICE_NOT_FOUND"
	serviceWrong = "XKS_VPC_ENDPOINT_SERVICE_INVALID_CONFIGURATION"
)

type serviceFault struct {
	property        string // as the message has it
	cause           string // in the document of codes
	spoil           func(*Service)
	manage, connect string
}

// serviceFaults is custom-key-stores §6.3 (contradiction 36): what is violated, with the exception
// of Create and Update and the ConnectionErrorCode. "-" stands for what cannot
// come to be: the name of a key store's service says its Region.
var serviceFaults = []serviceFault{
	{"does not exist", "it was deleted", nil, "NotFound", serviceGone},
	{"another Region", "", nil, "NotFound", "-"},
	{"another account", "it has come into another account", func(s *Service) { s.Owner = "444455556666" }, "NotFound", serviceWrong},
	{"allowed principals", "KMS's principal of the Region is not allowed", func(s *Service) { s.Principals = []string{"cks.kms.eu-west-3.amazonaws.com"} }, "NotFound", serviceGone}, // contradiction 4
	{"network load balancer", "a gateway load balancer", func(s *Service) { s.Type = "gateway" }, "InvalidConfiguration", serviceWrong},
	{"two Availability Zones", "subnets in one Availability Zone only", func(s *Service) { s.Zones = 1 }, "InvalidConfiguration", serviceWrong},
	{"acceptance of connections", "connections must be accepted", func(s *Service) { s.AcceptanceRequired = true }, "InvalidConfiguration", serviceWrong}, // contradiction 4
	{"has no private DNS name", "no private DNS name", func(s *Service) { s.PrivateDNS = "" }, "InvalidConfiguration", serviceWrong},
	{"subdomain of a public domain", "a private DNS name that is no subdomain", func(s *Service) { s.PrivateDNS = "example.com" }, "InvalidConfiguration", serviceWrong},
	{"not unique in the Region", "another service of the Region has its private DNS name", nil, "InvalidConfiguration", serviceWrong},
	{"not verified", "the domain is not verified", func(s *Service) { s.Domain = "pendingVerification" }, "InvalidConfiguration", serviceWrong},
	{"host in the proxy URI endpoint", "its private DNS name is not the endpoint's host", func(s *Service) { s.PrivateDNS = "other.xks.example.com" }, "InvalidConfiguration", serviceWrong},
}

// violate breaks the property of row i, and gives the name of the service to ask for.
func (v *vpcEnv) violate(i int) (name string) {
	v.t.Helper()
	switch f := serviceFaults[i]; {
	case f.spoil != nil:
		v.change(f.spoil)
	case f.property == "not unique in the Region":
		v.service("com.amazonaws.vpce.us-east-1.vpce-svc-2", func(s *Service) { s.Owner = "444455556666" })
		v.service("com.amazonaws.vpce.eu-west-3.vpce-svc-2", func(*Service) {}) // another Region's does not matter
	case f.property == "another Region":
		name = "com.amazonaws.vpce.eu-west-3.vpce-svc-1a2b"
		v.service(name, func(s *Service) { s.Principals = []string{"*"} })
		return name
	default:
		if err := v.DeleteService(v.t.Context(), serviceID); err != nil {
			v.t.Fatal(err)
		}
	}
	return serviceID
}

func TestEachPropertyOfAnEndpointServiceIsChecked(t *testing.T) {
	if len(serviceFaults) != len(serviceRules) {
		t.Fatalf("%d rules, %d violations", len(serviceRules), len(serviceFaults))
	}
	for i, row := range serviceFaults {
		exception := "XksProxyVpcEndpointService" + row.manage + "Exception"
		t.Run(row.property+"/Create", func(t *testing.T) {
			v := newVPC(t)
			in := v.request("one")
			in.XksProxyVpcEndpointServiceName = v.violate(i)
			_, err := v.Create(ctxOf("CreateCustomKeyStore"), alice, in)
			refusedWith(t, err, exception, row.property)
			if n := v.stores.Len() + v.claims.Len(); n != 0 {
				t.Errorf("%d records are left behind", n)
			}
		})
		t.Run(row.property+"/Update", func(t *testing.T) {
			v := newVPC(t)
			id := v.create(v.request("one"))
			in := updateOf(id)
			in.XksProxyVpcEndpointServiceName, in.NewCustomKeyStoreName = v.violate(i), "two"
			before, _ := v.Get(id)
			refusedWith(t, v.update(in), exception, row.property)
			if after, _ := v.Get(id); after != before {
				t.Error("a failed update has changed the record")
			}
		})
		if row.connect == "-" {
			continue
		}
		t.Run(row.property+"/Connect", func(t *testing.T) {
			v := newVPC(t)
			id := v.create(v.request("one"))
			v.violate(i)
			v.connect(id)
			v.await(id, "FAILED")
			if got := v.describe(id).ConnectionErrorCode; got != row.connect {
				t.Errorf("ConnectionErrorCode is %s, want %s", got, row.connect)
			}
			if n := len(v.f.asked(xks.OpGetHealthStatus)); n != 0 {
				t.Errorf("the proxy was asked %d times", n)
			}
		})
	}
}

func TestAKeyStoreBehindAnEndpointService(t *testing.T) {
	v := newVPC(t)
	id := v.create(v.request("one"))
	if n := len(v.f.asked(xks.OpGetHealthStatus)); n != 0 { // contradiction 2
		t.Errorf("creating asks the proxy %d times", n)
	}
	v.connected(id)
	k := v.key(id, "external-1")
	v.roundTrip(k)
	want := &api.XksProxyConfigurationType{Connectivity: "VPC_ENDPOINT_SERVICE", AccessKeyId: accessKey,
		UriEndpoint: "https://" + privateName, UriPath: xks.BasePath, VpcEndpointServiceName: serviceID}
	if d := cmp.Diff(want, v.describe(id).XksProxyConfiguration); d != "" {
		t.Error(d)
	}
	v.change(func(s *Service) { s.AcceptanceRequired = true }) // says nothing of a connection that is there
	v.restart()
	if got := v.describe(id).ConnectionState; got != "CONNECTED" {
		t.Errorf("after a restart the state is %s", got)
	}
	v.roundTrip(k)
}

func TestTheCertificateNeedsThePrivateName(t *testing.T) { // guide 004:20671-20673, contradiction 33
	v := newVPC(t)
	id := v.create(v.request("one"))
	withCertificate(v.env, v.f, certsLeaf("localhost"))
	v.connect(id)
	v.await(id, "FAILED")
	if got := v.describe(id).ConnectionErrorCode; got != "XKS_PROXY_INVALID_TLS_CONFIGURATION" {
		t.Errorf("ConnectionErrorCode is %s", got)
	}
}

func TestUpdatingBehindAnEndpointServiceAsksTheProxy(t *testing.T) { // contradiction 2
	v := newVPC(t)
	id := v.create(v.request("one"))
	in := updateOf(id)
	in.XksProxyUriPath = "/wrong" + xks.BasePath
	refused(t, v.update(in), "XksProxyInvalidConfigurationException", msgURIPath)
	in.XksProxyUriPath, in.XksProxyAuthenticationCredential = xks.BasePath, newCredential()
	refused(t, v.update(in), "XksProxyIncorrectAuthenticationCredentialException", "")
	if n := len(v.f.asked(xks.OpGetHealthStatus)); n != 2 {
		t.Errorf("the proxy was asked %d times", n)
	}
}

func TestConnectivityCanBeChanged(t *testing.T) { // guide 004:21039-21042, 21124, 21136
	v := newVPC(t)
	v.c.Resolve = map[string]string{privateName: v.c.ServiceTarget}
	v.restart()
	id := v.create(v.request("one"))
	in := updateOf(id)
	in.XksProxyConnectivity, in.XksProxyUriEndpoint = "PUBLIC_ENDPOINT", "https://"+privateName
	in.XksProxyVpcEndpointServiceName = serviceID
	refused(t, v.update(in), "ValidationException", "")
	in.XksProxyVpcEndpointServiceName = ""
	if err := v.update(in); err != nil {
		t.Fatal(err)
	}
	if c := v.describe(id).XksProxyConfiguration; c.Connectivity != "PUBLIC_ENDPOINT" || c.VpcEndpointServiceName != "" {
		t.Errorf("the key store is %+v", c)
	}
	in.XksProxyConnectivity, in.XksProxyVpcEndpointServiceName = "VPC_ENDPOINT_SERVICE", serviceID
	v.connected(id)
	refused(t, v.update(in), "CustomKeyStoreInvalidStateException", "")
	v.disconnected(id)
	if err := v.update(in); err != nil {
		t.Fatal(err)
	}
	v.connected(id)
	v.roundTrip(v.key(id, "external-1"))
	only := updateOf(id) // the service alone needs DISCONNECTED too
	only.XksProxyVpcEndpointServiceName = serviceID
	refused(t, v.update(only), "CustomKeyStoreInvalidStateException", "")
}

func TestTheServicesOwnerCanBeAnotherAccount(t *testing.T) { // API model: XksProxyVpcEndpointServiceOwner
	v := newVPC(t)
	v.change(func(s *Service) { s.Owner = "444455556666" })
	in := v.request("one")
	in.XksProxyVpcEndpointServiceOwner = "444455556666"
	id := v.connected(v.create(in))
	if got := v.describe(id).XksProxyConfiguration.VpcEndpointServiceOwner; got != "444455556666" {
		t.Errorf("the owner is %q", got)
	}
}

func TestTheTargetsOfAServiceAreTriedInTurn(t *testing.T) {
	v := newVPC(t)
	v.change(func(s *Service) { s.Targets = []string{"127.0.0.1:1", v.c.ServiceTarget} })
	id := v.connected(v.create(v.request("one")))
	v.roundTrip(v.key(id, "external-1"))
	v.disconnected(id)
	v.change(func(s *Service) { s.Targets = s.Targets[:1] })
	v.connect(id)
	v.await(id, "FAILED")
	if got := v.describe(id).ConnectionErrorCode; got != "XKS_PROXY_NOT_REACHABLE" {
		t.Errorf("ConnectionErrorCode is %s", got)
	}
}

func TestServicesThatCannotBe(t *testing.T) {
	v := newVPC(t)
	for part, spoil := range map[string]func(*Service){
		"vpce-svc-ID":     func(s *Service) { s.Name = "mine" },
		"12 digits":       func(s *Service) { s.Owner = "1" },
		"network or":      func(s *Service) { s.Type = "classic" },
		"-1 is no number": func(s *Service) { s.Zones = -1 },
		"must be one of verified, pendingVerification, failed": func(s *Service) { s.Domain = "maybe" },
		"must be a host name": func(s *Service) { s.PrivateDNS = "https://a" },
		"HOST:PORT":           func(s *Service) { s.Targets = []string{"localhost"} },
		"already":             func(s *Service) { s.Name = serviceID },
	} {
		s := NewService("com.amazonaws.vpce.us-east-1.vpce-svc-3")
		s.Owner = alice.Account
		spoil(&s)
		if err := v.CreateService(t.Context(), s); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got %v, want an error with %q", err, part)
		}
	}
	if n := len(v.Services()); n != 1 {
		t.Errorf("%d services are there", n)
	}
}

// A wildcard stands for one label (guide 004:20503-20504, 20580).
func TestWildcardsInTheCertificate(t *testing.T) {
	for name, taken := range map[string]bool{"*.xks.example.com": true, "*.example.com": false, "*.myproxy-private.xks.example.com": false} {
		t.Run(name, func(t *testing.T) {
			v := newVPC(t)
			withCertificate(v.env, v.f, certsLeaf(name))
			id := v.create(v.request("one"))
			v.connect(id)
			v.await(id, map[bool]string{true: "CONNECTED", false: "FAILED"}[taken])
			if got := v.describe(id).ConnectionErrorCode; !taken && got != badTLS {
				t.Errorf("ConnectionErrorCode is %s", got)
			}
		})
	}
}
