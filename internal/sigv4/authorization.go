package sigv4

import "strings"

// authorization is a parsed Authorization header. Its fields are parts of it.
type authorization struct {
	accessKeyID   string
	scope         scope
	signedHeaders string
	signature     string
}

// parseAuthorization reads
//
//	AWS4-HMAC-SHA256 Credential=<id>/<day>/<region>/<service>/aws4_request, SignedHeaders=<a;b>, Signature=<hex>
//
// with the three fields in any order and any blanks or tabs around the commas.
// A field that is absent, doubled or not one of these is an error.
func parseAuthorization(header string) (a authorization, refusal *Error) {
	header = trimBlanks(header)
	name, rest := header, ""
	if i := strings.IndexAny(header, " \t"); i >= 0 {
		name, rest = header[:i], header[i:]
	}
	if name != algorithm {
		return a, incomplete("Unsupported AWS 'algorithm': " + quote(name) + ".")
	}
	var credential string
	fields := [...]field{
		{"Credential", &credential},
		{"SignedHeaders", &a.signedHeaders},
		{"Signature", &a.signature},
	}
	for part := range strings.SplitSeq(rest, ",") {
		if part = trimBlanks(part); part != "" && !setField(fields[:], part) {
			return a, incomplete("Authorization header has a malformed, doubled or unknown parameter " + quote(part) + ".")
		}
	}
	for _, f := range fields {
		if *f.value == "" {
			return a, incomplete("Authorization header requires '" + f.name + "' parameter.")
		}
	}
	if refusal = a.parseCredential(credential); refusal != nil {
		return a, refusal
	}
	return a, checkSignedHeaders(a.signedHeaders)
}

type field struct {
	name  string
	value *string
}

// setField stores one name=value and reports whether it belongs to a field that
// has no value yet.
func setField(fields []field, part string) bool {
	name, value, _ := strings.Cut(part, "=")
	for _, f := range fields {
		if f.name == name && *f.value == "" {
			*f.value = value
			return value != ""
		}
	}
	return false
}

func incomplete(detail string) *Error { return &Error{Reason: Incomplete, Detail: detail} }

// parseCredential takes the five parts of Credential.
func (a *authorization) parseCredential(credential string) *Error {
	var parts [5]string
	n := 0
	for part := range strings.SplitSeq(credential, "/") {
		if n < len(parts) {
			parts[n] = part
		}
		n++
	}
	if n != len(parts) || parts[0] == "" {
		return incomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got " + quote(credential) + ".")
	}
	if parts[4] != terminator {
		return &Error{Reason: WrongScope, Detail: "Credential should be scoped with a valid terminator: '" + terminator + "'."}
	}
	a.accessKeyID = parts[0]
	a.scope = scope{day: parts[1], region: parts[2], service: parts[3]}
	return nil
}

// checkSignedHeaders wants lower-case names in ascending order, each once, with
// host and x-amz-date among them (XKS fact 31).
func checkSignedHeaders(list string) *Error {
	previous := ""
	for name := range strings.SplitSeq(list, ";") {
		if !isHeaderName(name) || name <= previous {
			return incomplete("SignedHeaders must be lower-case header names in ascending order, each once; see " + quote(name) + ".")
		}
		previous = name
	}
	if !listHas(list, signedHost) {
		return incomplete("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	if !listHas(list, signedDate) {
		return incomplete("'X-Amz-Date' must be a 'SignedHeader' in the AWS Authorization.")
	}
	return nil
}

// isHeaderName tells whether s is an HTTP token without capitals.
func isHeaderName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
			continue
		}
		if strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// listHas tells whether a list separated by semicolons has a name.
func listHas(list, name string) bool {
	for entry := range strings.SplitSeq(list, ";") {
		if entry == name {
			return true
		}
	}
	return false
}

func trimBlanks(s string) string { return strings.Trim(s, " \t") }
