package proxy

import (
	"context"
	"time"

	"hyok/proxy/audit"
	"hyok/proxy/xks"
)

// record puts the request into the audit log, if there is one, before it is
// answered. Only requests whose signature was verified are there: others could
// fill the disk, and have used no key.
func (x *exchange) record(outcome string) *refusal {
	if x.auditLog == nil || x.signer == "" {
		return nil
	}
	m := &x.metadata
	ctx, cancel := context.WithTimeout(context.Background(), x.recordTime())
	defer cancel()
	err := x.auditLog.Write(ctx, &audit.Record{
		Time:         time.Now(),
		KMSRequestID: head(m.KMSRequestID, maxLogged),
		Operation:    x.op.name,
		KMSOperation: head(m.KMSOperation, maxLogged),
		Outcome:      outcome,
		Store:        x.store.PathPrefix,
		Key:          x.keyID,
		KMSKeyARN:    head(m.KMSKeyArn, maxLoggedARN),
		Principal:    head(m.AWSPrincipalArn, maxLoggedARN),
		AccessKeyID:  x.signer,
		Policy:       x.decision.Policy,
		WouldDeny:    x.wouldDeny(),
	})
	if err != nil {
		x.Server.meters.unwritten.Inc()
		return because(err, xks.InternalException, "the external key store proxy could not record the request")
	}
	return nil
}

// recordMin is what the audit log has at least, when the device has taken all of
// the time. An answer that says so must not come after KMS has given up: with
// DefaultDeadline none is sent after 240 ms.
const recordMin = 15 * time.Millisecond

// recordTime is how long the disk may take for the line of the request: what is
// left until the deadline.
func (x *exchange) recordTime() time.Duration {
	left := x.store.deadline
	if end, ok := x.ctx.Deadline(); ok {
		left = time.Until(end)
	}
	return max(left, recordMin)
}
