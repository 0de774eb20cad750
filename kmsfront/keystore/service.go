package keystore

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"hyok/kmsfront/api"
)

// Values of a Service.
const (
	NetworkBalancer = "network" // Type; the other one is gateway
	DomainVerified  = "verified"

	gatewayBalancer = "gateway"
	anyPrincipal    = "*"
)

// domainStates are those of a domain verification (guide 004:20678-20691).
var domainStates = []string{DomainVerified, "pendingVerification", "failed"}

// A Service is a simulated VPC endpoint service: not a network, but the
// properties that KMS looks at (custom-key-stores §6.3, SIM-03).
type Service struct {
	// Name is com.amazonaws.vpce.REGION.vpce-svc-ID; it says the Region.
	Name  string `json:"name"`
	Owner string `json:"owner"` // account ID
	// Type of the load balancer, network or gateway, and in how many Availability
	// Zones it has subnets.
	Type               string   `json:"type"`
	Zones              int      `json:"zones"`
	AcceptanceRequired bool     `json:"acceptanceRequired"`
	Principals         []string `json:"principals"` // those that may connect; * is everybody
	PrivateDNS         string   `json:"privateDns"` // empty: none
	Domain             string   `json:"domain"`     // of the private DNS name: a domain verification status
	// Targets are the host:port of the proxies behind the load balancer; none:
	// Config.ServiceTarget.
	Targets []string `json:"targets,omitempty"`
}

// NewService gives a service as KMS wants one, but for owner and private DNS name.
func NewService(name string) Service {
	return Service{
		Name: name, Type: NetworkBalancer, Zones: 2, Principals: []string{principalOf(regionOf(name))}, Domain: DomainVerified,
	}
}

// principalOf is KMS in a Region, as a consumer of services (guide 004:20697-20703).
func principalOf(region string) string { return "cks.kms." + region + ".amazonaws.com" }

// regionOf is the Region in a service's name; empty when it is none.
func regionOf(name string) string {
	if parts := strings.Split(name, "."); len(parts) == 5 {
		return parts[3]
	}
	return ""
}

// The API model's form of XksProxyVpcEndpointServiceName.
var serviceName = regexp.MustCompile(`^(com|eu)\.amazonaws\.vpce\.([a-z]+-){2,3}\d+\.vpce-svc-[0-9a-z]+$`)

var (
	accountID = regexp.MustCompile(`^[0-9]{12}$`)
	hostName  = regexp.MustCompile(`^([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.)*[a-zA-Z0-9-]{1,63}$`)
)

// validate finds what cannot be; what KMS would not take can be.
func (s *Service) validate() error {
	for _, t := range s.Targets {
		if _, port, err := net.SplitHostPort(t); err != nil || port == "" || strings.Contains(t, ",") {
			return fmt.Errorf("the target %q must be HOST:PORT", t)
		}
	}
	switch {
	case !serviceName.MatchString(s.Name) || len(s.Name) > 64:
		return fmt.Errorf("the name %q must be com.amazonaws.vpce.REGION.vpce-svc-ID, such as com.amazonaws.vpce.us-east-1.vpce-svc-example", s.Name)
	case !accountID.MatchString(s.Owner):
		return fmt.Errorf("the owner %q must be an account ID of 12 digits", s.Owner)
	case s.Type != NetworkBalancer && s.Type != gatewayBalancer:
		return fmt.Errorf("the type %q must be network or gateway", s.Type)
	case s.Zones < 0:
		return fmt.Errorf("%d is no number of Availability Zones", s.Zones)
	case !slices.Contains(domainStates, s.Domain):
		return fmt.Errorf("the domain verification status %q must be one of %s", s.Domain, strings.Join(domainStates, ", "))
	case s.PrivateDNS != "" && (!hostName.MatchString(s.PrivateDNS) || len(s.PrivateDNS) > 253):
		return fmt.Errorf("the private DNS name %q must be a host name", s.PrivateDNS)
	}
	return nil
}

// subdomain reports whether a private DNS name lies below a domain that can be
// public: of three labels or more, and no address (guide 004:20572-20576).
func subdomain(name string) bool {
	_, err := netip.ParseAddr(name)
	return err != nil && strings.Count(strings.Trim(name, "."), ".") >= 2
}

// A service as it stands for a key store, for the rules below.
type serviceCase struct {
	store   *Record
	service *Service
	others  func(yield func(string, *Service) bool) // all services
}

func (c serviceCase) principals() bool {
	return slices.Contains(c.service.Principals, principalOf(c.store.Owner.Region)) ||
		slices.Contains(c.service.Principals, anyPrincipal)
}

