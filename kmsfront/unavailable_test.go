package kmsfront

import (
	"testing"
	"time"

	"hyok/kmsfront/api"
	"hyok/kmsfront/quota"
)

// What becomes of a key while its key store is not connected, for both types:
// custom-key-stores §9.
func TestAKeyComesBackInTheStateItHad(t *testing.T) {
	for _, kind := range []string{"XKS", "CHS"} {
		t.Run(kind, func(t *testing.T) {
			l := newLife(t, kind)
			l.reach("CONNECTED")
			l.apply("DisableKey")
			l.is("Disabled", "DisabledException: "+l.arn(l.key)+" is disabled.") // 004:22735-22737
			l.must(l.do("Disconnect"))
			l.is("Unavailable", "KMSInvalidStateException: "+l.arn(l.key)+unavailableText) // contradictions 27, 32
			l.pass("DISCONNECTED")
			l.apply("EnableKey") // 004:8635, 19694: it is done, and shows later
			l.is("Unavailable", "KMSInvalidStateException: "+l.arn(l.key)+unavailableText)
			l.reach("CONNECTED")
			l.is("Enabled", "")
			l.must(l.do("Disconnect"))
			l.pass("DISCONNECTED")
			l.apply("ScheduleKeyDeletion")
			l.is("PendingDeletion", "KMSInvalidStateException: "+l.arn(l.key)+" is pending deletion.") // contradiction 22
			l.apply("CancelKeyDeletion")
			l.is("Unavailable", "KMSInvalidStateException: "+l.arn(l.key)+unavailableText) // 004:19692, 22740
			l.reach("CONNECTED")
			l.is("Disabled", "DisabledException: "+l.arn(l.key)+" is disabled.")
		})
	}
}

const unavailableText = " is unavailable. You cannot perform this operation on an unavailable KMS key."

// apply does an operation that takes the key alone.
func (l *life) apply(operation string) {
	l.t.Helper()
	if _, err := l.call(operation, body("KeyId", l.key)); err != nil {
		l.t.Fatalf("%s: %v", operation, err)
	}
}

// is checks the key's state and what Encrypt answers; empty: it works.
func (l *life) is(state, encrypt string) {
	l.t.Helper()
	if got := l.keyState(l.key); got != state {
		l.t.Errorf("the key is %s, want %s", got, state)
	}
	if got := message(l.do("Crypto")); got != encrypt {
		l.t.Errorf("Encrypt: got %q, want %q", got, encrypt)
	}
}

// Random bytes from a cluster count for the quota of its key store (004:23522).
func TestRandomBytesSpendTheQuotaOfACloudHSMKeyStore(t *testing.T) {
	l := newLife(t, "CHS")
	l.reach("CONNECTED")
	quotas, err := quota.New(quota.Config{Now: func() time.Time { return time.Unix(0, 0) }})
	l.must(err)
	l.quotas = quotas
	l.must(l.do("Random"))
	for range 1799 {
		l.must(l.quotas.Store(l.id, api.CustomKeyStoreTypeAwsCloudhsm))
	}
	if got := message(l.do("Random")); got != throttledText {
		t.Errorf("the 1801st: %q", got)
	}
	if got := message(l.do("Crypto")); got != throttledText {
		t.Errorf("a key of the same key store: %q", got)
	}
}
