package hsm_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"hyok/hsm"
	"hyok/internal/fault"
)

func TestAGroupHasOneToTenDifferentTokens(t *testing.T) {
	var r *rig
	var tokens []*hsm.Token
	for range hsm.MaxMembers + 1 {
		r = newRig(t, hsm.ModuleConfig{})
		tokens = append(tokens, r.open(t, hsm.TokenConfig{}))
	}
	for _, c := range []struct {
		name   string
		tokens []*hsm.Token
		want   error
	}{
		{"none", nil, hsm.ErrBadInput},
		{"one", tokens[:1], nil},
		{"ten", tokens[:10], nil},
		{"eleven", tokens, hsm.ErrBadInput},
		{"one twice", []*hsm.Token{tokens[0], tokens[1], tokens[0]}, hsm.ErrBadInput},
		{"one opened twice", []*hsm.Token{tokens[10], r.open(t, hsm.TokenConfig{})}, hsm.ErrBadInput},
	} {
		if _, err := hsm.NewGroup(c.tokens...); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestWorkIsSpreadOverTheMembers(t *testing.T) {
	g, sides := newGroup(t, 3)
	for range 100 {
		if err := throughGroup(soon(t), g, "k"); err != nil {
			t.Fatal(err)
		}
	}
	for i, s := range sides {
		if n := s.works.Load(); n < 30 { // of 200; 66 are to be expected
			t.Errorf("member %d did %d works of 200", i, n)
		}
	}
}

// memberFailures are ways in which one member fails, and comes back.
var memberFailures = []struct {
	name string
	fail func(t *testing.T, s *side) (mend func())
}{
	{"its calls fail", func(t *testing.T, s *side) func() {
		s.fail(t, fault.Rule{Error: "CKR_DEVICE_ERROR"})
		return func() { s.faults.Clear() }
	}},
	{"encryption alone fails", func(t *testing.T, s *side) func() {
		s.fail(t, fault.Rule{Op: "Encrypt", Error: "CKR_DEVICE_ERROR"})
		return func() { s.faults.Clear() }
	}},
	{"it refuses the use", func(t *testing.T, s *side) func() {
		s.fail(t, fault.Rule{Error: "CKR_KEY_FUNCTION_NOT_PERMITTED"})
		return func() { s.faults.Clear() }
	}},
	{"it does not have the mechanism", func(t *testing.T, s *side) func() {
		s.fail(t, fault.Rule{Error: "CKR_MECHANISM_INVALID"})
		return func() { s.faults.Clear() }
	}},
	{"it hangs", func(t *testing.T, s *side) func() {
		s.fail(t, fault.Rule{Latency: 2 * time.Second})
		return func() { s.faults.Clear() }
	}},
	{"it is removed", func(t *testing.T, s *side) func() { return s.takeTokenAway(t) }},
	{"it is logged out", func(t *testing.T, s *side) func() {
		if err := s.token.Logout(soon(t)); err != nil {
			t.Error(err)
		}
		return func() { s.rightLogin(t) }
	}},
	{"its PIN is wrong", func(t *testing.T, s *side) func() {
		s.wrongLogin(t)
		return func() { s.rightLogin(t) }
	}},
}

// users use g until stop is closed. Their deadline is above what a busy processor
// may take, and below the time for which a member hangs.
func users(t *testing.T, g *hsm.Group, stop <-chan struct{}) *sync.WaitGroup {
	const deadline = time.Second
	all := new(sync.WaitGroup)
	for range 4 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				ctx, cancel := context.WithTimeout(context.Background(), deadline)
				began := time.Now()
				err := throughGroup(ctx, g, "k")
				cancel()
				if took := time.Since(began); err != nil || took > deadline {
					t.Errorf("after %s: %v", took, err)
				}
			}
		})
	}
	return all
}

// TestOneMemberFailsAndNobodyNotices has a member fail under load. Not one
// request fails, and the member works again when it can.
func TestOneMemberFailsAndNobodyNotices(t *testing.T) {
	for _, c := range memberFailures {
		t.Run(c.name, func(t *testing.T) {
			g, sides := newGroup(t, 2)
			if err := throughGroup(soon(t), g, "k"); err != nil {
				t.Fatal(err)
			}
			stop := make(chan struct{})
			load := users(t, g, stop)
			mend := c.fail(t, sides[0])
			worked(t, sides[1], 200)
			mend()
			worked(t, sides[0], 50)
			close(stop)
			load.Wait()
		})
	}
}

