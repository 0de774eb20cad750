package fault

import (
	"time"

	"github.com/go-json-experiment/json"
)

// logged is how many calls the log keeps.
const logged = 1000

// Applied is a call that suffered.
type Applied struct {
	Time   time.Time
	Rule   string // ID of the rule
	At     At
	Op     string // of the call
	Effect Effect
}

// wireApplied is an Applied in JSON.
type wireApplied struct {
	Time      time.Time `json:"time"`
	Rule      string    `json:"rule"`
	At        At        `json:"at"`
	Op        string    `json:"op"`
	Latency   string    `json:"latency,omitzero"`
	Error     string    `json:"error,omitzero"`
	Reset     bool      `json:"reset,omitzero"`
	Blackhole bool      `json:"blackhole,omitzero"`
}

// MarshalJSON writes the call as the admin API does: the effect's members beside
// the others, a latency as a string.
func (a Applied) MarshalJSON() ([]byte, error) {
	w := wireApplied{Time: a.Time.UTC(), Rule: a.Rule, At: a.At, Op: a.Op,
		Error: a.Effect.Error, Reset: a.Effect.Reset, Blackhole: a.Effect.Blackhole}
	if a.Effect.Latency != 0 {
		w.Latency = a.Effect.Latency.String()
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (a *Applied) UnmarshalJSON(data []byte) error {
	var w wireApplied
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	read := Applied{Time: w.Time, Rule: w.Rule, At: w.At, Op: w.Op,
		Effect: Effect{Error: w.Error, Reset: w.Reset, Blackhole: w.Blackhole}}
	if w.Latency != "" {
		var err error
		if read.Effect.Latency, err = time.ParseDuration(w.Latency); err != nil {
			return err
		}
	}
	*a = read
	return nil
}

// A journal keeps the last calls in a ring.
type journal struct {
	ring []Applied
	next int // where the oldest is, once the ring is full
}

func (j *journal) add(a Applied) {
	if len(j.ring) < logged {
		j.ring = append(j.ring, a)
		return
	}
	j.ring[j.next] = a
	j.next = (j.next + 1) % logged
}

// note counts a call of op that suffers by r, and logs it.
func (s *Set) note(r *liveRule, op string) {
	r.applied.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log.add(Applied{Time: time.Now(), Rule: r.ID, At: r.At, Op: op, Effect: r.Effect()})
}

// Log gives the last n calls that suffered, the last one last. It goes back a
// thousand, those of rules that are gone included.
func (s *Set) Log(n int) []Applied {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := append(append([]Applied{}, s.log.ring[s.log.next:]...), s.log.ring[:s.log.next]...)
	return all[max(0, len(all)-n):]
}
