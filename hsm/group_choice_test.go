package hsm

import (
	"context"
	"testing"
	"time"
)

// BenchmarkGroupAlone is what a group adds to the work of a token.
func BenchmarkGroupAlone(b *testing.B) {
	g := &Group{}
	g.unlike.Store(new(unlike))
	for range 2 {
		g.members = append(g.members, &member{token: &Token{quick: &lane{size: 2}}})
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	b.ReportAllocs()
	for b.Loop() {
		if err := g.do(ctx, 0, likeness{}, func(context.Context, *Token) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

// TestTheMemberThatIsChosen is the order of preference, with the queues of two
// members as long as each row says.
func TestTheMemberThatIsChosen(t *testing.T) {
	const out = -1
	for _, c := range []struct {
		name        string
		queues      [3]int // a call takes a millisecond
		tried, last set
		want        int
	}{
		{"the least backlog", [3]int{2, 1, 3}, 0, 0, 1},
		{"not one that was tried", [3]int{2, 1, 3}, 0b010, 0, 0},
		{"last comes last", [3]int{2, 1, 3}, 0, 0b011, 2},
		{"out comes after last", [3]int{out, 5, 4}, 0, 0b110, 2},
		{"out when nothing else is left", [3]int{out, 5, 4}, 0b110, 0, 0},
		{"last and out comes with out", [3]int{out, out, 4}, 0b100, 0b001, -1},
	} {
		g := new(Group)
		for _, n := range c.queues {
			l := &lane{size: 1, requests: make(chan *request, 8)}
			l.mean.add(time.Millisecond, 1)
			m := &member{token: &Token{quick: l}}
			for range n {
				l.requests <- nil
			}
			if n == out {
				m.out.Store(&outage{err: ErrTimeout})
			}
			g.members = append(g.members, m)
		}
		seen := make(map[int]bool)
		for range 100 {
			seen[g.choose(c.tried, c.last)] = true
		}
		if c.want < 0 && len(seen) == 2 && !seen[2] { // either, at random
			continue
		}
		if len(seen) != 1 || !seen[c.want] {
			t.Errorf("%s: chose %v, want %d", c.name, seen, c.want)
		}
	}
}