// owned: by the key store's account, unless it names another one (API model).
func (c serviceCase) owned() bool {
	want := c.store.Proxy.ServiceOwner
	if want == "" {
		want = c.store.Owner.Account
	}
	return c.service.Owner == want
}

func (c serviceCase) unique() bool {
	for name, s := range c.others {
		if name != c.service.Name && regionOf(name) == regionOf(c.service.Name) && strings.EqualFold(s.PrivateDNS, c.service.PrivateDNS) {
			return false
		}
	}
	return true
}

func (c serviceCase) endpoint() bool {
	u, err := url.Parse(c.store.Proxy.Endpoint)
	return err == nil && strings.EqualFold(u.Hostname(), c.service.PrivateDNS)
}

const (
	xNotFound = api.CodeXksProxyVpcEndpointServiceNotFoundException
	xService  = api.CodeXksProxyVpcEndpointServiceInvalidConfigurationException
	cNotFound = api.ConnectionErrorCodeTypeXksVpcEndpointServiceNotFound
	cService  = api.ConnectionErrorCodeTypeXksVpcEndpointServiceInvalidConfiguration
)

// serviceRules are custom-key-stores §6.3: a row a property, the exception of
// Create and Update and the ConnectionErrorCode when it is violated. The first
// row that applies counts. Contradiction 4 is read so: that acceptance is
// required is an invalid configuration, that KMS is no allowed principal makes
// the service one that cannot be found. The same property "in the caller's
// account" has one error while creating and another while connecting, as in the
// guide (004:22499-22507, 22604). A certificate without the private DNS name is
// a fault of TLS (004:20671-20673), although 004:22610 counts it here.
var serviceRules = []struct {
	holds           func(c serviceCase) bool
	manage, connect string
	fault           string // completes "…: "
}{
	{func(c serviceCase) bool { return c.service != nil }, xNotFound, cNotFound, "it does not exist"},                                                       // 004:20853, 22499-22500
	{func(c serviceCase) bool { return regionOf(c.service.Name) == c.store.Owner.Region }, xNotFound, cNotFound, "it is in another Region"},                 // 004:22504-22507
	{serviceCase.owned, xNotFound, cService, "it belongs to another account"},                                                                               // 004:20853, 22604
	{serviceCase.principals, xNotFound, cNotFound, "the service principal of AWS KMS in this Region is not among its allowed principals"},                   // 004:20697-20703, 22508, 22614
	{func(c serviceCase) bool { return c.service.Type == NetworkBalancer }, xService, cService, "it has no network load balancer"},                          // 004:20854, 22518
	{func(c serviceCase) bool { return c.service.Zones >= 2 }, xService, cService, "it has no subnets in two Availability Zones"},                           // 004:20564, 20854, 22517
	{func(c serviceCase) bool { return !c.service.AcceptanceRequired }, xService, cService, "it requires the acceptance of connections"},                    // 004:20570, 20858, 22519
	{func(c serviceCase) bool { return c.service.PrivateDNS != "" }, xService, cService, "it has no private DNS name"},                                      // 004:20572, 22522
	{func(c serviceCase) bool { return subdomain(c.service.PrivateDNS) }, xService, cService, "its private DNS name is not a subdomain of a public domain"}, // 004:20574-20576, 22522
	{serviceCase.unique, xService, cService, "its private DNS name is not unique in the Region"},                                                            // 004:20572, 20861, 22607
	{func(c serviceCase) bool { return c.service.Domain == DomainVerified }, xService, cService, "the domain of its private DNS name is not verified"},      // 004:20678-20691, 22523-22531
	{serviceCase.endpoint, xService, cService, "its private DNS name is not the host in the proxy URI endpoint"},                                            // 004:22533
}

// A serviceError is the first rule that a service breaks.
type serviceError struct {
	name, fault     string
	manage, connect string
}

func (e *serviceError) Error() string { return fmt.Sprintf(msgService, e.name, e.fault) }

// exception is what Create and Update answer.
func (e *serviceError) exception() error { return &api.Error{Code: e.manage, Message: e.Error()} }

// checkEndpointService looks at the VPC endpoint service of r; nil also when r
// has a public endpoint.
func (m *Manager) checkEndpointService(r *Record) *serviceError {
	if r.Proxy.Service == "" {
		return nil
	}
	s, _, _ := m.services.Get(r.Proxy.Service)
	c := serviceCase{store: r, service: s, others: m.services.All()}
	for _, rule := range serviceRules {
		if !rule.holds(c) {
			return &serviceError{r.Proxy.Service, rule.fault, rule.manage, rule.connect}
		}
	}
	return nil
}
