package hsm

import (
	"context"
	"time"

	"github.com/miekg/pkcs11"
)

// A search costs time for each object on the token, whatever it is for: 20 µs in
// SoftHSM (guide hsm.md §1d), and so with thousands of keys more than a request can
// wait. A token with many keys is surveyed instead: one search for all of them,
// when the token is opened and from time to time beside the requests, which then
// find every key in the cache.

const (
	// fewKeys are looked for one by one, which is as quick.
	fewKeys = 64
	// cheapSearch is what a request can wait for. A search that took longer
	// raises the question how many keys there are.
	cheapSearch = 3 * time.Millisecond
	// maxSurvey bounds the keys that a survey knows; the others are searched.
	maxSurvey = 1 << 17
	// surveyStep is how many keys are read before a reload of the module may
	// come in between.
	surveyStep = 256
	// surveyTimeout limits one step.
	surveyTimeout = 30 * time.Second
)

// searchDue tells, to one caller only, that it is time to look for other versions.
// That one says with searched what it cost.
func (t *Token) searchDue() bool {
	now, due := int64(time.Since(started)), t.nextSearch.Load()
	return now >= due && t.nextSearch.CompareAndSwap(due, now+int64(time.Second))
}

// searched has the next look so much later that looking takes one part in a
// hundred of the time.
func (t *Token) searched(cost time.Duration) {
	t.nextSearch.Store(int64(time.Since(started) + 99*cost))
}

// surveySoon has the token surveyed, unless that is being done.
func (t *Token) surveySoon() {
	if !t.surveying.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer t.surveying.Store(false)
		if err := t.survey(context.Background()); err != nil {
			t.config.Log.Debug("the keys of the token could not be surveyed", "token", t.info.Label, "cause", err)
		}
	}()
}

// survey brings the cache up to date with all keys on the token, in a session of
// its own. It stops early when the connection ends.
func (t *Token) survey(ctx context.Context) error {
	begin := time.Now()
	defer func() { t.searched(time.Since(begin)) }()
	w := &worker{t: t, conn: t.conn.Load()}
	var all []pkcs11.ObjectHandle
	err := w.step(ctx, func() (err error) {
		if w.session, err = t.lib.openSession(w.conn.slot); err == nil {
			w.epoch = w.conn.epoch
			all, err = t.lib.find(w.session, maxSurvey)
		}
		return err
	})
	if err == nil {
		err = w.learnAll(ctx, all)
	}
	if w.epoch != 0 {
		_ = w.step(ctx, func() error { w.closeSessionInside(); return nil }) // or it has ended
	}
	return err
}

// step makes calls for a survey while its connection lasts.
func (w *worker) step(ctx context.Context, calls func() error) error {
	ctx, cancel := context.WithTimeout(ctx, surveyTimeout)
	defer cancel()
	return w.t.lib.bounded(ctx, func() error {
		if w.conn == nil || w.conn.epoch != w.t.lib.epoch.Load() || w.t.life.Err() != nil {
			return ErrClosed
		}
		return calls()
	})
}

// learnAll takes over the keys with these handles, if they are many.
func (w *worker) learnAll(ctx context.Context, all []pkcs11.ObjectHandle) error {
	many := len(all) > fewKeys
	w.t.large.Store(many)
	if !many {
		w.conn.keys.surveyed.Store(true)
		return nil
	}
	known := w.conn.keys.entries()
	byLabel := make(map[string][]*entry)
	for len(all) > 0 {
		some := all[:min(surveyStep, len(all))]
		all = all[len(some):]
		err := w.step(ctx, func() error {
			for _, h := range some {
				e := known[h]
				if e == nil {
					k, err := w.attributes(h)
					if err != nil {
						continue // gone meanwhile, or its use will tell
					}
					e = newEntry(h, k)
				}
				byLabel[e.key.Label] = append(byLabel[e.key.Label], e)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return w.step(ctx, func() error {
		for label, versions := range byLabel {
			w.learn(label, versions)
		}
		w.conn.keys.surveyed.Store(true)
		return nil
	})
}

// learn takes over the keys of a label, if they are others than are known. What is
// wrong with them shows when they are used.
func (w *worker) learn(label string, versions []*entry) {
	handles := make([]pkcs11.ObjectHandle, len(versions))
	for i, e := range versions {
		handles[i] = e.handle
	}
	old := w.conn.keys.get(label)
	if old != nil && !old.unsettled && old.has(handles) {
		return
	}
	f, err := w.familyOf(versions)
	if err != nil || old != nil && old.lost(f) {
		return
	}
	if w.conn.keys.replace(label, old, f) {
		w.dropCopies(old, handles)
	}
}
