package kmsfront

import (
	"encoding/base64"
	"hash/crc32"
	"strings"

	"hyok/kmsfront/api"
)

// A page cuts a sorted list for an answer. Markers are opaque: they hold the
// last name given, bound to the operation by a checksum, so that a marker that
// was made up or belongs to another list is refused.
type page struct {
	operation string
	after     string
	limit     int
}

// newPage reads Limit and Marker; without a Limit, or above it, the page has
// max entries.
func newPage(operation, marker string, limit *int32, max int) (page, error) {
	p := page{operation: operation, limit: max}
	if limit != nil {
		p.limit = min(int(*limit), max)
	}
	if marker == "" {
		return p, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(marker)
	sum, after, found := strings.Cut(string(raw), "\n")
	if err != nil || !found || sum != p.checksum(after) {
		return p, api.Errorf(api.CodeInvalidMarkerException, "Could not deserialize marker '%s'", marker)
	}
	p.after = after
	return p, nil
}

func (p page) checksum(after string) string {
	sum := crc32.ChecksumIEEE([]byte(p.operation + "\n" + after))
	return base64.RawURLEncoding.EncodeToString([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
}

func (p page) marker(last string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(p.checksum(last) + "\n" + last))
}

// from is the record key after which the page begins, of records kept under prefix.
func (p page) from(prefix string) string {
	if p.after == "" {
		return ""
	}
	return prefix + p.after
}

// cut gives the entries of a list, sorted by name, that belong on the page, and
// the marker of the next page, empty when there is none.
func cut[T any](p page, all []T, name func(T) string) (items []T, next string) {
	start := 0
	for start < len(all) && p.after != "" && name(all[start]) <= p.after {
		start++
	}
	end := min(start+p.limit, len(all))
	if end < len(all) {
		next = p.marker(name(all[end-1]))
	}
	return all[start:end], next
}
