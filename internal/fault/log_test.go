package fault_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"hyok/internal/fault"
)

// suffered is which of n calls suffer.
func suffered(s *fault.Set, n int) []bool {
	all := make([]bool, n)
	for i := range all {
		_, all[i] = s.Match(fault.Proxy, "Encrypt")
	}
	return all
}

// The same seed hits the same calls, whatever else is asked meanwhile, and a
// seed that was chosen can be given the next time.
func TestSeedRepeatsARun(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := fault.Rule{At: fault.Proxy, Reset: true, Probability: rapid.Float64Range(0.01, 1).Draw(t, "probability"),
			Seed: rapid.Uint64().Draw(t, "seed")}
		first, second := fault.New(nil), fault.New(nil)
		if _, err := first.Add(r); err != nil {
			t.Fatal(err)
		}
		want := suffered(first, 200)
		listed := first.List()[0]
		if r.Seed != 0 && listed.Seed != r.Seed || listed.Seed == 0 {
			t.Fatalf("seed %d is listed as %d", r.Seed, listed.Seed)
		}
		r.Seed = listed.Seed
		for _, rule := range []fault.Rule{{At: fault.HSM, Latency: 1, Probability: 0.5}, r} {
			if _, err := second.Add(rule); err != nil {
				t.Fatal(err)
			}
		}
		second.Match(fault.HSM, "Encrypt")
		if diff := cmp.Diff(want, suffered(second, 200)); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestSeedsDiffer(t *testing.T) {
	var runs [2][]bool
	for i := range runs {
		s := fault.New(nil)
		mustAdd(t, s, fault.Rule{At: fault.Proxy, Reset: true, Probability: 0.5, Seed: uint64(i) + 1})
		runs[i] = suffered(s, 100)
	}
	if slices.Equal(runs[0], runs[1]) {
		t.Error("two seeds hit the same calls")
	}
}

func TestRulesThatCannotBeArePassedOver(t *testing.T) {
	s := fault.New(nil)
	mustAdd(t, s, fault.Rule{At: fault.Proxy, Error: "ThrottlingException", Count: 1})
	mustAdd(t, s, fault.Rule{At: fault.Proxy, Latency: time.Second})
	noErrors := func(e fault.Effect) bool { return e.Error == "" }
	if e, ok := s.MatchIf(fault.Proxy, "Encrypt", noErrors); !ok || e.Latency != time.Second {
		t.Errorf("%+v, %v", e, ok)
	}
	if e, _ := s.Match(fault.Proxy, "Encrypt"); e.Error != "ThrottlingException" {
		t.Errorf("the rule that was passed over was counted: %+v", e)
	}
}

func TestFrontTakesWhatItsAPIHas(t *testing.T) {
	wrong := errors.New("no such operation")
	s := fault.New(nil)
	s.ServeFront(func(r fault.Rule) error {
		if r.Op == "CreateKey" || r.Op == "*" {
			return nil
		}
		return wrong
	})
	mustAdd(t, s, fault.Rule{At: fault.Front, Op: "CreateKey", Error: "LimitExceededException"})
	if _, err := s.Add(fault.Rule{At: fault.Front, Op: "GetKeyMetadata", Reset: true}); !errors.Is(err, wrong) {
		t.Errorf("an operation that is not of the API: %v", err)
	}
	if _, err := fault.New(nil).Add(fault.Rule{At: fault.Front, Reset: true}); err == nil {
		t.Error("a front end that is not there takes a fault")
	}
	if e, _ := s.Match(fault.Front, "CreateKey"); e.Error != "LimitExceededException" {
		t.Errorf("%+v", e)
	}
}

func TestLogHasTheLastCallsThatSuffered(t *testing.T) {
	const calls, kept = 2500, 1000
	synctest.Test(t, func(t *testing.T) {
		s := fault.New(nil)
		id := mustAdd(t, s, fault.Rule{At: fault.Proxy, Error: "ThrottlingException", Count: calls})
		start := time.Now()
		for i := range calls {
			time.Sleep(time.Second)
			s.Match(fault.Proxy, fmt.Sprint(i))
			s.Match(fault.HSM, "nothing happens here")
		}
		all := s.Log(calls)
		if len(all) != kept || len(s.Log(7)) != 7 {
			t.Fatalf("%d and %d calls", len(all), len(s.Log(7)))
		}
		for i, got := range all {
			n := calls - kept + i
			want := fault.Applied{Time: start.Add(time.Duration(n+1) * time.Second), Rule: id, At: fault.Proxy,
				Op: fmt.Sprint(n), Effect: fault.Effect{Error: "ThrottlingException"}}
			if got != want {
				t.Fatalf("call %d: %+v, want %+v", i, got, want)
			}
		}
		if diff := cmp.Diff(all[kept-7:], s.Log(7)); diff != "" {
			t.Error(diff)
		}
		if n := len(s.List()); n != 0 {
			t.Errorf("%d rules", n)
		}
	})
	var none *fault.Set
	if none.Log(5) != nil {
		t.Error("no set has a log")
	}
}

func TestLogOverHTTP(t *testing.T) {
	s := fault.New(nil)
	if _, text := call(t, s, "GET", "/?log=5", ""); text != "[]" {
		t.Errorf("an empty log is %s", text)
	}
	mustAdd(t, s, fault.Rule{At: fault.Network, Op: "Decrypt", Latency: 300 * time.Millisecond, Reset: true})
	for range 3 {
		s.Match(fault.Network, "Decrypt")
	}
	status, text := call(t, s, "GET", "/?log=2", "")
	var got []fault.Applied
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s.Log(2), got); status != 200 || diff != "" {
		t.Errorf("%d %s: %s", status, text, diff)
	}
	if _, text := call(t, s, "GET", "/", ""); text != `[{"id":"network-1","at":"network","op":"Decrypt","latency":"300ms","reset":true,"applied":3}]` {
		t.Error(text)
	}
	for _, wrong := range []string{"0", "-1", "many"} {
		if status, _ := call(t, s, "GET", "/?log="+wrong, ""); status != 400 {
			t.Errorf("log=%s: %d", wrong, status)
		}
	}
}
