package api

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// stringShape is what the model demands of a string.
type stringShape struct {
	min, max  int // characters; max 0: no limit
	pattern   string
	enum      []string
	sensitive bool // never repeated in a message

	match func(string) bool // nil: no pattern
}

// boundShape is what the model demands of a blob (bytes) or an integer (value).
type boundShape struct{ min, max int }

// listShape is what the model demands of a list.
type listShape struct {
	min, max int          // members; max 0: no limit
	member   *stringShape // nil: structures
}

func newStringShape(s stringShape) *stringShape {
	if s.pattern != "" {
		s.match = newMatcher(s.pattern)
	}
	return &s
}

// broken tells the demands that v does not meet, in the order in which they
// are reported.
func (s *stringShape) broken(v string) []string {
	var out []string
	if s.match != nil && !s.match(v) {
		out = append(out, s.patternDemand())
	}
	if s.max > 0 && len(v) > s.max && utf8.RuneCountInString(v) > s.max {
		out = append(out, maxLength(s.max))
	}
	if len(v) < s.min || s.min > 1 && utf8.RuneCountInString(v) < s.min {
		out = append(out, minLength(s.min))
	}
	if s.enum != nil && !slices.Contains(s.enum, v) {
		out = append(out, s.enumDemand())
	}
	return out
}

// demands tells everything that s demands, as AWS lists it for list members.
func (s *stringShape) demands() string {
	var out []string
	if s.max > 0 {
		out = append(out, maxLength(s.max), minLength(s.min))
	}
	if s.pattern != "" {
		out = append(out, s.patternDemand())
	}
	if s.enum != nil {
		out = append(out, s.enumDemand())
	}
	return "Member must satisfy constraint: [" + strings.Join(out, ", ") + "]"
}

func (s *stringShape) patternDemand() string {
	return "Member must satisfy regular expression pattern: " + s.pattern
}

func (s *stringShape) enumDemand() string {
	return "Member must satisfy enum value set: [" + strings.Join(s.enum, ", ") + "]"
}

const notNull = "Member must not be null"

func maxLength(n int) string {
	return "Member must have length less than or equal to " + strconv.Itoa(n)
}
func minLength(n int) string {
	return "Member must have length greater than or equal to " + strconv.Itoa(n)
}
func maxValue(n int) string { return "Member must have value less than or equal to " + strconv.Itoa(n) }
func minValue(n int) string {
	return "Member must have value greater than or equal to " + strconv.Itoa(n)
}

// newMatcher compiles a pattern of the model. Like Java's matches() it wants
// the whole string. Most of the patterns are one class of characters repeated;
// for those a table is walked, many times faster than the automaton.
func newMatcher(pattern string) func(string) bool {
	re2 := javaEscape.ReplaceAllString(pattern, `\x{$1}`)
	re2 = `\A(?:` + strings.ReplaceAll(re2, `\s`, `\s\x0B`) + `)\z`
	if class, least, ok := repeatedClass(re2); ok {
		return func(s string) bool { return len(s) >= least && class.holds(s) }
	}
	return regexp.MustCompile(re2).MatchString
}

var javaEscape = regexp.MustCompile(`\\u([0-9A-Fa-f]{4})`)

// A class is a set of characters below U+0100.
type class [256]bool

func (c *class) holds(s string) bool {
	for _, r := range s {
		if r >= 256 || !c[r] {
			return false
		}
	}
	return true
}

// repeatedClass recognises \A[class]+\z and \A[class]*\z, also with ^ and $.
func repeatedClass(re2 string) (*class, int, bool) {
	re, err := syntax.Parse(re2, syntax.Perl)
	if err != nil {
		return nil, 0, false
	}
	body := slices.DeleteFunc(re.Simplify().Sub, func(s *syntax.Regexp) bool {
		return s.Op == syntax.OpBeginText || s.Op == syntax.OpEndText
	})
	if len(body) != 1 || body[0].Op != syntax.OpPlus && body[0].Op != syntax.OpStar {
		return nil, 0, false
	}
	set := body[0].Sub[0]
	if set.Op != syntax.OpCharClass || set.Rune[len(set.Rune)-1] >= 256 {
		return nil, 0, false
	}
	var c class
	for i := 0; i < len(set.Rune); i += 2 {
		for r := set.Rune[i]; r <= set.Rune[i+1]; r++ {
			c[r] = true
		}
	}
	if body[0].Op == syntax.OpPlus {
		return &c, 1, true
	}
	return &c, 0, true
}
