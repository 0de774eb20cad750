package sigv4

import (
	"bytes"
	"slices"
	"strings"
)

const upperHex = "0123456789ABCDEF"

// unreserved tells the bytes that the canonical form never escapes.
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

func appendEscape(b []byte, c byte) []byte {
	if unreserved(c) {
		return append(b, c)
	}
	return append(b, '%', upperHex[c>>4], upperHex[c&15])
}

// appendRawPath keeps the path as it was sent. Bytes that a request line cannot
// hold (blanks, controls, UTF-8) are escaped, as a client would have to do.
func appendRawPath(b []byte, path string) []byte {
	if path == "" {
		return append(b, '/')
	}
	for i := range len(path) {
		if c := path[i]; c > ' ' && c < 0x7f {
			b = append(b, c)
		} else {
			b = appendEscape(b, c)
		}
	}
	return b
}

// appendNormalPath resolves "." and "..", joins slashes, and escapes what is
// left once more, percent signs included. The path ends in a slash when the
// one that was sent does.
func appendNormalPath(b []byte, path string) []byte {
	start := len(b)
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case "", ".":
		case "..":
			if i := bytes.LastIndexByte(b[start:], '/'); i >= 0 {
				b = b[:start+i]
			}
		default:
			b = append(b, '/')
			for i := range len(segment) {
				b = appendEscape(b, segment[i])
			}
		}
	}
	if len(b) == start || strings.HasSuffix(path, "/") {
		b = append(b, '/')
	}
	return b
}

// A parameter is a place in work.query: name, "=", value, each escaped.
type parameter struct{ start, equals, end int }

// appendQuery writes the parameters of a query string sorted by name, then by
// value.
func (w *work) appendQuery(b []byte, query string) []byte {
	w.query, w.parameters = w.query[:0], w.parameters[:0]
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		p := parameter{start: len(w.query)}
		w.query = appendUnescaped(w.query, name)
		p.equals = len(w.query)
		w.query = append(w.query, '=')
		w.query = appendUnescaped(w.query, value)
		p.end = len(w.query)
		w.parameters = append(w.parameters, p)
	}
	q := w.query
	slices.SortFunc(w.parameters, func(x, y parameter) int {
		if c := bytes.Compare(q[x.start:x.equals], q[y.start:y.equals]); c != 0 {
			return c
		}
		return bytes.Compare(q[x.equals:x.end], q[y.equals:y.end])
	})
	for i, p := range w.parameters {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(b, q[p.start:p.end]...)
	}
	return b
}

// appendUnescaped escapes the bytes that s stands for. A plus is a blank, as
// net/url reads it: were it a plus, then somebody could put one in the place of
// a signed %2B and so change what a handler sees.
func appendUnescaped(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(s):
			high, ok1 := unhex(s[i+1])
			low, ok2 := unhex(s[i+2])
			if ok1 && ok2 {
				c = high<<4 | low
				i += 2
			}
		}
		b = appendEscape(b, c)
	}
	return b
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
