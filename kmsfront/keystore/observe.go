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

type nobody struct{}

func (nobody) ProxyCall(ProxyCall)          {}
func (nobody) Managers(string, Managers)    {}
func (nobody) Throttled(string, string)     {}
func (nobody) State(string, string, string) {}
