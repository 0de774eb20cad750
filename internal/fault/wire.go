package fault

import (
	"errors"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// wireRule is a Rule in JSON. A member that is absent means what the zero of
// Rule's field means; zeros given in so many words are refused, for "count": 0
// reads as never and would mean without limit.
type wireRule struct {
	ID          string   `json:"id,omitzero"`
	At          At       `json:"at"`
	Op          string   `json:"op,omitzero"`
	Latency     string   `json:"latency,omitzero"` // as time.ParseDuration reads it
	Error       string   `json:"error,omitzero"`
	Reset       bool     `json:"reset,omitzero"`
	Blackhole   bool     `json:"blackhole,omitzero"`
	Probability *float64 `json:"probability,omitzero"`
	Count       *int     `json:"count,omitzero"`
	Seed        *uint64  `json:"seed,omitzero"`
	Applied     int64    `json:"applied,omitzero"`
}

// members says what each member of wireRule wants.
var members = []struct{ name, wants string }{
	{"id", "a string"},
	{"at", "a string"},
	{"op", "a string"},
	{"latency", `a duration as a string, such as "300ms"`},
	{"error", "a string"},
	{"reset", "true or false"},
	{"blackhole", "true or false"},
	{"probability", "a number above 0 and at most 1; leave it out for always"},
	{"count", "a whole number of at least 1; leave it out for no limit"},
	{"seed", "a whole number of at least 1; leave it out for one that is chosen"},
	{"applied", "a whole number"},
}

// MarshalJSON writes the rule as the admin API does: durations are strings, and
// members that say nothing are left out.
func (r Rule) MarshalJSON() ([]byte, error) {
	w := wireRule{ID: r.ID, At: r.At, Op: r.Op, Error: r.Error, Reset: r.Reset, Blackhole: r.Blackhole, Applied: r.Applied}
	if r.Latency != 0 {
		w.Latency = r.Latency.String()
	}
	if r.Probability != 0 {
		w.Probability = &r.Probability
	}
	if r.Count != 0 {
		w.Count = &r.Count
	}
	if r.Seed != 0 {
		w.Seed = &r.Seed
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON writes. Members that do not exist, come
// twice or have the wrong type are errors; whether the rule makes sense, Add
// finds out.
func (r *Rule) UnmarshalJSON(data []byte) error {
	var w wireRule
	if err := json.Unmarshal(data, &w, json.RejectUnknownMembers(true)); err != nil {
		return explain(err)
	}
	read := Rule{ID: w.ID, At: w.At, Op: w.Op, Error: w.Error, Reset: w.Reset, Blackhole: w.Blackhole, Applied: w.Applied}
	if w.Latency != "" {
		latency, err := time.ParseDuration(w.Latency)
		if err != nil {
			return wrongMember("latency")
		}
		read.Latency = latency
	}
	if w.Probability != nil {
		if read.Probability = *w.Probability; read.Probability == 0 {
			return wrongMember("probability")
		}
	}
	if w.Count != nil {
		if read.Count = *w.Count; read.Count == 0 {
			return wrongMember("count")
		}
	}
	if w.Seed != nil {
		if read.Seed = *w.Seed; read.Seed == 0 {
			return wrongMember("seed")
		}
	}
	*r = read
	return nil
}

// errNotRule is returned for what is not a JSON object.
var errNotRule = errors.New(`a fault is one JSON object, such as {"at": "proxy", "op": "Decrypt", "latency": "300ms"}`)

// explain turns the decoder's error into one that names the member.
func explain(err error) error {
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok && errors.Is(err, jsontext.ErrDuplicateName) {
		return &RuleError{Member: syntax.JSONPointer.LastToken(), Msg: "is there twice"}
	}
	semantic, ok := errors.AsType[*json.SemanticError](err)
	if !ok || semantic.JSONPointer == "" {
		return errNotRule
	}
	name := semantic.JSONPointer.LastToken()
	if errors.Is(err, json.ErrUnknownName) {
		names := make([]string, len(members))
		for i, m := range members {
			names[i] = m.name
		}
		return &RuleError{Member: name, Msg: "is no member of a fault; those are " + list(names)}
	}
	return wrongMember(name)
}

// wrongMember says what a member wants.
func wrongMember(name string) error {
	for _, m := range members {
		if m.name == name {
			return &RuleError{Member: name, Msg: "must be " + m.wants}
		}
	}
	return errNotRule
}
