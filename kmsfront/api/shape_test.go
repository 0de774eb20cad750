package api

import (
	"errors"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func TestPatternsMatchWholeStringsAsInJava(t *testing.T) {
	for _, tt := range []struct {
		pattern, value string
		want           bool
	}{
		{`[\w]+`, "default", true},
		{`[\w]+`, "", false},
		{`[\w]+`, "a b", false},
		{`[\w]+`, "é", false}, // \w is ASCII in Java
		{`[\u0020-\u00FF]*`, "", true},
		{`[\u0020-\u00FF]*`, "ÿ", true},
		{`[\u0020-\u00FF]*`, "Ā", false},
		{`[\u0020-\u00FF]*`, "\n", false},
		{`[\u0009\u000A\u000D\u0020-\u00FF]+`, "{\r\n\t}", true},
		{`^[a-zA-Z0-9:/_\s.-]+$`, "a \v\f b", true}, // Java's \s has the vertical tab
		{`^[a-zA-Z0-9-_.]+$`, "a-_.9", true},
		{`^[a-f0-9]+$`, "ab\n", false}, // $ is no line's end
		{`cluster-[2-7a-zA-Z]{11,16}`, "cluster-abcdefghijk", true},
		{`cluster-[2-7a-zA-Z]{11,16}`, "a cluster-abcdefghijk", false},
		{`^(/[a-zA-Z0-9\/_-]+/kms/xks/v\d{1,2})$|^(/kms/xks/v\d{1,2})$`, "/a/b/kms/xks/v1", true},
		{`^(/[a-zA-Z0-9\/_-]+/kms/xks/v\d{1,2})$|^(/kms/xks/v\d{1,2})$`, "/kms/xks/v123", false},
	} {
		if got := newMatcher(tt.pattern)(tt.value); got != tt.want {
			t.Errorf("%s matches %q: %v", tt.pattern, tt.value, got)
		}
	}
}

func TestTablesAgreeWithTheAutomaton(t *testing.T) {
	tables := 0
	for name, s := range loadModel(t).Shapes {
		re2 := `\A(?:` + strings.ReplaceAll(javaEscape.ReplaceAllString(s.Pattern, `\x{$1}`), `\s`, `\s\x0B`) + `)\z`
		if _, _, ok := repeatedClass(re2); s.Pattern == "" || !ok {
			continue
		}
		tables++
		match, automaton := newMatcher(s.Pattern), regexp.MustCompile(re2)
		rapid.Check(t, func(t *rapid.T) {
			v := rapid.OneOf(rapid.String(), rapid.StringMatching(examples[name])).Draw(t, "value")
			if got, want := match(v), automaton.MatchString(v); got != want {
				t.Fatalf("%s %q: %v, want %v", name, v, got, want)
			}
		})
	}
	if tables < 10 {
		t.Errorf("%d patterns have a table, want at least 10", tables)
	}
}

func TestPatternsThatAreNoRepeatedClass(t *testing.T) {
	for _, re2 := range []string{`(`, `\Aa\z`, `\A(?:[ab]+c)\z`, `\A(?:[ab]?)\z`, `\A(?:[^a]+)\z`} {
		if c, _, ok := repeatedClass(re2); ok {
			t.Errorf("%s became the table %v", re2, c)
		}
	}
}

func TestDemandsOfAListElementAreAllNamed(t *testing.T) {
	s := newStringShape(stringShape{min: 1, max: 3, pattern: "[a-z]+", enum: []string{"a", "b"}})
	const want = "Member must satisfy constraint: [Member must have length less than or equal to 3, " +
		"Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [a-z]+, " +
		"Member must satisfy enum value set: [a, b]]"
	if got := s.demands(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestListsOfStructuresHaveALength(t *testing.T) {
	var r reader
	structs(&r, []byte(`[{},{}]`), nil, "list", required, &listShape{max: 1}, (*GrantConstraints).decode)
	const want = "ValidationException: 1 validation error detected: Value at 'list' failed to satisfy constraint: " +
		"Member must have length less than or equal to 1"
	if err := r.error(); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestErrorText(t *testing.T) {
	for want, err := range map[string]*Error{
		"NotFoundException":             {Code: CodeNotFoundException},
		"NotFoundException: no key 'k'": Errorf(CodeNotFoundException, "no key '%s'", "k"),
	} {
		if got := err.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestBodyThatEndsEarly(t *testing.T) {
	r := httptest.NewRequest("POST", "/", iotest.ErrReader(errors.New("cut")))
	if _, refusal := read(nil, r); refusal == nil || refusal.Code != CodeSerializationException {
		t.Errorf("got %v", refusal)
	}
	r = httptest.NewRequest("POST", "/", iotest.OneByteReader(strings.NewReader("{}")))
	if b, refusal := read(nil, r); refusal != nil || string(b) != "{}" {
		t.Errorf("got %q, %v", b, refusal)
	}
}
