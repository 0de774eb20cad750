package keystore

import (
	"context"
	"errors"
	"log/slog"

	"hyok/kmsfront/api"
	"hyok/kmsfront/material"
)

// schedule lets the step begin that a record in a transient state asks for,
// once the delay has passed. The link's lock is held.
func (l *link) schedule(r *Record) {
	if l.attempt == r.Attempt {
		return
	}
	if l.stop != nil {
		l.stop()
	}
	attempt := r.Attempt
	l.attempt = attempt
	l.stop = l.m.c.Clock.AfterFunc(l.m.c.ConnectDelay, func() { l.run(attempt) })
}

// run makes a step, unless it has become stale. Steps of one key store follow
// each other: what connecting did to a cluster is known before disconnecting
// undoes it.
func (l *link) run(attempt uint64) {
	if !l.m.background() {
		return
	}
	defer l.m.steps.Done()
	l.step.Lock()
	defer l.step.Unlock()
	r, ok := l.m.Get(l.storeID)
	if !ok || r.Attempt != attempt {
		return
	}
	ctx := material.WithRequest(l.m.ctx, material.Request{RequestID: r.RequestID})
	switch {
	case r.State == connecting && r.External():
		l.connectProxy(ctx, r)
	case r.State == connecting:
		l.connectCluster(ctx, r)
	case r.State == disconnecting:
		l.disconnect(ctx, r)
	}
}

// finish ends r's step with a connection state. A Manager that is being closed
// leaves the state as it is: the next one repeats the step.
func (l *link) finish(r *Record, state, errorCode string) {
	if l.m.ctx.Err() != nil {
		return
	}
	l.commit(r, func(n *Record) error {
		if n.Attempt != r.Attempt {
			return errStale
		}
		n.State, n.ErrorCode = state, errorCode
		return nil
	})
}

// commit is change for a step, which has nobody to return an error to.
func (l *link) commit(r *Record, fn func(n *Record) error) bool {
	err := l.m.change(context.WithoutCancel(l.m.ctx), r.ID, fn)
	if err != nil && !errors.Is(err, errStale) {
		l.m.c.Log.LogAttrs(l.m.ctx, slog.LevelError, "a step of the connection could not be stored",
			slog.String("keyStore", r.ID), slog.String("state", r.State), slog.Any("error", err))
	}
	return err == nil
}

// connectProxy is the step from CONNECTING for an external key store: a look at
// the VPC endpoint service if it has one, and one GetHealthStatus with the stored
// settings (guide 004:21635-21646).
func (l *link) connectProxy(ctx context.Context, r *Record) {
	if fault := l.m.checkEndpointService(r); fault != nil {
		l.m.c.Log.LogAttrs(ctx, slog.LevelInfo, "key store cannot be connected",
			slog.String("keyStore", r.ID), slog.Any("error", fault))
		l.finish(r, failed, fault.connect)
		return
	}
	s, err := l.m.newSession(r)
	if err != nil {
		l.m.c.Log.LogAttrs(ctx, slog.LevelError, "key store cannot be used as it is stored",
			slog.String("keyStore", r.ID), slog.Any("error", err))
		l.finish(r, failed, api.ConnectionErrorCodeTypeInternalError)
		return
	}
	if e, err := l.m.health(ctx, s.external, "ConnectCustomKeyStore"); err != nil {
		s.retire()
		l.finish(r, failed, e.connectCode())
		return
	}
	l.prove(s)
	l.finish(r, connected, "")
}

// disconnect is the step from DISCONNECTING. Once the state is DISCONNECTED,
// nothing more is sent to the proxy, and kmsuser is logged out (guide
// 004:18910, 18927, 21656). That the cluster cannot be reached does not keep
// the key store connected.
func (l *link) disconnect(ctx context.Context, r *Record) {
	l.drained()
	if c := l.m.clusterOf(r.Owner, r.ClusterID); c != nil {
		if err := c.client.Disconnect(ctx); err != nil {
			l.m.c.Log.LogAttrs(ctx, slog.LevelWarn, "kmsuser could not be logged out",
				slog.String("keyStore", r.ID), slog.String("cluster", r.ClusterID), slog.Any("error", err))
		}
		if err := c.client.Detach(ctx, r.ID); err != nil {
			l.m.c.Log.LogAttrs(ctx, slog.LevelWarn, "the network interfaces in the cluster could not be removed",
				slog.String("keyStore", r.ID), slog.String("cluster", r.ClusterID), slog.Any("error", err))
		}
	}
	l.finish(r, disconnected, "")
}
