package sigv4

import (
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"
	"time"
)

// DefaultWindow is how far X-Amz-Date may be from the verifier's clock, either
// way, when VerifierConfig does not say (XKS fact 35).
const DefaultWindow = 5 * time.Minute

// standIn is the secret that is worked with when there is none, so that an
// unknown access key ID takes as long as a known one. A request signed with it
// is refused like any other.
const standIn = "no-secret-of-anybody-but-of-the-same-length"

// maxRegion is the longest Region that is looked at, in bytes. It keeps the key
// cache small whatever strangers send.
const maxRegion = 64

// VerifierConfig says which signatures a Verifier accepts.
type VerifierConfig struct {
	// Service is the only service accepted in the scope.
	Service string
	// Regions are those accepted in the scope. Empty: any.
	Regions []string
	// RawPath takes the path as it was sent (XKS, S3). False: dot segments and
	// double slashes are resolved and the rest is escaped once more, as all
	// other AWS services do.
	RawPath bool
	// Window is how far X-Amz-Date may be from now, both ways. 0: DefaultWindow.
	Window time.Duration
	// MustSign names further headers that have to be signed where a request has
	// them. Host, X-Amz-Date and X-Amz-Target always have to.
	MustSign []string
	// Lookup gives the one secret of an access key ID. It is called once for each
	// request that gets as far, from many goroutines. nil, ok == false and an
	// empty secret all mean: unknown.
	Lookup func(accessKeyID string) (secret string, ok bool)
}

// A Verifier checks signatures. It is safe for concurrent use.
type Verifier struct {
	c        VerifierConfig
	mustSign []string // lower case
	keys     keyCache
}

// NewVerifier makes a Verifier. It keeps nothing of c that the caller can change.
func NewVerifier(c VerifierConfig) *Verifier {
	if c.Window == 0 {
		c.Window = DefaultWindow
	}
	if c.Lookup == nil {
		c.Lookup = func(string) (string, bool) { return "", false }
	}
	c.Regions = slices.Clone(c.Regions)
	v := &Verifier{c: c, mustSign: []string{signedTarget}}
	for _, name := range c.MustSign {
		v.mustSign = append(v.mustSign, strings.ToLower(name))
	}
	return v
}

// Verify checks the signature of a request that came in, whose body has been
// read. Path and query are those of r.RequestURI, untouched by any router. An
// error is always an *Error.
func (v *Verifier) Verify(r *http.Request, body []byte, now time.Time) (Result, error) {
	a, result, refusal := v.admit(r, now)
	if refusal != nil {
		return Result{}, refusal
	}
	w := newWork()
	defer w.release()
	w.hashBody(body)
	if absent := w.buildCanonical(r, a.signedHeaders, v.c.RawPath); absent != "" {
		return Result{}, incomplete("The signed header " + quote(absent) + " is not in the request.")
	}
	w.buildStringToSign(r.Header[headerDate][0], a.scope)

	secret, known := v.c.Lookup(a.accessKeyID)
	known = known && secret != ""
	if !known {
		secret = standIn
	}
	v.signingKey(secret, a.scope).sign(w)
	same := w.sameSignature(a.signature)
	switch {
	case !known:
		return Result{}, w.refuse(UnknownKey, "The security token included in the request is invalid.")
	case !w.sameContentHash(r, a.signedHeaders):
		return Result{}, w.refuse(Mismatch, "The provided 'x-amz-content-sha256' header does not match what was computed.")
	case !same:
		return Result{}, w.refuse(Mismatch, "The request signature we calculated does not match the signature you provided.")
	}
	return result, nil
}

// signingKey makes the stand-in's key along with the first real one of a scope:
// from then on neither has to be derived.
func (v *Verifier) signingKey(secret string, s scope) *signingKey {
	k, derived := v.keys.get(secret, s)
	if derived && secret != standIn {
		v.keys.get(standIn, s)
	}
	return k
}

// sameSignature compares in constant time. The length of a signature is public.
func (w *work) sameSignature(given string) bool {
	if len(given) != len(w.given) {
		return false
	}
	copy(w.given[:], given)
	return subtle.ConstantTimeCompare(w.given[:], w.signature[:]) == 1
}

