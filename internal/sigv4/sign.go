package sigv4

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Options choose what Sign signs.
type Options struct {
	// RawPath uses the path exactly as it is sent (XKS, S3). False: dot segments
	// and double slashes are resolved and the rest is escaped once more, as most
	// AWS services want it.
	RawPath bool
	// SignedHeaders are further headers to sign, in any case and order. Each must
	// be in the request, but for X-Amz-Content-Sha256, which Sign then sets.
	SignedHeaders []string
}

// signerKeys serves every call of Sign in the process.
var signerKeys keyCache

// ErrSign is what every error of Sign wraps.
var ErrSign = errors.New("request cannot be signed")

// Sign sets X-Amz-Date, X-Amz-Security-Token when c has one, and Authorization.
// Earlier values are replaced; nothing else of r changes. body is what will be
// sent. Signed are Host, X-Amz-Date, the token and o.SignedHeaders; Content-Type
// and X-Amz-Target too, when r has them and RawPath is off: KMS proxies see
// exactly host;x-amz-date (XKS fact 30).
func Sign(r *http.Request, body []byte, c Credential, region, service string, now time.Time, o Options) error {
	if err := checkSignable(r, c, region, service); err != nil {
		return err
	}
	w := newWork()
	defer w.release()
	w.hashBody(body)
	date := now.UTC().Format(dateFormat)
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	r.Header.Set(headerDate, date)
	if c.SessionToken != "" {
		r.Header.Set(headerToken, c.SessionToken)
	}
	signed := w.signedHeaders(r, c, o)
	if listHas(signed, signedContentHash) {
		r.Header.Set(headerContentHash, string(w.payload[:]))
	}
	if absent := w.buildCanonical(r, signed, o.RawPath); absent != "" {
		return fmt.Errorf("%w: it has no header %q", ErrSign, absent)
	}
	s := scope{date[:dayLength], region, service}
	w.buildStringToSign(date, s)
	k, _ := signerKeys.get(c.Secret, s)
	k.sign(w)
	r.Header.Set(headerAuthorization, w.authorization(c.AccessKeyID, s, signed))
	return nil
}

// checkSignable refuses what would make a header that no verifier can read.
func checkSignable(r *http.Request, c Credential, region, service string) error {
	for _, part := range [...]struct{ name, value string }{
		{"access key ID", c.AccessKeyID},
		{"Region", region},
		{"service", service},
	} {
		if part.value == "" || strings.ContainsAny(part.value, "/, \t\r\n") {
			return fmt.Errorf("%w: %s %q", ErrSign, part.name, part.value)
		}
	}
	if c.Secret == "" {
		return fmt.Errorf("%w: the secret is empty", ErrSign)
	}
	if requestHost(r) == "" {
		return fmt.Errorf("%w: it has no host", ErrSign)
	}
	return nil
}

// signedHeaders gives the sorted list of names to sign.
func (w *work) signedHeaders(r *http.Request, c Credential, o Options) string {
	if c.SessionToken == "" && len(o.SignedHeaders) == 0 && o.RawPath {
		return signedHost + ";" + signedDate
	}
	names := append(w.names[:0], signedHost, signedDate)
	if c.SessionToken != "" {
		names = append(names, signedToken)
	}
	if !o.RawPath && len(r.Header[headerContentType]) > 0 {
		names = append(names, signedContentType)
	}
	if !o.RawPath && len(r.Header[headerTarget]) > 0 {
		names = append(names, signedTarget)
	}
	for _, name := range o.SignedHeaders {
		names = append(names, strings.ToLower(name))
	}
	slices.Sort(names)
	w.names = names
	return strings.Join(slices.Compact(names), ";")
}

// authorization is the value of the Authorization header (XKS fact 28). It is
// put together where the canonical request was.
func (w *work) authorization(accessKeyID string, s scope, signedHeaders string) string {
	b := append(w.canonical[:0], algorithm+" Credential="...)
	b = append(append(b, accessKeyID...), '/')
	b = append(s.append(b), ", SignedHeaders="...)
	b = append(append(b, signedHeaders...), ", Signature="...)
	b = append(b, w.signature[:]...)
	w.canonical = b
	return string(b)
}
