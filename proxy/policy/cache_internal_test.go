package policy

import (
	"strconv"
	"strings"
	"testing"
)

func TestTheCacheIsBoundedAndAnswersAsThePolicies(t *testing.T) {
	set, err := Parse("x.cedar", []byte(`permit (principal, action, resource) unless { principal.arn like "*7" };`), "")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for i := range 3 * maxCached {
			r := Request{Operation: "Encrypt", Key: "k", Principal: strconv.Itoa(i)}
			for range 2 {
				if d := set.Decide(&r); d.Allowed != (i%10 != 7) || d != set.evaluate(&r) {
					t.Fatalf("%s: got %+v", r.Principal, d)
				}
			}
			if n := len(set.cache.decisions); n > maxCached {
				t.Fatalf("%d decisions are remembered", n)
			}
		}
	}
	known := len(set.cache.decisions)
	r := Request{Operation: "Encrypt", Key: "k", Principal: strings.Repeat("x", maxCachedBytes)}
	if d := set.Decide(&r); !d.Allowed || len(set.cache.decisions) != known {
		t.Errorf("got %+v; %d decisions, before %d", d, len(set.cache.decisions), known)
	}
}
