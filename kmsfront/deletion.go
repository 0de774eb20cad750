package kmsfront

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"hyok/kmsfront/api"
	"hyok/kmsfront/store"
	"hyok/kmsfront/trail"
)

// The waiting period in days (guide 004:8067).
const (
	minWindow     = 7
	defaultWindow = 30
	maxWindow     = 30
	day           = 24 * time.Hour
)

// retryDeletion is how long a deletion waits that the store did not take.
const retryDeletion = time.Minute

func (s *Server) scheduleKeyDeletion(ctx context.Context, r *request, in *api.ScheduleKeyDeletionRequest) (*api.ScheduleKeyDeletionResponse, error) {
	window := int32(defaultWindow)
	if in.PendingWindowInDays != nil {
		window = *in.PendingWindowInDays
	}
	if window < minWindow || window > maxWindow {
		return nil, invalid("1 validation error detected: Value '%d' at 'pendingWindowInDays' failed to satisfy constraint: "+
			"Member must have value between %d and %d", window, minWindow, maxWindow)
	}
	due := s.clock.Now().Add(time.Duration(window) * day)
	err := s.change(ctx, r.key, func(k *Key) error {
		if !k.DeletionDate.IsZero() {
			return r.rules.states.check(k, api.KeyStatePendingDeletion)
		}
		k.DeletionDate = due
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.deadline.set(r.key.recordKey(), due)
	if r.key.Handle != "" {
		r.extra.AdditionalEventData = map[string]any{
			"customKeyStoreId": r.key.StoreID, "clusterId": r.key.ClusterID,
			"backingKeys": "[" + backingKey(r.key, "") + "]",
		}
	}
	return &api.ScheduleKeyDeletionResponse{
		KeyId: r.key.ARN, DeletionDate: due, KeyState: api.KeyStatePendingDeletion, PendingWindowInDays: &window,
	}, nil
}

// cancelKeyDeletion leaves the key disabled, whatever it was before (guide 004:8238).
func (s *Server) cancelKeyDeletion(ctx context.Context, r *request, _ *api.CancelKeyDeletionRequest) (*api.CancelKeyDeletionResponse, error) {
	err := s.change(ctx, r.key, func(k *Key) error {
		if k.DeletionDate.IsZero() {
			return r.rules.states.check(k, api.KeyStateEnabled)
		}
		k.DeletionDate, k.Disabled = time.Time{}, true
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.deadline.cancel(r.key.recordKey())
	return &api.CancelKeyDeletionResponse{KeyId: r.key.ARN}, nil
}

// deadlines are the timers of keys that wait for their deletion.
type deadlines struct {
	mu     sync.Mutex
	server *Server
	timers map[string]func() bool
	firing sync.WaitGroup
}

// start sets a timer for every key that waits; one that is overdue goes at once.
func (d *deadlines) start(s *Server) {
	d.mu.Lock()
	d.server, d.timers = s, make(map[string]func() bool)
	d.mu.Unlock()
	for key, k := range s.keys.All() {
		if !k.DeletionDate.IsZero() {
			d.set(key, k.DeletionDate)
		}
	}
}

// stop lets no further timer fire, and waits for deletions under way.
func (d *deadlines) stop() {
	d.mu.Lock()
	for _, stop := range d.timers {
		stop()
	}
	d.timers = nil
	d.mu.Unlock()
	d.firing.Wait()
}

func (d *deadlines) set(key string, due time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timers == nil {
		return
	}
	if stop, ok := d.timers[key]; ok {
		stop()
	}
	d.timers[key] = d.server.clock.AfterFunc(max(0, due.Sub(d.server.clock.Now())), func() {
		if d.begin() {
			defer d.firing.Done()
			d.fire(key)
		}
	})
}

// begin counts a deletion as under way, unless everything has stopped.
func (d *deadlines) begin() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timers == nil {
		return false
	}
	d.firing.Add(1)
	return true
}

func (d *deadlines) cancel(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if stop, ok := d.timers[key]; ok {
		stop()
		delete(d.timers, key)
	}
}

func (d *deadlines) fire(key string) {
	s := d.server
	k, err := s.deleteKey(context.Background(), key)
	if err != nil {
		s.log.Error("a key could not be deleted at the end of its waiting period; it will be tried again",
			slog.String("key", key), slog.Any("error", err))
		d.set(key, s.clock.Now().Add(retryDeletion))
		return
	}
	d.cancel(key)
	if k == nil {
		return
	}
	now := s.clock.Now()
	err = errors.Join(
		s.trail.Write(trail.NewDeleteKey(k.ARN, k.Account, k.Region, now, s.deleted(k))),
		s.trail.Emit(trail.NewDeletionEvent(k.ARN, k.Account, k.Region, now)))
	if err != nil {
		s.log.Error("the deletion of a key could not be recorded", slog.String("key", k.ARN), slog.Any("error", err))
	}
}

// deleteKey removes a key whose waiting period is over, with its aliases and
// its claim on an external key (guide 004:8076). It gives nil when the deletion
// was cancelled or moved in between.
func (s *Server) deleteKey(ctx context.Context, key string) (gone *Key, err error) {
	err = store.Update(ctx, s.store, func(tx *store.Tx) error {
		gone = nil
		k, ok := s.keys.Read(tx, key)
		if !ok || k.DeletionDate.IsZero() || k.DeletionDate.After(s.clock.Now()) {
			return nil
		}
		for name := range s.aliases.By(aliasesByKey, key, "") {
			s.aliases.Delete(tx, name)
		}
		if k.XksKeyID != "" {
			s.external.Delete(tx, claimKey(k.StoreID, k.XksKeyID))
		}
		s.keys.Delete(tx, key)
		gone = k
		return nil
	})
	if err != nil {
		return nil, err
	}
	return gone, nil
}

// deleted deletes the material in the cluster, after the record and as well as
// may be (guide 004:19663-19665, CH-14), and says what came of it. An external key
// stays where it is, and is named (CT-05).
func (s *Server) deleted(k *Key) map[string]any {
	switch {
	case k.StoreID == "":
		return nil
	case k.Origin != api.OriginTypeAwsCloudhsm:
		return inStore(k)
	}
	status := "SUCCESS"
	if !s.discard(context.Background(), k) {
		status = "FAILURE"
	}
	return map[string]any{
		"customKeyStoreId": k.StoreID, "clusterId": k.ClusterID,
		"backingKeys":               "[" + backingKey(k, "") + "]",
		"backingKeysDeletionStatus": "[" + backingKey(k, status) + "]",
	}
}

// backingKey is how the trail names material in a cluster: JSON in a string
// (guide 004:4521), with the status of its deletion where there is one.
func backingKey(k *Key, status string) string {
	b, _ := json.Marshal(struct { // strings alone: it cannot fail
		KeyHandle      string `json:"keyHandle"`
		BackingKeyID   string `json:"backingKeyId"`
		DeletionStatus string `json:"deletionStatus,omitempty"`
	}{k.Handle, k.BackingKeyID, status})
	return string(b)
}