// worked waits until s has done so many more works.
func worked(t *testing.T, s *side, n int64) {
	t.Helper()
	from := s.works.Load()
	within(t, 10*time.Second, nil, nil, func() error {
		if s.works.Load() < from+n {
			return errors.New("it does not work")
		}
		return nil
	})
}

func TestAGroupIsAwayWhenAllMembersAre(t *testing.T) {
	g, sides := newGroup(t, 2)
	for _, c := range memberFailures[:1] {
		back := []func(){c.fail(t, sides[0]), c.fail(t, sides[1])}
		for range 5 {
			if err := encryptsAll(t, g)(); !errors.Is(err, hsm.ErrUnavailable) {
				t.Errorf("%s, both: %v", c.name, err)
			}
		}
		for _, mend := range back {
			mend()
		}
		within(t, 2*time.Second, nil, lostKeys[:len(lostKeys)-1], encryptsAll(t, g))
		worked2 := func() error { // both are used again
			if err := encryptsAll(t, g)(); err != nil {
				return err
			}
			for _, m := range g.Members() {
				if m.Flaw != nil {
					return m.Flaw
				}
			}
			return nil
		}
		within(t, 3*time.Second, nil, nil, worked2)
	}
}

// TestMembersThatPauseTogetherAreTriedOnceMore has both members fail two calls,
// which is what a token itself tries.
func TestMembersThatPauseTogetherAreTriedOnceMore(t *testing.T) {
	g, sides := newGroup(t, 2)
	if err := errors.Join(encrypts(t, sides[0].token, "k")(), encrypts(t, sides[1].token, "k")()); err != nil {
		t.Fatal(err)
	}
	for _, s := range sides {
		s.fail(t, fault.Rule{Error: "CKR_DEVICE_ERROR", Op: "Encrypt", Count: 2})
	}
	if err := encryptsAll(t, g)(); err != nil {
		t.Errorf("got %v", err)
	}
	if left := len(sides[0].faults.List()) + len(sides[1].faults.List()); left > 0 {
		t.Errorf("%d faults were not made: the test shows nothing", left)
	}
}

// A key is missing only when all members say so.
func TestAMissingKeyNeedsAllMembersWord(t *testing.T) {
	g, sides := newGroup(t, 2)
	if _, err := sides[1].token.CreateKey(soon(t), "half"); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if err := throughGroup(soon(t), g, "half"); err != nil {
			t.Errorf("a key of one member: %v", err)
		}
	}
	if _, err := g.Key(soon(t), "none"); !errors.Is(err, hsm.ErrKeyNotFound) {
		t.Errorf("a key of no member: %v", err)
	}
	bringBack := sides[1].takeTokenAway(t)
	untilAway(t, func() error { _, err := g.EncryptNamed(soon(t), "half", nil, nil, -1); return err })
	for _, label := range []string{"half", "none"} {
		for range 10 {
			if _, err := g.EncryptNamed(soon(t), label, nil, nil, -1); !errors.Is(err, hsm.ErrUnavailable) || errors.Is(err, hsm.ErrKeyNotFound) {
				t.Errorf("the key %q while a member is away: %v", label, err)
			}
		}
	}
	bringBack()
	within(t, 2*time.Second, hsm.ErrKeyNotFound, nil, func() error { _, err := g.Key(soon(t), "none"); return err })
}

// A call with hardly any time left says nothing of the member.
func TestACallerWithoutTimeTakesNoMemberOut(t *testing.T) {
	g, sides := newGroup(t, 2)
	worked := errors.Join(encrypts(t, sides[0].token, "k")(), encrypts(t, sides[1].token, "k")())
	if worked != nil {
		t.Fatal(worked)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	late, end := context.WithTimeout(context.Background(), time.Nanosecond)
	defer end()
	<-late.Done()
	for _, ctx := range []context.Context{gone, late} {
		for range 10 {
			if _, err := g.EncryptNamed(ctx, "k", nil, nil, -1); err != nil && !errors.Is(err, hsm.ErrTimeout) {
				t.Errorf("got %v", err)
			}
		}
	}
	for _, m := range g.Members() {
		if m.Flaw != nil {
			t.Errorf("a member is out: %v", m.Flaw)
		}
	}
}
