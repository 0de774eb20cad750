package store

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

type entry struct{ key string }

// A tree does what a sorted map does, and an older version stays as it was.
func TestTreeFollowsTheModel(t *testing.T) {
	text := rapid.StringOfN(rapid.RuneFrom([]rune("ab\x00")), 0, 5, -1)
	rapid.Check(t, func(r *rapid.T) {
		var tree, old *node[entry]
		model, oldModel := map[string]*entry{}, map[string]*entry{}
		r.Repeat(map[string]func(*rapid.T){
			"put": func(r *rapid.T) {
				key := text.Draw(r, "key")
				model[key] = &entry{key}
				tree = tree.put(key, model[key])
			},
			"remove": func(r *rapid.T) {
				key := text.Draw(r, "key")
				delete(model, key)
				tree = tree.remove(key)
			},
			"keep": func(r *rapid.T) { old, oldModel = tree, maps.Clone(model) },
			"": func(r *rapid.T) {
				prefix, after := text.Draw(r, "prefix"), text.Draw(r, "after")
				sameTree(r, tree, model, prefix, after)
				sameTree(r, old, oldModel, prefix, after)
			},
		})
	})
}

func sameTree(t *rapid.T, tree *node[entry], model map[string]*entry, prefix, after string) {
	var want, all []string
	for _, key := range slices.Sorted(maps.Keys(model)) {
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		all = append(all, key)
		if after == "" || key > after {
			want = append(want, key)
		}
	}
	var got []string
	tree.scan(prefix, after, func(e *entry) bool {
		got = append(got, e.key)
		return true
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("scan of %q after %q:\n%s", prefix, after, diff)
	}
	if n := tree.count(prefix); n != len(all) {
		t.Fatalf("count of %q is %d, want %d", prefix, n, len(all))
	}
	if tree.get(prefix) != model[prefix] {
		t.Fatalf("get of %q is %v, want %v", prefix, tree.get(prefix), model[prefix])
	}
}

func TestTreeScanStopsWhenToldTo(t *testing.T) {
	var tree *node[entry]
	for i := range 100 {
		key := fmt.Sprint(i)
		tree = tree.put(key, &entry{key})
	}
	for _, after := range []string{"", "1", "55"} {
		var n int
		tree.scan("", after, func(*entry) bool { n++; return n < 3 })
		if n != 3 {
			t.Errorf("after %q: %d", after, n)
		}
	}
}
