package proxy

import (
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
	err := x.auditLog.Write(&audit.Record{
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
	})
	if err != nil {
		return because(err, xks.InternalException, "the external key store proxy could not record the request")
	}
	return nil
}
