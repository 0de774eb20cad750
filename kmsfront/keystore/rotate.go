package keystore

import (
	"context"
	"log/slog"

	"hyok/kmsfront/api"
	"hyok/proxy/xks"
)

// connectCluster is the step from CONNECTING for an AWS CloudHSM key store:
// find the cluster, see that an HSM is active, attach to its subnets, log in as kmsuser, rotate its
// password, stay logged in (guide 004:18883-18898).
func (l *link) connectCluster(ctx context.Context, r *Record) {
	code := l.reachCluster(ctx, r)
	if code != "" {
		l.finish(r, failed, code)
		return
	}
	code, passwords := l.rotate(ctx, r)
	if passwords == nil {
		l.finish(r, failed, code)
		return
	}
	if code == "" {
		if s, err := l.m.newSession(r); err == nil {
			s.cluster.logins.Add(1)
			l.prove(s)
		}
	}
	// What is known of the password is stored even when the step has become
	// stale meanwhile, and when the Manager is being closed.
	l.commit(r, func(n *Record) error {
		passwords(n.Cluster)
		if n.Attempt == r.Attempt && l.m.ctx.Err() == nil {
			n.State, n.ErrorCode = failed, code
			if code == "" {
				n.State = connected
			}
		}
		return nil
	})
}

// reachCluster gives the ConnectionErrorCode of a cluster that cannot be used;
// one active HSM is enough (guide 004:18895).
func (l *link) reachCluster(ctx context.Context, r *Record) string {
	c := l.m.clusterOf(r.Owner, r.ClusterID)
	if c == nil {
		return api.ConnectionErrorCodeTypeClusterNotFound
	}
	d, err := c.describe(ctx)
	if err == nil {
		if hsms, _ := activeHSMs(d); hsms == 0 {
			return api.ConnectionErrorCodeTypeInsufficientCloudhsmHsms
		}
		if d.State != xks.ClusterStateActive {
			return cInternal
		}
		err = c.client.Attach(ctx, r.ID)
	}
	if err != nil {
		l.logConnect(ctx, r, err)
		return clusterTable[clusterRow(err)].connect
	}
	return ""
}

// rotate logs in as kmsuser and gives it a new password (guide 004:18403-18405).
// The new password is stored before it is set, so that it is known whatever
// happens in between. One that was stored by an earlier attempt whose end is not
// known is used again: either it is not set yet, or the login with the old one
// fails and one more, with the new one, succeeds. With the code comes what to do
// with the stored passwords; nil when nothing was tried.
func (l *link) rotate(ctx context.Context, r *Record) (code string, passwords func(*Cluster)) {
	next, resumed := r.Cluster.Next, r.Cluster.Next != ""
	if !resumed {
		next = newPassword()
		stored := l.commit(r, func(n *Record) error {
			if n.Attempt != r.Attempt {
				return errStale
			}
			n.Cluster.Next = next
			return nil
		})
		if !stored {
			return cInternal, nil
		}
	}
	client := l.m.clusterOf(r.Owner, r.ClusterID).client
	err := client.Connect(ctx, string(r.Cluster.Password), string(next))
	if resumed && isCluster(err, xks.ClusterWrongPassword) {
		err = client.Connect(ctx, string(next), "")
	}
	if err == nil {
		return "", func(c *Cluster) { c.Password, c.Next = next, "" }
	}
	l.logConnect(ctx, r, err)
	if isCluster(err, xks.ClusterWrongPassword) { // neither is kmsuser's
		return cCredentials, func(c *Cluster) { c.Next = "" }
	}
	return clusterTable[clusterRow(err)].connect, func(*Cluster) {}
}

func (l *link) logConnect(ctx context.Context, r *Record, err error) {
	l.m.c.Log.LogAttrs(ctx, slog.LevelWarn, "cluster could not be connected",
		slog.String("keyStore", r.ID), slog.String("cluster", r.ClusterID), slog.Any("error", err))
}
