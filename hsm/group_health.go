package hsm

import (
	"errors"
	"fmt"
)

// A Member is a token as the group, or the single token, that it works in sees
// it.
type Member struct {
	Token *Token
	// Flaw is what is wrong with its part in the group though it may be well by
	// itself: other members are tried first, or its keys differ. Nil: nothing.
	Flaw error
}

// Members is t alone, as Group.Members.
func (t *Token) Members() []Member { return []Member{{Token: t}} }

// Members are the group's tokens, in the order of NewGroup. It does not ask them.
func (g *Group) Members() []Member {
	all := make([]Member, len(g.members))
	for i, m := range g.members {
		all[i] = Member{m.token, m.flaw(g.unlike.Load().differences)}
	}
	return all
}

// flaw is what Member.Flaw says of m.
func (m *member) flaw(differences []Difference) error {
	if out := m.out.Load(); out != nil {
		return fmt.Errorf("other members are tried first, since it failed: %w", out.err)
	}
	first, n := Difference{}, 0
	for _, d := range differences {
		if d.Token == m.token {
			if n++; n == 1 {
				first = d
			}
		}
	}
	switch n {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("its keys are not those of the other members: %q: %s", first.Label, first.Reason)
	}
	return fmt.Errorf("its keys are not those of the other members: %q: %s, and %d more", first.Label, first.Reason, n-1)
}

// warning is what may soon keep a token that works from working: calls that
// hang in it, or a PIN that was wrong. The caller is inside the gate.
func (w *worker) warning() error {
	l := w.t.quick
	l.mu.Lock()
	lost := l.lost
	l.mu.Unlock()
	if lost > 0 {
		return fmt.Errorf("%d calls hang in it", lost)
	}
	info, err := w.t.lib.tokenInfo(w.conn.slot)
	switch {
	case err != nil: // which the next probe will meet
		return nil
	case info.PINLocked:
		return errors.New("its user PIN is locked: it cannot be logged in to again")
	case info.PINLow:
		return errors.New("somebody gave it a wrong PIN: more of them can lock it")
	}
	return nil
}
