package hsm

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// MaxMembers is how many tokens a Group has at most: as many as an answer about
// their health can list (XKS fact 69).
const MaxMembers = 10

// A Group is several tokens, of any modules, that hold the same keys: the same
// key material under the same labels, and for rotated keys the same CKA_IDs. It
// goes on working as long as one of them does. Its methods are those of a Token,
// and safe for concurrent use.
//
// Work goes to the well member with the least backlog, at random where that is
// equal: a slow member gets less, and none is idle. A member that is away,
// late or logged out is passed over for the next one, within the caller's
// deadline: while there are others, a try has half of the time that is left. That
// member then comes last, until it passes a probe. What a caller has done wrong
// is told at once, except that a key or a version which one member does not have
// is believed missing only when all members say so.
//
// Limits: a group copies no keys. Encrypt takes the newest version that its
// member has, and only Compare can know whether the others have it too; until
// Compare has noticed that they have not, as long as a member which has it is
// away, ciphertexts of that version give ErrUnavailable. The tokens stay the
// caller's to close.
type Group struct {
	members []*member
	unlike  atomic.Pointer[unlike] // what Compare found

	comparing sync.Mutex
}

// NewGroup makes a group of 1 to MaxMembers open tokens, each one once;
// ErrBadInput otherwise.
func NewGroup(tokens ...*Token) (*Group, error) {
	if len(tokens) < 1 || len(tokens) > MaxMembers {
		return nil, fmt.Errorf("making a group: %w: %d tokens, the limits are 1 and %d", ErrBadInput, len(tokens), MaxMembers)
	}
	g := new(Group)
	for i, t := range tokens {
		if slices.ContainsFunc(tokens[:i], func(other *Token) bool { return other.login == t.login }) {
			return nil, fmt.Errorf("making a group: %w: token %q is in it twice", ErrBadInput, t.info.Label)
		}
		g.members = append(g.members, &member{token: t})
	}
	g.unlike.Store(new(unlike))
	return g, nil
}

// EncryptNamed is as Token's, on one of the members.
func (g *Group) EncryptNamed(ctx context.Context, label string, plaintext, aad []byte, at int) (Sealed, error) {
	var sealed Sealed
	like := g.unlike.Load().label(label)
	err := g.do(ctx, like.encryptLast, like, func(ctx context.Context, t *Token) (err error) {
		sealed, err = t.EncryptNamed(ctx, label, plaintext, aad, at)
		return err
	})
	return sealed, err
}

// DecryptVersion is as Token's, on one of the members. A version is unknown, which
// is ErrInvalidCiphertext, when all members say so. A forged ciphertext costs the
// work of one member, unless Compare has found that they hold different keys.
func (g *Group) DecryptVersion(ctx context.Context, label string, version uint32, iv, ciphertext, tag, aad []byte) ([]byte, error) {
	var plaintext []byte
	like := g.unlike.Load().label(label)
	err := g.do(ctx, like.decryptLast, like, func(ctx context.Context, t *Token) (err error) {
		plaintext, err = t.DecryptVersion(ctx, label, version, iv, ciphertext, tag, aad)
		return err
	})
	return plaintext, err
}

// Key is as Token's, of one of the members.
func (g *Group) Key(ctx context.Context, label string) (Key, error) {
	var key Key
	like := g.unlike.Load().label(label)
	err := g.do(ctx, like.decryptLast, like, func(ctx context.Context, t *Token) (err error) {
		key, err = t.Key(ctx, label)
		return err
	})
	return key, err
}

// Backlog is that of the member which would get the next work.
func (g *Group) Backlog() time.Duration { return g.members[g.choose(0, 0)].token.Backlog() }

// secondRound is the pause before the members are tried once more.
const secondRound = 10 * time.Millisecond

// do has the members try work, and a second time when none could do it though not
// all are down: the recovery of one makes those of the same module pause.
func (g *Group) do(ctx context.Context, last set, like likeness, work func(context.Context, *Token) error) error {
	err, away := g.round(ctx, last, like, work)
	if away && !g.isDown() && wait(ctx, secondRound) {
		err, _ = g.round(ctx, last, like, work)
	}
	return err
}

// round has one member after the other try work, until one does it or gives an
// answer that counts for all. Those in last come after the others. away tells
// that one could not do it.
func (g *Group) round(ctx context.Context, last set, like likeness, work func(context.Context, *Token) error) (err error, away bool) {
	var tried set
	var answers tally
	for left := len(g.members); left > 0 && (tried == 0 || ctx.Err() == nil); left-- {
		i := g.choose(tried, last)
		tried.add(i)
		err := g.members[i].try(ctx, left > 1, work)
		if err == nil || answers.add(err, like.differ) {
			return err, false
		}
	}
	return answers.sum(len(g.members), ctx), answers.away != nil
}

// isDown tells whether all members are.
func (g *Group) isDown() bool {
	return !slices.ContainsFunc(g.members, func(m *member) bool { return m.token.down.Load() == nil && m.token.LoggedIn() })
}

// wait waits for d and tells whether ctx goes on.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// choose gives the member to try next: one that is well before those in last,
// those before the ones that are out, and among equals the one with the least
// backlog. Not all may have been tried.
func (g *Group) choose(tried, last set) int {
	n := len(g.members)
	begin := rand.IntN(n)
	best, bestRank, bestBacklog := -1, 0, time.Duration(0)
	for k := range n {
		i := (begin + k) % n
		if tried.has(i) {
			continue
		}
		rank, backlog := 0, g.members[i].token.Backlog()
		switch {
		case g.members[i].isOut():
			rank = 2
		case last.has(i):
			rank = 1
		}
		if best < 0 || rank < bestRank || rank == bestRank && backlog < bestBacklog {
			best, bestRank, bestBacklog = i, rank, backlog
		}
	}
	return best
}

// A set is some of a group's members.
type set uint16

func (s set) has(i int) bool { return s&(1<<i) != 0 }
func (s *set) add(i int)     { *s |= 1 << i }