// sameContentHash holds X-Amz-Content-Sha256 against the body when it is signed.
// UNSIGNED-PAYLOAD and the names of streamed payloads are hashes of no body.
func (w *work) sameContentHash(r *http.Request, signedHeaders string) bool {
	if !listHas(signedHeaders, signedContentHash) {
		return true
	}
	given := r.Header[headerContentHash]
	return len(given) == 1 && given[0] == string(w.payload[:])
}

func (w *work) refuse(reason Reason, detail string) *Error {
	return &Error{
		Reason: reason, Detail: detail,
		CanonicalRequest: string(w.canonical), StringToSign: string(w.toSign),
	}
}

// admit makes every check that needs no secret.
func (v *Verifier) admit(r *http.Request, now time.Time) (a authorization, result Result, refusal *Error) {
	switch headers := r.Header[headerAuthorization]; len(headers) {
	case 0:
		return a, result, &Error{Reason: Missing, Detail: "Missing Authentication Token"}
	case 1:
		if a, refusal = parseAuthorization(headers[0]); refusal != nil {
			return a, result, refusal
		}
	default:
		return a, result, incomplete("The request has more than one Authorization header.")
	}
	for _, name := range v.mustSign {
		if len(headerValues(r.Header, name)) > 0 && !listHas(a.signedHeaders, name) {
			return a, result, incomplete("The header '" + name + "' was present in the request and not signed.")
		}
	}
	tokens := r.Header[headerToken]
	if len(tokens) > 1 {
		return a, result, incomplete("The request has more than one X-Amz-Security-Token header.")
	}
	date, at, refusal := requestDate(r)
	if refusal != nil {
		return a, result, refusal
	}
	if refusal = v.checkScope(a.scope, date); refusal != nil {
		return a, result, refusal
	}
	if refusal = v.checkTime(at, now); refusal != nil {
		return a, result, refusal
	}
	result = Result{AccessKeyID: a.accessKeyID, Region: a.scope.region, Service: a.scope.service, Time: at}
	if len(tokens) == 1 {
		result.SessionToken = tokens[0]
	}
	return a, result, nil
}

// requestDate reads X-Amz-Date.
func requestDate(r *http.Request) (date string, at time.Time, refusal *Error) {
	dates := r.Header[headerDate]
	if len(dates) != 1 {
		return "", at, incomplete("The request requires one 'X-Amz-Date' header.")
	}
	date = dates[0]
	at, err := time.Parse(dateFormat, date)
	if err != nil || len(date) != len(dateFormat) {
		return "", at, incomplete("Date must be in ISO-8601 'basic format'. Got " + quote(date) + ".")
	}
	return date, at, nil
}

// checkScope holds the scope against the verifier and X-Amz-Date.
func (v *Verifier) checkScope(s scope, date string) *Error {
	detail := ""
	switch {
	case s.day != date[:dayLength]:
		detail = "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: " + quote(s.day) + " != " + quote(date[:dayLength]) + "."
	case s.region == "" || len(s.region) > maxRegion || len(v.c.Regions) > 0 && !slices.Contains(v.c.Regions, s.region):
		detail = "Credential should be scoped to a valid region, not " + quote(s.region) + "."
	case s.service != v.c.Service:
		detail = "Credential should be scoped to correct service: " + quote(v.c.Service) + "."
	default:
		return nil
	}
	return &Error{Reason: WrongScope, Detail: detail}
}

// checkTime wants at within the window around now, both ends included.
func (v *Verifier) checkTime(at, now time.Time) *Error {
	detail := ""
	switch {
	case at.Before(now.Add(-v.c.Window)):
		detail = "Signature expired: " + at.Format(dateFormat) + " is now earlier than " +
			now.Add(-v.c.Window).UTC().Format(dateFormat) + "."
	case at.After(now.Add(v.c.Window)):
		detail = "Signature not yet current: " + at.Format(dateFormat) + " is still later than " +
			now.Add(v.c.Window).UTC().Format(dateFormat) + "."
	default:
		return nil
	}
	return &Error{Reason: Expired, Detail: detail}
}
