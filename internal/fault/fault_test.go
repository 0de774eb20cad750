package fault_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"hyok/internal/fault"
)

func mustAdd(t testing.TB, s *fault.Set, r fault.Rule) string {
	t.Helper()
	id, err := s.Add(r)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestNilAndZeroSetHaveNoFaults(t *testing.T) {
	var none *fault.Set
	for name, s := range map[string]*fault.Set{"nil": none, "zero": new(fault.Set), "new": fault.New(nil)} {
		t.Run(name, func(t *testing.T) {
			if e, ok := s.Match(fault.Proxy, "Encrypt"); ok || e != (fault.Effect{}) {
				t.Errorf("Match gives %+v, %v", e, ok)
			}
			if n := len(s.List()) + s.Clear() + s.Clear("proxy-1"); n != 0 {
				t.Errorf("List and Clear give %d", n)
			}
		})
	}
	if _, err := none.Add(fault.Rule{At: fault.Proxy, Reset: true}); !errors.Is(err, fault.ErrDisabled) {
		t.Errorf("adding to nil: %v", err)
	}
	var zero fault.Set
	mustAdd(t, &zero, fault.Rule{At: fault.Proxy, Reset: true, Probability: 1})
	if _, ok := zero.Match(fault.Proxy, "Encrypt"); !ok {
		t.Error("a rule added to the zero value does not apply")
	}
}

func TestMatchIsFreeWithoutRules(t *testing.T) {
	s := fault.New(nil)
	if n := testing.AllocsPerRun(100, func() { s.Match(fault.HSM, "Encrypt") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestRulesApplyByHopAndOperation(t *testing.T) {
	s := fault.New(nil)
	mustAdd(t, s, fault.Rule{At: fault.Proxy, Op: "Decrypt", Error: "ThrottlingException"})
	mustAdd(t, s, fault.Rule{At: fault.Network, Latency: time.Second, Reset: true})
	mustAdd(t, s, fault.Rule{At: fault.HSM, Op: "*", Latency: time.Minute, Error: "CKR_DEVICE_ERROR"})
	for _, row := range []struct {
		at   fault.At
		op   string
		want fault.Effect
	}{
		{fault.Proxy, "Decrypt", fault.Effect{Error: "ThrottlingException"}},
		{fault.Proxy, "Encrypt", fault.Effect{}},
		{fault.Proxy, "*", fault.Effect{}},
		{fault.Network, "Encrypt", fault.Effect{Latency: time.Second, Reset: true}},
		{fault.Network, "AnythingElse", fault.Effect{Latency: time.Second, Reset: true}},
		{fault.HSM, "", fault.Effect{Latency: time.Minute, Error: "CKR_DEVICE_ERROR"}},
		{"elsewhere", "Decrypt", fault.Effect{}},
	} {
		got, ok := s.Match(row.at, row.op)
		if got != row.want || ok != (row.want != fault.Effect{}) {
			t.Errorf("%s at %s: %+v, %v; want %+v", row.op, row.at, got, ok, row.want)
		}
	}
}

func TestFirstRuleThatAppliesDecides(t *testing.T) {
	s := fault.New(nil)
	first := mustAdd(t, s, fault.Rule{At: fault.Proxy, Op: "Decrypt", Error: "InternalException", Count: 1})
	second := mustAdd(t, s, fault.Rule{At: fault.Proxy, Reset: true})
	if first == second {
		t.Fatalf("both rules are called %s", first)
	}
	if e, _ := s.Match(fault.Proxy, "Decrypt"); e.Error != "InternalException" {
		t.Errorf("first %+v", e)
	}
	if e, _ := s.Match(fault.Proxy, "Decrypt"); !e.Reset {
		t.Errorf("then %+v", e)
	}
	want := []fault.Rule{{ID: second, At: fault.Proxy, Op: "*", Reset: true, Applied: 1}}
	if diff := cmp.Diff(want, s.List()); diff != "" {
		t.Errorf("the rule that is used up is still listed (-want +got):\n%s", diff)
	}
}

func TestClearRemovesWhatIsNamedOrAll(t *testing.T) {
	s := fault.New(nil)
	var ids []string
	for range 4 {
		ids = append(ids, mustAdd(t, s, fault.Rule{At: fault.Proxy, Blackhole: true}))
	}
	if n := s.Clear(ids[1], "nobody", ids[2], ids[1]); n != 2 {
		t.Errorf("two names remove %d", n)
	}
	var left []string
	for _, r := range s.List() {
		left = append(left, r.ID)
	}
	if diff := cmp.Diff([]string{ids[0], ids[3]}, left); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
	if n := s.Clear(); n != 2 || len(s.List()) != 0 {
		t.Errorf("clearing all removes %d and leaves %v", n, s.List())
	}
	if id := mustAdd(t, s, fault.Rule{At: fault.Proxy, Blackhole: true}); id == ids[0] {
		t.Error("an ID was given twice")
	}
}

func TestProbabilityFollowsTheDice(t *testing.T) {
	var next float64
	s := fault.New(func() float64 { return next })
	mustAdd(t, s, fault.Rule{At: fault.Proxy, Reset: true, Probability: 0.25, Count: 2})
	for _, row := range []struct {
		dice float64
		want bool
	}{{0.25, false}, {0.9, false}, {0.2499, true}, {0.5, false}, {0, true}, {0, false}} {
		next = row.dice
		if _, got := s.Match(fault.Proxy, "Encrypt"); got != row.want {
			t.Errorf("at %v: %v", row.dice, got)
		}
	}
}

func TestCountIsExactUnderConcurrency(t *testing.T) {
	const calls, count = 64, 1000
	dice := 0
	s := fault.New(func() float64 { dice++; return 0 }) // not safe by itself
	mustAdd(t, s, fault.Rule{At: fault.HSM, Error: "CKR_DEVICE_ERROR", Count: count, Probability: 0.5})
	var matched atomic.Int64
	var group sync.WaitGroup
	for range calls {
		group.Go(func() {
			for range count / 16 {
				if _, ok := s.Match(fault.HSM, "Encrypt"); ok {
					matched.Add(1)
				}
				for _, r := range s.List() {
					if r.At == fault.HSM && (r.Count < 1 || r.Count > count) {
						t.Errorf("%d calls left", r.Count)
					}
				}
			}
		})
	}
	for range 50 { // rules come and go meanwhile
		s.Clear(mustAdd(t, s, fault.Rule{At: fault.Proxy, Reset: true}))
	}
	group.Wait()
	if matched.Load() != count || len(s.List()) != 0 {
		t.Errorf("%d of %d calls suffered, %d rules left", matched.Load(), count, len(s.List()))
	}
}

// Two calls see a rule with one call left; the second comes too late. The dice
// of the rule before it are where the second call is held up meanwhile.
func TestLastCallIsTakenOnce(t *testing.T) {
	first := make(chan bool, 1)
	var s *fault.Set
	s = fault.New(func() float64 {
		go func() {
			_, ok := s.Match(fault.Proxy, "Decrypt")
			first <- ok
		}()
		for len(s.List()) > 1 { // until the call has been counted
			runtime.Gosched()
		}
		return 0.9
	})
	mustAdd(t, s, fault.Rule{At: fault.Proxy, Op: "Encrypt", Reset: true, Probability: 0.5})
	mustAdd(t, s, fault.Rule{At: fault.Proxy, Latency: time.Second, Count: 1})
	_, second := s.Match(fault.Proxy, "Encrypt")
	if !<-first || second {
		t.Error("the call that came first does not suffer, or both do")
	}
}

func TestWait(t *testing.T) {
	for _, row := range []struct {
		latency, deadline, want time.Duration
		err                     error
	}{
		{300 * time.Millisecond, time.Second, 300 * time.Millisecond, nil},
		{time.Hour, 250 * time.Millisecond, 250 * time.Millisecond, context.DeadlineExceeded},
		{0, time.Second, 0, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), row.deadline)
			defer cancel()
			start := time.Now()
			err := fault.Effect{Latency: row.latency}.Wait(ctx)
			if got := time.Since(start); got != row.want || !errors.Is(err, row.err) {
				t.Errorf("%v within %v: %v after %v, want %v after %v", row.latency, row.deadline, err, got, row.err, row.want)
			}
		})
	}
}

// model is a Set as a slice that is searched from the front. Rules are told
// apart by their latency.
type model []fault.Rule

func (m *model) match(at fault.At, op string) time.Duration {
	for i, r := range *m {
		if r.At != at || r.Op != "*" && r.Op != op {
			continue
		}
		(*m)[i].Applied++
		switch r.Count {
		case 0:
		case 1:
			*m = slices.Delete(*m, i, i+1)
		default:
			(*m)[i].Count--
		}
		return r.Latency
	}
	return 0
}

func TestSetIsASlice(t *testing.T) {
	hops := rapid.SampledFrom([]fault.At{fault.Network, fault.Proxy})
	ops := rapid.SampledFrom([]string{"*", "Encrypt", "Decrypt"})
	rapid.Check(t, func(t *rapid.T) {
		s, latency := fault.New(nil), time.Duration(0)
		var m model
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				latency++
				r := fault.Rule{At: hops.Draw(t, "at"), Op: ops.Draw(t, "op"), Latency: latency, Count: rapid.IntRange(0, 2).Draw(t, "count")}
				var err error
				if r.ID, err = s.Add(r); err != nil {
					t.Fatal(err)
				}
				m = append(m, r)
			},
			"clear": func(t *rapid.T) {
				if len(m) > 0 && s.Clear(m[0].ID) == 1 {
					m = m[1:]
				}
			},
			"match": func(t *rapid.T) {
				at, op := hops.Draw(t, "at"), ops.Draw(t, "op")
				want := m.match(at, op)
				if got, ok := s.Match(at, op); got.Latency != want || ok != (want != 0) {
					t.Fatalf("%s at %s: %v, want the rule of %v", op, at, got, want)
				}
			},
			"": func(t *rapid.T) {
				if diff := cmp.Diff([]fault.Rule(m), s.List(), cmpopts.EquateEmpty()); diff != "" {
					t.Fatalf("rules (-want +got):\n%s", diff)
				}
			},
		})
	})
}
