package api

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Whether a member may be absent.
const (
	optional = false
	required = true
)

// A path is the way to a value inside the input, for messages. nil is the
// input itself.
type path struct {
	parent *path
	name   string // a member's name; empty: a list element
	index  int    // of a list element, from 1
}

func (p *path) text(b *strings.Builder) {
	if p.parent != nil {
		p.parent.text(b)
		b.WriteByte('.')
	}
	if p.name != "" {
		b.WriteString(p.name)
		return
	}
	b.WriteString(strconv.Itoa(p.index))
	b.WriteString(".member")
}

// A reader turns raw JSON values into members of input structures. It collects
// what the model forbids and keeps the first value of a wrong type, after which
// it reads nothing more. Absent members and JSON null are nil.
type reader struct {
	complaints []string
	wrong      *Error
}

func (r *reader) error() error {
	if r.wrong != nil {
		return r.wrong
	}
	n := len(r.complaints)
	if n == 0 {
		return nil
	}
	head := " validation errors detected: "
	if n == 1 {
		head = " validation error detected: "
	}
	return &Error{Code: CodeValidationException, Message: strconv.Itoa(n) + head + strings.Join(r.complaints, "; ")}
}

// complain adds "Value 'value' at 'path' failed to satisfy constraint: demand".
// value is what shown gives, or empty where values are not repeated.
func (r *reader) complain(value string, at path, demand string) {
	var b strings.Builder
	b.WriteString("Value ")
	b.WriteString(value)
	b.WriteString("at '")
	at.text(&b)
	b.WriteString("' failed to satisfy constraint: ")
	b.WriteString(demand)
	r.complaints = append(r.complaints, b.String())
}

// absent reports whether raw holds nothing to read, and complains of it if
// the member is required.
func (r *reader) absent(raw []byte, at *path, name string, need bool) bool {
	if r.wrong != nil {
		return true
	}
	if raw != nil {
		return false
	}
	if need {
		r.complain("", path{parent: at, name: name}, notNull)
	}
	return true
}

// mistyped ends the reading: raw is not what the model wants there.
func (r *reader) mistyped(raw []byte, want string) {
	var message string
	switch raw[0] {
	case '{':
		message = "Start of structure or map found where not expected."
	case '[':
		message = "Start of list found where not expected"
	case '"':
		message = "STRING_VALUE can not be converted to " + want
	case 't':
		message = "TRUE_VALUE can not be converted to " + want
	case 'f':
		message = "FALSE_VALUE can not be converted to " + want
	case 'n':
		message = "NULL_VALUE can not be converted to " + want
	default:
		message = "NUMBER_VALUE can not be converted to " + want
	}
	r.fail(message)
}

func (r *reader) fail(message string) {
	if r.wrong == nil {
		r.wrong = &Error{Code: CodeSerializationException, Message: message}
	}
}

// split puts the values of the object raw's members into m, at the place their
// names have in names, and reports whether raw is an object.
func (r *reader) split(raw []byte, names []string, m [][]byte) bool {
	if raw[0] != '{' {
		r.mistyped(raw, "a Structure")
		return false
	}
	for w := walk(raw); w.more(); {
		name := unquoted(w.name())
		value := w.value()
		if value[0] == 'n' {
			value = nil
		}
		for i := range names {
			if names[i] == string(name) {
				m[i] = value
				break
			}
		}
	}
	return true
}

// unquoted gives the text of the JSON string raw, without a copy where it has
// no escapes.
func unquoted(raw []byte) []byte {
	inner := raw[1 : len(raw)-1]
	for _, c := range inner {
		if c == '\\' {
			text, _ := jsontext.AppendUnquote(nil, raw) // checked before
			return text
		}
	}
	return inner
}

func (r *reader) str(raw []byte, at *path, name string, need bool, s *stringShape) string {
	if r.absent(raw, at, name, need) {
		return ""
	}
	if raw[0] != '"' {
		r.mistyped(raw, "a String")
		return ""
	}
	v := string(unquoted(raw))
	for _, demand := range s.broken(v) {
		r.complain(s.shown(v), path{parent: at, name: name}, demand)
	}
	return v
}

// shown is how a message repeats a value: never a secret.
func (s *stringShape) shown(v string) string {
	if s.sensitive {
		return "'***' "
	}
	return "'" + v + "' "
}

func (r *reader) blob(raw []byte, at *path, name string, need bool, s *boundShape) []byte {
	if r.absent(raw, at, name, need) {
		return nil
	}
	if raw[0] != '"' {
		r.mistyped(raw, "a Blob")
		return nil
	}
	text := unquoted(raw)
	v := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := strictBase64.Decode(v, text)
	if err != nil {
		r.fail("STRING_VALUE can not be decoded as base64")
		return nil
	}
	if n > s.max {
		r.complain("", path{parent: at, name: name}, maxLength(s.max))
	}
	if n < s.min {
		r.complain("", path{parent: at, name: name}, minLength(s.min))
	}
	return v[:n]
}

var strictBase64 = base64.StdEncoding.Strict()

func (r *reader) integer(raw []byte, at *path, name string, need bool, s *boundShape) *int32 {
	if r.absent(raw, at, name, need) {
		return nil
	}
	f, ok := r.number(raw, "an Integer")
	if !ok {
		return nil
	}
	if f != math.Trunc(f) || f < math.MinInt32 || f > math.MaxInt32 {
		r.fail("NUMBER_VALUE can not be converted to an Integer")
		return nil
	}
	v := int32(f)
	if int(v) > s.max {
		r.complain("'"+strconv.Itoa(int(v))+"' ", path{parent: at, name: name}, maxValue(s.max))
	}
	if int(v) < s.min {
		r.complain("'"+strconv.Itoa(int(v))+"' ", path{parent: at, name: name}, minValue(s.min))
	}
	return &v
}

func (r *reader) number(raw []byte, want string) (float64, bool) {
	if c := raw[0]; c != '-' && (c < '0' || c > '9') {
		r.mistyped(raw, want)
		return 0, false
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		r.mistyped(raw, want)
	}
	return f, err == nil
}

func (r *reader) boolean(raw []byte, at *path, name string, need bool) *bool {
	if r.absent(raw, at, name, need) {
		return nil
	}
	if raw[0] != 't' && raw[0] != 'f' {
		r.mistyped(raw, "a Boolean")
		return nil
	}
	v := raw[0] == 't'
	return &v
}

// Times are from the year 1 to the year 9999: beyond, Go and RFC 3339 cannot
// write them.
const (
	minSeconds = -62135596800
	maxSeconds = 253402300800
)

// milliseconds is what AWS says a timestamp is read as.
const milliseconds = "milliseconds since epoch"

func (r *reader) timestamp(raw []byte, at *path, name string, need bool) time.Time {
	if r.absent(raw, at, name, need) {
		return time.Time{}
	}
	f, ok := r.number(raw, milliseconds)
	if !ok {
		return time.Time{}
	}
	if f <= minSeconds || f >= maxSeconds {
		r.mistyped(raw, milliseconds)
		return time.Time{}
	}
	return time.UnixMilli(int64(math.Round(f * 1000))).UTC()
}
