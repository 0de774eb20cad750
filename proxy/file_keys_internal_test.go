package proxy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// With all_keys what an entry says of a key holds under the key's label too.
func TestKeysOfAFile(t *testing.T) {
	sample := &FileSampleFormat{}
	for _, row := range []struct {
		what string
		all  bool
		keys []FileKey
		want map[string]Key
	}{
		{"a list", false, []FileKey{{ID: "a"}, {ID: "b", Label: "c", Disabled: true}}, map[string]Key{"a": {Label: "a"}, "b": {Label: "c", Disabled: true}}},
		{"all", true, nil, nil},
		{"all, one with settings", true, []FileKey{{ID: "a", Disabled: true}}, map[string]Key{"a": {Label: "a", Disabled: true}}},
		{"all, one under two IDs", true, []FileKey{{ID: "b", Label: "c", Disabled: true, SampleProxyCiphertexts: sample}}, map[string]Key{
			"b": {Label: "c", Disabled: true, Sample: &SampleFormat{Metadata: []byte{}}},
			"c": {Label: "c", Disabled: true, Sample: &SampleFormat{Metadata: []byte{}}},
		}},
		{"all, a label with an entry of its own", true, []FileKey{{ID: "b", Label: "c", Disabled: true}, {ID: "c"}}, map[string]Key{
			"b": {Label: "c", Disabled: true}, "c": {Label: "c"},
		}},
		{"all, two IDs of one label", true, []FileKey{{ID: "a", Label: "c"}, {ID: "b", Label: "c", Disabled: true}}, map[string]Key{
			"a": {Label: "c"}, "b": {Label: "c", Disabled: true}, "c": {Label: "c", Disabled: true},
		}},
		{"all, a label that is no ID", true, []FileKey{{ID: "a", Label: "c d"}}, map[string]Key{"a": {Label: "c d"}}},
	} {
		if diff := cmp.Diff(row.want, FileStore{AllKeys: row.all, Keys: row.keys}.keys()); diff != "" {
			t.Errorf("%s: %s", row.what, diff)
		}
	}
}
