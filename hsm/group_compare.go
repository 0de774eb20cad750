package hsm

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
)

// A Difference is what a member of a group has otherwise than the others.
type Difference struct {
	Token  *Token
	Label  string // of the key
	Reason string
}

// unlike is what the latest comparison found. It is never changed.
type unlike struct {
	labels      map[string]likeness // only those that differ
	differences []Difference
}

func (u *unlike) label(label string) likeness {
	if len(u.labels) == 0 { // as a rule
		return likeness{}
	}
	return u.labels[label]
}

// A likeness says how the members' keys of one label differ.
type likeness struct {
	encryptLast set  // members whose newest version others do not have, or other than the first one's
	decryptLast set  // members that lack the key, or a version of it
	differ      bool // the same version is another key on some member
}

// Compare compares the keys of these labels on all members, of all labels on
// any of them when labels is nil: whether each has the key, with the same newest
// version and usages, and decrypts what another one encrypts under it, which is
// random. It takes some 0.2 ms a label, with SoftHSM. Until the next call, work
// avoids the members that differ where it can, and Members tells of them. What was found
// of a member earlier stands while it is away. ErrTimeout when ctx ends first.
func (g *Group) Compare(ctx context.Context, labels []string) ([]Difference, error) {
	g.comparing.Lock()
	defer g.comparing.Unlock()
	if labels == nil {
		labels = g.allLabels(ctx)
	}
	before := g.unlike.Load()
	now := &unlike{labels: make(map[string]likeness)}
	for _, label := range labels {
		c := &comparison{g: g, label: label, before: before}
		c.run(ctx)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("comparing the members' keys: %w", timedOut(ctx))
		}
		if c.found != (likeness{}) {
			now.labels[label] = c.found
		}
		now.differences = append(now.differences, c.differences...)
	}
	g.unlike.Store(now)
	return slices.Clone(now.differences), nil
}

// allLabels are those of the keys on the members that answer, each once.
func (g *Group) allLabels(ctx context.Context) []string {
	seen := make(map[string]bool)
	for _, m := range g.members {
		if m.isOut() { // it has nothing to compare
			continue
		}
		keys, _ := m.token.Keys(ctx)
		for _, k := range keys {
			if checkLabel(k.Label) == nil {
				seen[k.Label] = true
			}
		}
	}
	labels := make([]string, 0, len(seen))
	for label := range seen {
		labels = append(labels, label)
	}
	slices.Sort(labels)
	return labels
}

// A comparison is that of one label.
type comparison struct {
	g      *Group
	label  string
	before *unlike

	keys []Key // by member; those of have
	have set

	found       likeness
	differences []Difference
}

func (c *comparison) run(ctx context.Context) {
	c.keys = make([]Key, len(c.g.members))
	var lack set
	for i, m := range c.g.members {
		err := m.ask(ctx, func(ctx context.Context, t *Token) (err error) {
			c.keys[i], err = t.Key(ctx, c.label)
			return err
		})
		switch {
		case err == nil:
			c.have.add(i)
		case errors.Is(err, ErrKeyNotFound) || errors.Is(err, ErrAmbiguous):
			lack.add(i)
		default:
			c.keep(i)
		}
	}
	if c.have == 0 { // as a single token that does not have the key
		return
	}
	for i := range c.g.members {
		if lack.has(i) {
			c.differs(i, "the key is not on it, or not once")
			c.found.encryptLast.add(i)
			c.found.decryptLast.add(i)
		}
	}
	c.compareVersions()
	c.compareMaterial(ctx)
}

// differs notes what a member has otherwise.
func (c *comparison) differs(i int, reason string) {
	c.note(Difference{c.g.members[i].token, c.label, reason})
}

func (c *comparison) note(d Difference) {
	if !slices.Contains(c.differences, d) {
		c.differences = append(c.differences, d)
	}
}

// keep lets stand what was found of a member that cannot be asked now.
func (c *comparison) keep(i int) {
	t, was := c.g.members[i].token, c.before.label(c.label)
	for _, d := range c.before.differences {
		if d.Token == t && d.Label == c.label {
			c.note(d)
		}
	}
	if was.encryptLast.has(i) {
		c.found.encryptLast.add(i)
	}
	if was.decryptLast.has(i) {
		c.found.decryptLast.add(i)
	}
	c.found.differ = c.found.differ || was.differ
}

// compareVersions finds the members whose newest version is not that of others. A
// new version encrypts only when all have it, if that can be had.
func (c *comparison) compareVersions() {
	oldest, newest := uint32(1<<32-1), uint32(0)
	c.each(func(i int) {
		oldest, newest = min(oldest, c.keys[i].Version), max(newest, c.keys[i].Version)
	})
	c.each(func(i int) {
		v := c.keys[i].Version
		if v > oldest {
			c.found.encryptLast.add(i)
		}
		if v < newest {
			c.found.decryptLast.add(i)
			c.differs(i, fmt.Sprintf("its newest version of the key is %d, another member's %d", v, newest))
		}
	})
}

// each is for the members that have the key.
func (c *comparison) each(f func(i int)) {
	for i := range c.keys {
		if c.have.has(i) {
			f(i)
		}
	}
}

// compareMaterial has a member encrypt under the oldest of the newest versions,
// which all should have, and the others decrypt.
func (c *comparison) compareMaterial(ctx context.Context) {
	usable := func(i int) bool { return c.keys[i].usable(func(k Key) bool { return k.Encrypt && k.Decrypt }) == nil }
	first := -1
	c.each(func(i int) {
		if usable(i) && (first < 0 || c.keys[i].Version < c.keys[first].Version) {
			first = i
		}
	})
	if first < 0 { // disabled on all
		return
	}
	canary, aad := make([]byte, canarySize), []byte("canary of a group")
	rand.Read(canary)
	var sealed Sealed
	err := c.g.members[first].ask(ctx, func(ctx context.Context, t *Token) (err error) {
		sealed, err = t.Encrypt(ctx, c.label, canary, aad)
		return err
	})
	if err != nil { // it goes away just now
		c.each(c.keep)
		return
	}
	c.each(func(i int) {
		if !usable(i) {
			c.differs(i, "the key may be used on another member, and not on it")
			return
		}
		var opened []byte
		err := c.g.members[i].ask(ctx, func(ctx context.Context, t *Token) (err error) {
			opened, err = t.DecryptVersion(ctx, c.label, sealed.Version, sealed.IV, sealed.Ciphertext, sealed.Tag, aad)
			return err
		})
		switch {
		case i == first || err == nil && bytes.Equal(opened, canary):
		case err == nil || errors.Is(err, ErrInvalidCiphertext):
			c.differs(i, fmt.Sprintf("version %d of the key is not that of token %q", sealed.Version, c.g.members[first].token.info.Label))
			c.found.differ = true
			c.found.encryptLast.add(i)
			c.found.decryptLast.add(i)
		default:
			c.keep(i)
		}
	})
}
