package proxy

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hyok/hsm"
	"hyok/proxy/xks"
)

// XKS facts 69 and 70.
func TestTheStatusOfEachMember(t *testing.T) {
	wrong := errors.New("wrong")
	all := []memberHealth{
		{hsm.Health{Serial: "0000", Label: "a", Manufacturer: "M", Model: "m", OK: true}, nil},
		{hsm.Health{Serial: "0000", Manufacturer: "M", OK: true, Warning: wrong}, nil},
		{hsm.Health{Label: "c", Manufacturer: "N", OK: true}, wrong},
		{hsm.Health{Err: wrong, Warning: wrong}, wrong},
	}
	got := healthStatus(all)
	want := []xks.EKMFleetDetail{
		{ID: "0000", Model: "m", HealthStatus: xks.HealthActive},
		{ID: "0000/2", Model: "unknown", HealthStatus: xks.HealthDegraded},
		{ID: "c", Model: "unknown", HealthStatus: xks.HealthDegraded},
		{ID: "unknown", Model: "unknown", HealthStatus: xks.HealthUnavailable},
	}
	if diff := cmp.Diff(want, got.EkmFleetDetails); diff != "" || got.EkmVendor != "M, N, unknown" || got.XksProxyFleetSize != 1 {
		t.Errorf("vendor %q, size %d, details %s", got.EkmVendor, got.XksProxyFleetSize, diff)
	}
}

// The keys that are compared are those of all stores on the group.
func TestTheLabelsThatAreCompared(t *testing.T) {
	group, token := new(hsm.Group), new(hsm.Token)
	keys := func(k map[string]Key) Store { return Store{Token: group, Keys: k} }
	for _, c := range []struct {
		name   string
		stores []Store
		want   map[*hsm.Group][]string
	}{
		{"a token's are not", []Store{{Token: token, Keys: map[string]Key{"a": {}}}}, map[*hsm.Group][]string{}},
		{"each once", []Store{keys(map[string]Key{"b": {}, "a": {}}), keys(map[string]Key{"x": {Label: "a"}, "c": {}})}, map[*hsm.Group][]string{group: {"a", "b", "c"}}},
		{"all", []Store{keys(map[string]Key{"b": {}}), keys(nil), keys(map[string]Key{"a": {}})}, map[*hsm.Group][]string{group: nil}},
		{"none", []Store{keys(map[string]Key{})}, map[*hsm.Group][]string{group: {}}},
	} {
		if diff := cmp.Diff(c.want, labelsOf(c.stores)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}
