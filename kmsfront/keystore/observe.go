package keystore

import (
	"time"

	"hyok/proxy/xks"
)

// An Observer is told what CloudWatch would be (custom-key-stores §14). Its methods
// must be quick and safe for concurrent use.
type Observer interface {
	// ProxyCall is called once per request to a proxy, successes included.
	ProxyCall(ProxyCall)
	// Managers is called after each health check with the number of external key
	// managers in each state.
	Managers(storeID string, n Managers)
	// Throttled is called when KMS itself refuses a request for a store's quota.
	Throttled(storeID, kmsOperation string)
	// Connection is called when a connected external key store's way to its proxy is
	// new or was changed, and with each health check.
	Connection(storeID string, c Connection)
	// State is called when a store's connection state has changed; "" stands for
	// a store that was deleted.
	State(storeID, state, errorCode string)
}

// A ProxyCall is a data point of XksProxyErrors and one of XksProxyLatency.
type ProxyCall struct {
	StoreID, KMSOperation, XksOperation string
	// KeySpec is SYMMETRIC_DEFAULT, empty for GetHealthStatus, which has no key.
	KeySpec string
	// ErrorType is Retryable, Non-retryable or N/A; ExceptionName the proxy's
	// error, XksProxyUnreachableException or None (contradictions 12, 13).
	ErrorType, ExceptionName string
	// Latency of all attempts; the full 250 ms an attempt that timed out (guide 004:21444).
	Latency time.Duration
}

// Managers counts external key managers by state: XksExternalKeyManagerStates.
type Managers struct{ Active, Degraded, Unavailable int }

// byState gives the counts under the names that the metrics have for the states.
func (n Managers) byState() map[string]int {
	return map[string]int{"Active": n.Active, "Degraded": n.Degraded, "Unavailable": n.Unavailable}
}

// A Connection is what is known of the way to a proxy: XksProxyCredentialAge and
// XksProxyCertificateDaysToExpire, which depend on the time of the question.
type Connection struct {
	CredentialCreated  time.Time // when KMS was given the credential
	CertificateName    string    // of the certificate that the proxy showed last
	CertificateExpires time.Time // zero: none was seen yet
}

const day = 24 * time.Hour

func (c *Connection) credentialAge(now time.Time) float64 {
	return float64(now.Sub(c.CredentialCreated)) / float64(day)
}

// daysToExpire is below zero once the certificate has expired.
func (c *Connection) daysToExpire(now time.Time) float64 {
	return float64(c.CertificateExpires.Sub(now)) / float64(day)
}

// observation turns what the client saw into a data point; limit is that of an attempt.
func observation(storeID string, o xks.Observation, limit time.Duration) ProxyCall {
	c := ProxyCall{
		StoreID: storeID, KMSOperation: o.KMSOperation, XksOperation: o.Operation,
		KeySpec: keySpec, ErrorType: notAnError, ExceptionName: noException,
		Latency: min(o.Latency, time.Duration(o.Attempts)*limit),
	}
	if o.Operation == xks.OpGetHealthStatus {
		c.KeySpec = ""
	}
	if o.Err == nil {
		return c
	}
	row := eventOf(o.Err).row()
	c.ErrorType, c.ExceptionName = row.errorType, row.name
	return c
}

// keySpec of all keys in custom key stores (guide 004:7627).
const keySpec = "SYMMETRIC_DEFAULT"

// Observers tells each of several; none: nobody.
type Observers []Observer

// ProxyCall is Observer's.
func (o Observers) ProxyCall(c ProxyCall) {
	for _, o := range o {
		o.ProxyCall(c)
	}
}

// Managers is Observer's.
func (o Observers) Managers(storeID string, n Managers) {
	for _, o := range o {
		o.Managers(storeID, n)
	}
}

// Throttled is Observer's.
func (o Observers) Throttled(storeID, kmsOperation string) {
	for _, o := range o {
		o.Throttled(storeID, kmsOperation)
	}
}

// Connection is Observer's.
func (o Observers) Connection(storeID string, c Connection) {
	for _, o := range o {
		o.Connection(storeID, c)
	}
}

// State is Observer's.
func (o Observers) State(storeID, state, errorCode string) {
	for _, o := range o {
		o.State(storeID, state, errorCode)
	}
}
