// Package quota counts requests and resources against AWS KMS's quotas.
//
// The guide's two tables are the tables of this package: requests a second by
// account, Region and class of request, with custom key stores counted apart,
// and the number of things an account may have. A class is a quota's name as
// operators write it in a quotas file: an operation (CreateKey), one of the
// shared cryptographic classes (cryptographic-symmetric), or a data key pair
// spec (GenerateDataKeyPair-RSA_2048).
//
// Every bucket is a token bucket that refills at the quota's rate and holds one
// second's worth, at least one token. That is kinder than AWS by at most one
// burst, and needs no window to end.
//
// Limits: buckets live in one process and start full; a change of quotas needs a
// new Quotas. The throttling of one key whose state is changed in volleys (guide
// 004:23700-23704) has no number in the guide and is not modelled.
package quota

import (
	"fmt"
	"math"
	"time"

	"golang.org/x/time/rate"

	"hyok/kmsfront/api"
)

// Config says which quotas hold. Its zero value is the guide's, on the real clock.
type Config struct {
	// Off lifts every quota, requests and resources.
	Off bool
	// Values replace the guide's defaults where they name a quota.
	Values File
	// Now is the clock of the buckets. Nil: time.Now.
	Now func() time.Time
}

// Quotas holds the buckets of one front end. It is safe for concurrent use; nil
// lifts every quota.
type Quotas struct {
	off       bool
	now       func() time.Time
	values    File
	accounts  buckets[owner, []*rate.Limiter] // limiters in the order of requestTable
	stores    buckets[string, *rate.Limiter]
	resources map[string]int
}

// owner is whose account buckets they are: quotas are per account and Region
// (guide 004:23401).
type owner struct{ account, region string }

// ThrottledMessage is how KMS words a ThrottlingException (guide 004:23684-23690, M-24).
const ThrottledMessage = "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."

// throttled is the answer of every empty bucket. It is shared: nobody changes an
// error.
var throttled = &api.Error{
	Code:    api.CodeThrottlingException,
	Message: ThrottledMessage,
}

// New makes full buckets. It fails when c.Values fail File.Validate.
func New(c Config) (*Quotas, error) {
	if err := c.Values.Validate(); err != nil {
		return nil, fmt.Errorf("reading the quotas: %w", err)
	}
	q := &Quotas{off: c.Off, now: c.Now, values: c.Values, resources: make(map[string]int)}
	if q.now == nil {
		q.now = time.Now
	}
	for _, r := range resourceTable {
		q.resources[r.name] = r.number
		if n, ok := c.Values.Resources[r.name]; ok {
			q.resources[r.name] = n
		}
	}
	return q, nil
}

// Request spends one request of class, as Class gives it, from the bucket of the
// calling account in a Region; the key's owner is never charged (guide
// 004:23646). An empty bucket gives an *api.Error ThrottlingException, a class
// that no row names a plain error.
func (q *Quotas) Request(account, region, class string) error {
	if q == nil || q.off {
		return nil
	}
	i, ok := requestIndex[class]
	if !ok {
		return fmt.Errorf("counting a request: no request quota is named %q", class)
	}
	limiters := q.accounts.get(owner{account, region}, q.newAccount)
	return q.take(limiters[i])
}

// Store spends one request from the bucket of a custom key store, which all
// accounts that use its keys share (guide 004:23652-23654). storeType is the
// store's CustomKeyStoreType; the quota of a CloudHSM key store cannot be
// adjusted, so a file changes external key stores only. An empty bucket gives an
// *api.Error ThrottlingException.
func (q *Quotas) Store(storeID, storeType string) error {
	if q == nil || q.off {
		return nil
	}
	return q.take(q.stores.get(storeID, func(string) *rate.Limiter {
		name := NameExternalStore
		if storeType == api.CustomKeyStoreTypeAwsCloudhsm {
			name = nameCloudHSMStore
		}
		return q.limiter(requestTable[requestIndex[name]], "")
	}))
}

// ForgetStore drops the bucket of a deleted key store.
func (q *Quotas) ForgetStore(storeID string) {
	if q != nil {
		q.stores.drop(storeID)
	}
}

// Resource is how many of a resource an account may have in a Region, or a key
// may have: one of the Resource names of this package. Off and unknown names give
// math.MaxInt.
func (q *Quotas) Resource(name string) int {
	if q == nil || q.off {
		return math.MaxInt
	}
	if n, ok := q.resources[name]; ok {
		return n
	}
	return math.MaxInt
}

func (q *Quotas) take(l *rate.Limiter) error {
	if !l.AllowN(q.now(), 1) {
		return throttled
	}
	return nil
}

func (q *Quotas) newAccount(o owner) []*rate.Limiter {
	limiters := make([]*rate.Limiter, len(requestTable))
	for i, r := range requestTable {
		limiters[i] = q.limiter(r, o.region)
	}
	return limiters
}

// limiter makes the full bucket of a row: the file's value, else the Region's,
// else the row's default.
func (q *Quotas) limiter(r requestRow, region string) *rate.Limiter {
	perSecond := r.rate
	if v, ok := r.regions[region]; ok {
		perSecond = v
	}
	if v, ok := q.values.request(r.name); ok {
		perSecond = v
	}
	return rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond)))
}
