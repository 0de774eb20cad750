package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// work is the memory of one signature.
type work struct {
	canonical  []byte // the canonical request
	toSign     []byte // the string to sign
	query      []byte // the parameters, escaped, in the order they came
	parameters []parameter
	names      []string // Sign's headers
	payload    [hexHash]byte
	signature  [hexHash]byte
	given      [hexHash]byte // the signature to compare with
	sum        [sha256.Size]byte
}

// maxPooled is the size in bytes above which a buffer is not kept for reuse.
const maxPooled = 16 << 10

var workPool = sync.Pool{New: func() any { return new(work) }}

func newWork() *work { return workPool.Get().(*work) }

func (w *work) release() {
	if cap(w.canonical) <= maxPooled && cap(w.query) <= maxPooled {
		workPool.Put(w)
	}
}

// hashBody leaves the hash of the body in w.payload.
func (w *work) hashBody(body []byte) {
	w.sum = sha256.Sum256(body)
	hex.Encode(w.payload[:], w.sum[:])
}

// target is path and query as they stand in the request line. A request that
// came in has it in RequestURI; of one that goes out it is what net/http sends.
func target(r *http.Request) (path, query string) {
	uri := r.RequestURI
	if uri == "" {
		uri = r.URL.RequestURI()
	}
	if !strings.HasPrefix(uri, "/") {
		// The absolute form, as proxies get it: scheme://authority/path.
		if _, rest, ok := strings.Cut(uri, "://"); ok {
			if i := strings.IndexAny(rest, "/?"); i >= 0 {
				uri = rest[i:]
			} else {
				uri = ""
			}
		}
	}
	path, query, _ = strings.Cut(uri, "?")
	return path, query
}

// buildCanonical writes the canonical request into w.canonical, with the payload
// hash of w.payload. It gives the first signed header that the request has not.
func (w *work) buildCanonical(r *http.Request, signedHeaders string, raw bool) (absent string) {
	path, query := target(r)
	b := w.canonical[:0]
	if r.Method == "" {
		b = append(b, http.MethodGet...)
	}
	b = append(append(b, r.Method...), '\n')
	if raw {
		b = appendRawPath(b, path)
	} else {
		b = appendNormalPath(b, path)
	}
	b = append(b, '\n')
	if query != "" {
		b = w.appendQuery(b, query)
	}
	b = append(b, '\n')
	for name := range strings.SplitSeq(signedHeaders, ";") {
		var found bool
		b = append(append(b, name...), ':')
		if b, found = appendHeader(b, r, name); !found && absent == "" {
			absent = name
		}
		b = append(b, '\n')
	}
	b = append(b, '\n')
	b = append(append(b, signedHeaders...), '\n')
	w.canonical = append(b, w.payload[:]...)
	return absent
}

// appendHeader writes the values of a header, joined by commas, and tells
// whether there is any. Two headers are not where the others are: net/http
// keeps Host apart, and the length of a body that is still to be sent.
func appendHeader(b []byte, r *http.Request, name string) ([]byte, bool) {
	values := headerValues(r.Header, name)
	switch {
	case name == signedHost:
		return appendTrimmed(b, requestHost(r)), requestHost(r) != ""
	case len(values) > 0:
	case name == signedContentLength && r.ContentLength >= 0:
		return strconv.AppendInt(b, r.ContentLength, 10), true
	}
	for i, value := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendTrimmed(b, value)
	}
	return b, len(values) > 0
}

// requestHost is the host as net/http received it or is going to send it.
func requestHost(r *http.Request) string {
	if r.Host == "" && r.URL != nil {
		return r.URL.Host
	}
	return r.Host
}

// headerValues is h.Values for a lower-case name; it makes no garbage.
func headerValues(h http.Header, name string) []string {
	var canonical [64]byte
	if len(name) > len(canonical) {
		return h.Values(name)
	}
	upper := true
	for i := range len(name) {
		c := name[i]
		if upper && 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		canonical[i] = c
		upper = c == '-'
	}
	return h[string(canonical[:len(name)])]
}

// appendTrimmed drops white space at both ends and makes one blank of every
// run of it inside.
func appendTrimmed(b []byte, value string) []byte {
	start, pending := len(b), false
	for i := range len(value) {
		switch c := value[i]; c {
		case ' ', '\t', '\n', '\v', '\f', '\r':
			pending = len(b) > start
		default:
			if pending {
				b, pending = append(b, ' '), false
			}
			b = append(b, c)
		}
	}
	return b
}

// buildStringToSign hashes w.canonical into w.toSign. date is X-Amz-Date.
func (w *work) buildStringToSign(date string, s scope) {
	b := append(w.toSign[:0], algorithm...)
	b = append(append(append(b, '\n'), date...), '\n')
	b = append(s.append(b), '\n')
	w.sum = sha256.Sum256(w.canonical)
	w.toSign = hex.AppendEncode(b, w.sum[:])
}
