package store

import (
	"context"
	"slices"
	"sort"
	"sync"
)

// history keeps the latest events for those who watch. An event's position is
// its number since the store was opened. Positions are dropped by whole commits;
// the array below is only appended to, so that a reader may hold a part of it.
type history struct {
	max int // size to come back to when it has doubled

	mu      sync.Mutex
	events  []Event
	size    int           // of events, in bytes
	first   int           // position of events[0]
	base    Rev           // the revision before events[0]
	changed chan struct{} // closed at the next change
	closed  bool
}

func newHistory(base Rev, max int) *history {
	return &history{max: max, base: base, changed: make(chan struct{})}
}

// eventSize is about what an event takes in memory.
func eventSize(e Event) int { return len(e.Key) + len(e.Value) + 64 }

// add appends the events of whole commits.
func (h *history) add(events []Event) {
	if len(events) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, events...)
	for _, e := range events {
		h.size += eventSize(e)
	}
	if h.size > 2*h.max { // seldom, so that copying costs little
		h.drop()
	}
	close(h.changed)
	h.changed = make(chan struct{})
}

// drop forgets the oldest commits until the others are not larger than max.
func (h *history) drop() {
	n := 0
	for n < len(h.events) && (h.size > h.max || !h.events[n-1].Last) {
		h.size -= eventSize(h.events[n])
		n++
	}
	h.base = h.events[n-1].Rev
	h.first += n
	h.events = slices.Clone(h.events[n:])
}

func (h *history) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.closed = true
		close(h.changed)
	}
}

// watch is Store.Watch.
func (h *history) watch(ctx context.Context, after Rev) (<-chan Event, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ErrClosed
	}
	if after < h.base {
		return nil, ErrCompacted
	}
	at := h.first + sort.Search(len(h.events), func(i int) bool { return h.events[i].Rev > after })
	out := make(chan Event, 64)
	go h.send(ctx, out, at, after)
	return out, nil
}

// send sends the events from a position on. A revision still to come may have
// been asked for: what is not after it is left out.
func (h *history) send(ctx context.Context, out chan<- Event, at int, after Rev) {
	defer close(out)
	for {
		events, changed, ok := h.from(at)
		if !ok {
			return
		}
		for _, e := range events {
			if e.Rev <= after {
				continue
			}
			select {
			case out <- e:
			case <-ctx.Done():
				return
			}
		}
		at += len(events)
		if len(events) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// from gives the events from a position on, or what to wait for when there are
// none. Not ok: they were dropped, or there will be none any more.
func (h *history) from(at int) (events []Event, changed <-chan struct{}, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if at < h.first {
		return nil, nil, false
	}
	events = h.events[at-h.first:]
	return events, h.changed, len(events) > 0 || !h.closed
}
