package keystore

import (
	"time"

	"hyok/internal/clock"
	"hyok/kmsfront/cloudwatch"
)

// points is an Observer that makes CloudWatch's data points.
type points struct {
	to    *cloudwatch.Metrics
	clock clock.Clock
}

// NewPoints makes an Observer that puts a data point of each metric of
// custom-key-stores §14 into to; ages and days follow c.
func NewPoints(to *cloudwatch.Metrics, c clock.Clock) Observer { return &points{to, c} }

func dimension(name, value string) cloudwatch.Dimension {
	return cloudwatch.Dimension{Name: name, Value: value}
}

func (p *points) ProxyCall(c ProxyCall) {
	id, kms := dimension(cloudwatch.CustomKeyStoreID, c.StoreID), dimension(cloudwatch.KMSOperation, c.KMSOperation)
	xks, spec := dimension(cloudwatch.XksOperation, c.XksOperation), dimension(cloudwatch.KeySpec, c.KeySpec)
	p.to.Put(cloudwatch.Of(cloudwatch.XksProxyErrors, id, kms, xks, spec,
		dimension(cloudwatch.ErrorType, c.ErrorType), dimension(cloudwatch.ExceptionName, c.ExceptionName)), 1)
	p.to.Put(cloudwatch.Of(cloudwatch.XksProxyLatency, id, kms, xks, spec), float64(c.Latency)/float64(time.Millisecond))
}

func (p *points) Managers(storeID string, n Managers) {
	for state, count := range n.byState() {
		p.to.Put(cloudwatch.Of(cloudwatch.XksExternalKeyManagerStates, dimension(cloudwatch.CustomKeyStoreID, storeID),
			dimension(cloudwatch.ExternalKeyManagerState, state)), float64(count))
	}
}

func (p *points) Throttled(storeID, kmsOperation string) {
	p.to.Put(cloudwatch.Of(cloudwatch.ExternalKeyStoreThrottle, dimension(cloudwatch.CustomKeyStoreID, storeID),
		dimension(cloudwatch.KMSOperation, kmsOperation), dimension(cloudwatch.KeySpec, keySpec)), 1)
}

func (p *points) Connection(storeID string, c Connection) {
	id, now := dimension(cloudwatch.CustomKeyStoreID, storeID), p.clock.Now()
	p.to.Put(cloudwatch.Of(cloudwatch.XksProxyCredentialAge, id), c.credentialAge(now))
	if !c.CertificateExpires.IsZero() {
		p.to.Put(cloudwatch.Of(cloudwatch.XksProxyCertificateDaysToExpire, id,
			dimension(cloudwatch.CertificateName, c.CertificateName)), c.daysToExpire(now))
	}
}

func (p *points) State(string, string, string) {}
