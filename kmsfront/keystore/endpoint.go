package keystore

import (
	"regexp"
	"strings"

	"hyok/proxy/xks"
)

// What the API model demands of XksProxyUriEndpoint; the second form is for
// AllowEndpointPort.
const (
	endpointPattern = `^https://[a-zA-Z0-9.-]+$`
	minEndpoint     = 10
	maxEndpoint     = 128
)

var (
	endpointForm     = regexp.MustCompile(endpointPattern)
	endpointPortForm = regexp.MustCompile(`^https://[a-zA-Z0-9.-]+(:[0-9]{1,5})?$`)
)

// checkEndpoint wants https and a host name: no path, and no port unless that
// is allowed (guide 004:20505, 20815-20817, contradiction 3).
func (m *Manager) checkEndpoint(endpoint string) error {
	form := endpointForm
	if m.c.AllowEndpointPort {
		form = endpointPortForm
	}
	demand := ""
	switch {
	case !form.MatchString(endpoint):
		demand = "satisfy regular expression pattern: " + endpointPattern
	case len(endpoint) > maxEndpoint:
		demand = "have length less than or equal to 128"
	case len(endpoint) < minEndpoint:
		demand = "have length greater than or equal to 10"
	default:
		return nil
	}
	return invalid("1 validation error detected: Value '%s' at 'xksProxyUriEndpoint' failed to satisfy constraint: Member must %s", endpoint, demand)
}

// checkPath wants a path that ends with /kms/xks/v1, the only version that
// there is (guide 004:20837).
func checkPath(path string) error {
	if err := xks.CheckPath(path); err != nil || !strings.HasSuffix(path, xks.BasePath) {
		return invalid("XksProxyUriPath must start with a slash and end with %s.", xks.BasePath)
	}
	return nil
}

// checkURI keeps the longest URI of an external key to what the proxy's
// specification allows (XKS spec, URI path).
func checkURI(p *Proxy, xksKeyID string) error {
	if len(p.Endpoint)+len(p.Path)+len("/keys/"+xksKeyID+"/metadata") > xks.MaxURI {
		return invalid("XksKeyId is too long: with the proxy URI endpoint and path of the key store it makes a URI of more than %d characters.", xks.MaxURI)
	}
	return nil
}

// checkPassword keeps kmsuser's password to the guide's form (guide 004:18623, 19971).
func checkPassword(p string) error {
	ok := len(p) >= 7 && len(p) <= 32
	for i := range len(p) {
		c := p[i]
		ok = ok && ('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9')
	}
	if !ok {
		return invalid("KeyStorePassword must have 7 to 32 alphanumeric characters.")
	}
	return nil
}
