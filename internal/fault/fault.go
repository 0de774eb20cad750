// Package fault holds the rules for failures made on purpose: a slow network, a
// proxy that answers with an error, a device that fails, a KMS that throttles.
//
// A Set is asked at each hop, with Match, whether the call in hand is to suffer.
// Where there is no rule that costs one atomic load, and a nil *Set has none, so
// that production code asks without a switch around it. Rules are looked at in
// the order they were added; the first that applies and whose dice fall decides
// alone. Each rule has dice of its own, from its seed: the nth call that meets the
// rule suffers or not by that alone, so that a run can be repeated. What was
// suffered is kept in a log of bounded length.
//
// The package decides what happens; the hop makes it happen. Rules and log live
// in memory only.
package fault

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Rule is one failure to make.
type Rule struct {
	ID string // given by Add
	At At     // the hop
	// Op is the operation that suffers, at Front of the KMS API, elsewhere of the
	// XKS protocol. Empty or "*": every one, and whatever else passes the hop.
	Op string
	// Latency passes before anything else happens. 0: none.
	Latency time.Duration
	// Error is the error to answer with: at Front an exception of the KMS API, at
	// Proxy an XKS error name, at HSM the name of a PKCS#11 return value
	// (CKR_DEVICE_ERROR). Empty: none.
	Error string
	// Reset aborts the connection.
	Reset bool
	// Blackhole cuts open connections and lets new ones never complete.
	Blackhole bool
	// Probability that the rule applies to a call, up to 1. 0: always.
	Probability float64
	// Count is how many calls are still to suffer; then the rule is gone. 0: no
	// limit.
	Count int
	// Seed of the dice for Probability. 0: Add chooses one, unless the set has
	// dice of its own.
	Seed uint64
	// Applied is how many calls have suffered so far, given by List.
	Applied int64
}

// Effect is what a call is to suffer: first the latency, then the rest. One of
// Error, Reset and Blackhole is set at most, and Blackhole has no latency.
type Effect struct {
	Latency          time.Duration
	Error            string
	Reset, Blackhole bool
}

// Wait returns nil after Latency, or the context's error if that ends first.
func (e Effect) Wait(ctx context.Context) error {
	if e.Latency <= 0 {
		return nil
	}
	timer := time.NewTimer(e.Latency)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Set is a set of rules, safe for concurrent use. The zero value has none, and
// so has a nil *Set, which takes none either.
type Set struct {
	rules atomic.Pointer[[]*liveRule] // nil: none. What it points to is never changed

	mu    sync.Mutex // held to change rules, to throw dice, and for the log
	rand  func() float64
	front func(Rule) error // nil: there is no front end
	added int              // numbers the rules
	log   journal
}

// A liveRule is a rule with what changes about it.
type liveRule struct {
	Rule
	dice    func() float64 // of a rule with a Probability
	left    atomic.Int64   // of a rule with a Count
	applied atomic.Int64
}

// New makes an empty Set. rand gives numbers in [0, 1) for the Probability of
// rules without a Seed, and is never called twice at once; nil: each such rule
// gets a random Seed.
func New(rand func() float64) *Set { return &Set{rand: rand} }

// ServeFront says that a KMS front end asks at Front. check finds what is wrong
// with a rule for it: operation and error belong to its API. It must be called
// before rules are added.
func (s *Set) ServeFront(check func(Rule) error) {
	if s != nil {
		s.front = check
	}
}

// ErrDisabled is returned for a rule added to a nil *Set.
var ErrDisabled = errors.New("faults are not enabled here")

// Add adds a rule at the end and gives its ID. A rule that contradicts itself or
// names what does not exist is a *RuleError.
func (s *Set) Add(r Rule) (id string, err error) {
	r, err = s.add(r)
	return r.ID, err
}

// add gives the rule as it was added.
func (s *Set) add(r Rule) (Rule, error) {
	if s == nil {
		return Rule{}, ErrDisabled
	}
	if r.Op == "" {
		r.Op = AnyOp
	}
	if err := r.check(); err != nil {
		return Rule{}, err
	}
	if r.At == Front {
		if s.front == nil {
			return Rule{}, &RuleError{Member: "at", Msg: "there is no KMS front end here"}
		}
		if err := s.front(r); err != nil {
			return Rule{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.added++
	r.ID = string(r.At) + "-" + strconv.Itoa(s.added)
	added := &liveRule{dice: s.rand}
	if r.Probability > 0 && (r.Seed != 0 || s.rand == nil) {
		for r.Seed == 0 {
			r.Seed = rand.Uint64N(1 << 32) // easy to type
		}
		added.dice = rand.New(rand.NewPCG(r.Seed, 0)).Float64
	}
	added.Rule = r
	added.left.Store(int64(r.Count))
	s.store(append(slices.Clone(s.load()), added))
	return r, nil
}

// List gives the rules in the order they were added, with what is left of their
// counts.
func (s *Set) List() []Rule {
	var all []Rule
	for _, r := range s.load() {
		listed := r.Rule
		listed.Applied = r.applied.Load()
		if r.Count > 0 {
			listed.Count = int(r.left.Load())
			if listed.Count <= 0 { // its last call is removing it
				continue
			}
		}
		all = append(all, listed)
	}
	return all
}

// Clear removes the rules with these IDs, or every rule if none is given, and
// tells how many went.
func (s *Set) Clear(ids ...string) (removed int) {
	if s == nil {
		return 0
	}
	return s.remove(func(r *liveRule) bool { return len(ids) == 0 || slices.Contains(ids, r.ID) })
}

// Match tells what a call of op at this hop is to suffer, and counts it.
func (s *Set) Match(at At, op string) (Effect, bool) {
	return s.MatchIf(at, op, func(Effect) bool { return true })
}

// MatchIf is Match with rules passed over whose effect cannot be.
func (s *Set) MatchIf(at At, op string, can func(Effect) bool) (Effect, bool) {
	for _, r := range s.load() {
		if r.At != at || r.Op != AnyOp && r.Op != op || !can(r.Effect()) || !s.falls(r) {
			continue
		}
		if r.Count > 0 {
			left := r.left.Add(-1)
			if left < 0 {
				continue // others took the last ones
			}
			if left == 0 {
				s.remove(func(other *liveRule) bool { return other == r })
			}
		}
		s.note(r, op)
		return r.Effect(), true
	}
	return Effect{}, false
}

// Effect is what a call suffers by the rule.
func (r *Rule) Effect() Effect {
	return Effect{Latency: r.Latency, Error: r.Error, Reset: r.Reset, Blackhole: r.Blackhole}
}

// falls throws the dice for a rule's probability.
func (s *Set) falls(r *liveRule) bool {
	if r.Probability == 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.dice() < r.Probability
}

// remove takes out the rules that f picks.
func (s *Set) remove(f func(*liveRule) bool) (removed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.load()
	after := slices.DeleteFunc(slices.Clone(before), f)
	s.store(after)
	return len(before) - len(after)
}

func (s *Set) load() []*liveRule {
	if s == nil {
		return nil
	}
	if rules := s.rules.Load(); rules != nil {
		return *rules
	}
	return nil
}

func (s *Set) store(rules []*liveRule) {
	if len(rules) == 0 {
		s.rules.Store(nil)
		return
	}
	s.rules.Store(&rules)
}

// RuleError is a rule that cannot be added.
type RuleError struct {
	Member string // the rule's member at fault, as JSON and the command line write it
	Msg    string // what is wrong and how to mend it, one line
}

// Error is one line.
func (e *RuleError) Error() string { return fmt.Sprintf("%s: %s", e.Member, e.Msg) }
