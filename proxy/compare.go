package proxy

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"hyok/hsm"
)

// Times of the comparisons of a group's members.
const (
	// compareInterval is the least time between two.
	compareInterval = time.Minute
	// compareShare: the next one waits so many times as long as the last one took.
	compareShare = 100
	// compareTimeout limits one. Ten thousand keys on a fast device take seconds.
	compareTimeout = 30 * time.Second
)

// A comparer compares the keys of a group's members in the background, and logs
// what is not alike once.
type comparer struct {
	compare func(context.Context, []string) ([]hsm.Difference, error)
	labels  atomic.Pointer[[]string] // of the stores' keys; nil inside: all keys
	name    func(*hsm.Token) string
	log     *slog.Logger
	ctx     context.Context
	stop    context.CancelFunc
	kick    chan struct{} // the labels have changed

	known map[hsm.Difference]bool
}

// comparersOf gives the comparer of each group that stores use, from old or new.
func (s *Server) comparersOf(stores []Store, old *state) map[*hsm.Group]*comparer {
	all := make(map[*hsm.Group]*comparer)
	for group, labels := range labelsOf(stores) {
		var c *comparer
		if old != nil {
			c = old.comparers[group]
		}
		if c == nil {
			c = newComparer(s.ctx, group.Compare, s.nameOf, s.log)
			c.labels.Store(&labels)
			s.checks.Go(c.run)
		} else if !slices.Equal(*c.labels.Swap(&labels), labels) {
			select {
			case c.kick <- struct{}{}:
			default: // wanted already
			}
		}
		all[group] = c
	}
	return all
}

// labelsOf gives the labels of the keys that stores have on each group, sorted;
// nil when one of them has all keys.
func labelsOf(stores []Store) map[*hsm.Group][]string {
	all := make(map[*hsm.Group][]string)
	for _, st := range stores {
		group, ok := st.Token.(*hsm.Group)
		if !ok {
			continue
		}
		labels, seen := all[group]
		if st.Keys == nil || seen && labels == nil {
			all[group] = nil
			continue
		}
		labels = append([]string{}, labels...)
		for id, k := range st.Keys {
			if k.Label != "" {
				id = k.Label
			}
			labels = append(labels, id)
		}
		slices.Sort(labels)
		all[group] = slices.Compact(labels)
	}
	return all
}

func newComparer(ctx context.Context, compare func(context.Context, []string) ([]hsm.Difference, error), name func(*hsm.Token) string, log *slog.Logger) *comparer {
	c := &comparer{compare: compare, name: name, log: log, kick: make(chan struct{}, 1)}
	c.ctx, c.stop = context.WithCancel(ctx)
	return c
}

// run compares until the comparer is stopped.
func (c *comparer) run() {
	for {
		began := time.Now()
		c.once()
		timer := time.NewTimer(max(compareInterval, compareShare*time.Since(began)))
		select {
		case <-c.ctx.Done():
			timer.Stop()
			return
		case <-c.kick:
			timer.Stop()
		case <-timer.C:
		}
	}
}

func (c *comparer) once() {
	ctx, cancel := context.WithTimeout(c.ctx, compareTimeout)
	defer cancel()
	found, err := c.compare(ctx, *c.labels.Load())
	switch {
	case c.ctx.Err() != nil:
		return
	case err != nil:
		c.log.Warn("the keys of a group were not compared", "cause", err)
		return
	}
	now := make(map[hsm.Difference]bool, len(found))
	for _, d := range found {
		if now[d] = true; !c.known[d] {
			c.log.Warn("the tokens of a group are not alike", "token", c.name(d.Token), "label", d.Label, "cause", d.Reason)
		}
	}
	if len(c.known) > 0 && len(now) == 0 {
		c.log.Info("the tokens of a group are alike again")
	}
	c.known = now
}
