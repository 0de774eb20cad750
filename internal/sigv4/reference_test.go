package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The reference is the algorithm written a second time, from the description
// and for clearness alone: nothing of it is shared with the package.

var (
	referenceBlanks  = regexp.MustCompile(`[ \t\n\v\f\r]+`)
	referenceEscape  = regexp.MustCompile(`%([0-9A-Fa-f]{2})?`)
	referenceHeader  = regexp.MustCompile(`^[ \t]*AWS4-HMAC-SHA256[ \t](.*)$`)
	referenceFields  = []string{"Credential", "SignedHeaders", "Signature"}
	referenceOrigins = regexp.MustCompile(`^[^/?]*://[^/?]*`)
)

// A reading is what a request's signature says and covers.
type reading struct {
	credential, signedHeaders, signature string
	date, canonical                      string
}

// readReference reads a request; ok is false when there is no sense in it.
func readReference(r *http.Request, body []byte, raw bool) (got reading, ok bool) {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return got, false
	}
	match := referenceHeader.FindStringSubmatch(headers[0])
	if match == nil {
		return got, false
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(match[1], ",") {
		name, value, _ := strings.Cut(strings.Trim(part, " \t"), "=")
		if _, doubled := fields[name]; doubled || name != "" && !slices.Contains(referenceFields, name) {
			return got, false
		}
		if name != "" {
			fields[name] = value
		}
	}
	got = reading{
		credential: fields["Credential"], signedHeaders: fields["SignedHeaders"], signature: fields["Signature"],
		date: r.Header.Get("X-Amz-Date"),
	}
	got.canonical, ok = referenceCanonical(r, body, got.signedHeaders, raw)
	return got, ok
}

func referenceCanonical(r *http.Request, body []byte, signedHeaders string, raw bool) (string, bool) {
	where, query, _ := strings.Cut(referenceOrigins.ReplaceAllString(r.RequestURI, ""), "?")
	var lines []string
	for name := range strings.SplitSeq(signedHeaders, ";") {
		values := r.Header.Values(name)
		if name == "host" {
			values = []string{r.Host}
		}
		if name == "content-length" && len(values) == 0 {
			values = []string{strconv.FormatInt(r.ContentLength, 10)}
		}
		if len(values) == 0 {
			return "", false
		}
		var trimmed []string
		for _, value := range values {
			trimmed = append(trimmed, strings.Trim(referenceBlanks.ReplaceAllString(value, " "), " "))
		}
		lines = append(lines, name+":"+strings.Join(trimmed, ",")+"\n")
	}
	hash := sha256.Sum256(body)
	return strings.Join([]string{
		r.Method, referencePath(where, raw), referenceQuery(query),
		strings.Join(lines, ""), signedHeaders, hex.EncodeToString(hash[:]),
	}, "\n"), true
}

func referencePath(sent string, raw bool) string {
	if raw {
		var out strings.Builder
		for _, c := range []byte(sent) {
			if c <= ' ' || c > '~' {
				fmt.Fprintf(&out, "%%%02X", c)
			} else {
				out.WriteByte(c)
			}
		}
		return "/" + strings.TrimPrefix(out.String(), "/")
	}
	clean := path.Clean("/" + sent)
	if strings.HasSuffix(sent, "/") && clean != "/" {
		clean += "/"
	}
	return strings.ReplaceAll(referenceEncode(clean), "%2F", "/")
}

func referenceEncode(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

func referenceQuery(query string) string {
	query = referenceEscape.ReplaceAllStringFunc(query, func(s string) string {
		if len(s) == 1 {
			return "%25"
		}
		return s
	})
	var pairs [][2]string
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, err1 := url.QueryUnescape(name)
		value, err2 := url.QueryUnescape(value)
		if err1 != nil || err2 != nil {
			panic("every percent sign has been dealt with")
		}
		pairs = append(pairs, [2]string{referenceEncode(name), referenceEncode(value)})
	}
	slices.SortFunc(pairs, func(x, y [2]string) int { return slices.Compare(x[:], y[:]) })
	var out []string
	for _, p := range pairs {
		out = append(out, p[0]+"="+p[1])
	}
	return strings.Join(out, "&")
}

// referenceSignature signs a reading.
func referenceSignature(secret string, got reading) string {
	parts := strings.Split(got.credential, "/")
	key := []byte("AWS4" + secret)
	for _, part := range parts[1:] {
		key = referenceMAC(key, part)
	}
	hash := sha256.Sum256([]byte(got.canonical))
	toSign := "AWS4-HMAC-SHA256\n" + got.date + "\n" + strings.Join(parts[1:], "/") + "\n" + hex.EncodeToString(hash[:])
	return hex.EncodeToString(referenceMAC(key, toSign))
}

func referenceMAC(key []byte, message string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(message))
	return mac.Sum(nil)
}
