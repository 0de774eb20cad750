package config_test

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"hyok/internal/config"
)

// upper reads itself from a node, as types of other packages may.
type upper string

// UnmarshalYAML implements yaml.Unmarshaler.
func (u *upper) UnmarshalYAML(n *yaml.Node) error {
	var s string
	err := n.Decode(&s)
	*u = upper(strings.ToUpper(s))
	return err
}

func TestParseFillsTypesThatReadThemselves(t *testing.T) {
	var c struct {
		Addr   netip.AddrPort // encoding.TextUnmarshaler
		Upper  upper          // yaml.Unmarshaler
		Policy json.RawMessage
		Node   yaml.Node
		Many   map[upper][]*upper
	}
	const in = `
addr: "127.0.0.1:${PORT}"
upper: ${HOST}
policy: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: ["kms:*"]}]}
node: [1, two]
many: {a: [b, null]}
`
	if err := config.Parse("c.yaml", []byte(in), env, &c); err != nil {
		t.Fatal(err)
	}
	b := upper("B")
	if c.Addr.String() != "127.0.0.1:8443" || c.Upper != "EXAMPLE.COM" || len(c.Node.Content) != 2 {
		t.Errorf("read %+v", c)
	}
	if want := `{"Statement":[{"Action":["kms:*"],"Effect":"Allow"}],"Version":"2012-10-17"}`; string(c.Policy) != want {
		t.Errorf("policy %s, want %s", c.Policy, want)
	}
	if diff := cmp.Diff(map[upper][]*upper{"a": {&b, nil}}, c.Many); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for in, want := range map[string]string{
		"\naddr: [a]":                  "c.yaml:2: addr: want text, not a list",
		"\nupper: {a: hunter2}":        "c.yaml:2: upper: holds a value of the wrong type; check lists, maps and numbers in it",
		"many:\n  a:\n  - 1\n  - x: 1": "c.yaml:4: many.a.1: holds a value of the wrong type; check lists, maps and numbers in it",
		"policy: {a: .nan}":            "c.yaml:1: policy: json: unsupported value: NaN",
	} {
		if err := config.Parse("c.yaml", []byte(in), env, &c); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestParseRefusesTypesThatNoFileCanFill(t *testing.T) {
	var c struct {
		Chan chan int
		Map  map[int]string
		Err  error
	}
	for in, want := range map[string]string{
		"chan: 1":     "c.yaml:1: chan: a chan int cannot be read from a file",
		"map: {1: a}": "c.yaml:1: map: a map[int]string cannot be read from a file",
		"err: a":      "c.yaml:1: err: a error cannot be read from a file",
	} {
		if err := config.Parse("c.yaml", []byte(in), nil, &c); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	for _, into := range []any{nil, c, (*serverConfig)(nil)} {
		if err := config.Parse("c.yaml", nil, nil, into); err == nil || !strings.Contains(err.Error(), "give a pointer") {
			t.Errorf("into %T: %v", into, err)
		}
	}
}

func TestDurationReadsWhatItWrites(t *testing.T) {
	want := config.Duration(90*time.Minute + 250*time.Millisecond)
	j, err := json.Marshal(map[string]config.Duration{"timeout": want})
	if err != nil || string(j) != `{"timeout":"1h30m0.25s"}` {
		t.Fatalf("wrote %s, %v", j, err)
	}
	var c serverConfig
	if err := config.Parse("c.json", j, nil, &c); err != nil || c.Timeout != want || c.Timeout.Std() != time.Duration(want) {
		t.Errorf("read %v, %v; want %v", c.Timeout, err, want)
	}
}
