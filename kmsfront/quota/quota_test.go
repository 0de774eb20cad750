package quota

import (
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hyok/kmsfront/api"

	"pgregory.net/rapid"
)

const (
	account = "111122223333"
	other   = "444455556666"
)

// hands is a clock that stands still until it is moved.
type hands struct{ t time.Time }

func (h *hands) now() time.Time { return h.t }

func newQuotas(t testing.TB, c Config) *Quotas {
	t.Helper()
	q, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// spend counts the requests that pass before the first that is throttled.
func spend(t testing.TB, request func() error) int {
	t.Helper()
	for n := 0; n <= 60000; n++ {
		err := request()
		if err == nil {
			continue
		}
		var e *api.Error
		if !errors.As(err, &e) || e.Code != "ThrottlingException" {
			t.Fatalf("got %v, want a ThrottlingException", err)
		}
		return n
	}
	return math.MaxInt
}

func TestEveryOperationHasARow(t *testing.T) {
	if len(api.Operations) != 54 {
		t.Fatalf("the model has %d operations, want 54", len(api.Operations))
	}
	for op := range api.Operations {
		spec := ""
		if chargeTable[op] == byPair {
			spec = "RSA_2048"
		}
		q := newQuotas(t, Config{})
		if err := q.Request(account, "eu-west-1", Class(op, spec)); err != nil {
			t.Errorf("%s: the first request: %v", op, err)
		}
	}
}

func TestEveryRowNamesAnOperationOrAClass(t *testing.T) {
	spent := map[string]bool{NameExternalStore: true, nameCloudHSMStore: true}
	for op := range api.Operations {
		spent[Class(op, "")] = true
		for spec := range specTable {
			spent[Class(op, spec)] = true
		}
	}
	for _, r := range requestTable {
		if !spent[r.name] {
			t.Errorf("no operation spends %s", r.name)
		}
		if r.ref == "" {
			t.Errorf("%s has no reference", r.name)
		}
	}
}

func TestEverySpecOfTheModelHasItsClass(t *testing.T) {
	for spec, want := range map[string]string{
		"SYMMETRIC_DEFAULT": NameSymmetric, "HMAC_224": NameSymmetric, "HMAC_512": NameSymmetric,
		"RSA_2048": NameRSA, "RSA_4096": NameRSA, "ECC_NIST_P256": NameECC, "ECC_SECG_P256K1": NameECC, "SM2": NameSM2,
	} {
		for _, op := range []string{"Encrypt", "Decrypt", "ReEncrypt", "Sign", "Verify"} {
			if got := Class(op, spec); got != want {
				t.Errorf("%s under %s spends %q, want %q", op, spec, got, want)
			}
		}
	}
	if got := Class("GenerateDataKey", "RSA_2048"); got != NameSymmetric {
		t.Errorf("GenerateDataKey spends %q whatever the key, want the symmetric class", got)
	}
	if got := Class("DeriveSharedSecret", "ECC_NIST_P384"); got != NameECC {
		t.Errorf("DeriveSharedSecret spends %q", got)
	}
}

// The guide's own figures, each against a fresh set of buckets.
func TestABucketHoldsOneSecondsWorth(t *testing.T) {
	tests := []struct {
		name, op, spec, region string
		want                   int
	}{
		{"symmetric in most Regions", "Encrypt", "", "eu-north-1", 5500},
		{"symmetric in us-east-2", "Decrypt", "", "us-east-2", 10000},
		{"symmetric in us-east-1", "GenerateRandom", "", "us-east-1", 50000},
		{"RSA", "Sign", "RSA_2048", "us-east-1", 500},
		{"ECC", "Verify", "ECC_NIST_P256", "us-east-1", 300},
		{"SM2", "Decrypt", "SM2", "cn-north-1", 300},
		{"CreateKey", "CreateKey", "", "us-east-1", 5},
		{"DescribeKey", "DescribeKey", "", "us-east-1", 2000},
		{"GetKeyLastUsage as DescribeKey", "GetKeyLastUsage", "", "us-east-1", 2000},
		{"RSA_2048 pairs", "GenerateDataKeyPair", "RSA_2048", "us-east-1", 1},
		{"a fractional quota holds one", "GenerateDataKeyPair", "RSA_4096", "us-east-1", 1},
		{"P-256 pairs", "GenerateDataKeyPairWithoutPlaintext", "ECC_NIST_P256", "us-east-1", 100},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := &hands{t: time.Unix(1e9, 0)}
			q := newQuotas(t, Config{Now: h.now})
			got := spend(t, func() error { return q.Request(account, test.region, Class(test.op, test.spec)) })
			if got != test.want {
				t.Errorf("%d requests passed, want %d", got, test.want)
			}
		})
	}
}

func TestTheMessageIsTheGuides(t *testing.T) {
	q := newQuotas(t, Config{Values: File{Requests: map[string]float64{"CreateKey": 1}}})
	_ = q.Request(account, "us-east-1", "CreateKey")
	var e *api.Error
	if err := q.Request(account, "us-east-1", "CreateKey"); !errors.As(err, &e) {
		t.Fatalf("got %v, want an *api.Error", err)
	}
	want := "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."
	if e.Code != "ThrottlingException" || e.Message != want || e.Status != 0 {
		t.Errorf("got %+v", *e)
	}
}

func TestFractionalQuotasRefillInSeveralSeconds(t *testing.T) {
	for class, wait := range map[string]time.Duration{
		"GenerateDataKeyPair-RSA_3072": 2 * time.Second,
		"GenerateDataKeyPair-RSA_4096": 10 * time.Second,
		"GetParametersForImport":       4 * time.Second,
	} {
		h := &hands{t: time.Unix(1e9, 0)}
		q := newQuotas(t, Config{Now: h.now})
		request := func() error { return q.Request(account, "us-east-1", class) }
		if spend(t, request) != 1 {
			t.Errorf("%s: more or less than one request passed at once", class)
		}
		h.t = h.t.Add(wait - time.Millisecond)
		if request() == nil {
			t.Errorf("%s: a request passed before %s", class, wait)
		}
		h.t = h.t.Add(time.Millisecond)
		if err := request(); err != nil {
			t.Errorf("%s: after %s: %v", class, wait, err)
		}
	}
}

func TestBucketsAreIndependent(t *testing.T) {
	h := &hands{t: time.Unix(1e9, 0)}
	q := newQuotas(t, Config{Now: h.now})
	spend(t, func() error { return q.Request(account, "us-east-1", "CreateKey") })
	for _, b := range []struct{ account, region, class string }{
		{account, "us-east-1", "CreateAlias"},
		{account, "us-west-2", "CreateKey"},
		{other, "us-east-1", "CreateKey"},
	} {
		if err := q.Request(b.account, b.region, b.class); err != nil {
			t.Errorf("%v shares the emptied bucket: %v", b, err)
		}
	}
	if Class("GenerateDataKeyPair", "RSA_2048") != Class("GenerateDataKeyPairWithoutPlaintext", "RSA_2048") {
		t.Error("the two data key pair operations do not share their quota")
	}
}

func TestStoreBuckets(t *testing.T) {
	h := &hands{t: time.Unix(1e9, 0)}
	q := newQuotas(t, Config{Now: h.now, Values: File{Requests: map[string]float64{NameExternalStore: 2}}})
	for _, test := range []struct {
		id, kind string
		want     int
	}{
		{"cks-1", api.CustomKeyStoreTypeExternalKeyStore, 2},
		{"cks-2", api.CustomKeyStoreTypeExternalKeyStore, 2},
		{"cks-3", api.CustomKeyStoreTypeAwsCloudhsm, 1800}, // not adjustable
	} {
		if got := spend(t, func() error { return q.Store(test.id, test.kind) }); got != test.want {
			t.Errorf("%s (%s): %d requests passed, want %d", test.id, test.kind, got, test.want)
		}
	}
	q.ForgetStore("cks-1")
	if got := spend(t, func() error { return q.Store("cks-1", api.CustomKeyStoreTypeExternalKeyStore) }); got != 2 {
		t.Errorf("a store made again starts with %d requests, want 2", got)
	}
}

func TestOnlyCryptographySpendsTheStoresQuota(t *testing.T) {
	var got []string
	for op := range api.Operations {
		if Cryptographic(op) {
			got = append(got, op)
		}
	}
	slices.Sort(got)
	want := []string{"Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateRandom", "ReEncrypt"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestOffLiftsEverything(t *testing.T) {
	for name, q := range map[string]*Quotas{"off": newQuotas(t, Config{Off: true}), "nil": nil} {
		for range 10000 {
			if q.Request(account, "us-east-1", "CreateKey") != nil || q.Store("cks-1", "") != nil {
				t.Fatalf("%s: a request was throttled", name)
			}
		}
		if q.Resource(ResourceKeys) != math.MaxInt {
			t.Errorf("%s: keys are limited to %d", name, q.Resource(ResourceKeys))
		}
		q.ForgetStore("cks-1")
	}
}

func TestResources(t *testing.T) {
	q := newQuotas(t, Config{Values: File{Resources: map[string]int{ResourceAliasesPerKey: 1}}})
	for name, want := range map[string]int{
		ResourceKeys: 100000, ResourceAliasesPerKey: 1, ResourceGrantsPerKey: 50000,
		ResourceCustomKeyStores: 10, ResourcePolicySize: 32768, ResourceRotationsPerKey: 10, "none": math.MaxInt,
	} {
		if got := q.Resource(name); got != want {
			t.Errorf("%s = %d, want %d", name, got, want)
		}
	}
}

func TestAClassWithoutARowIsNotLetThrough(t *testing.T) {
	q := newQuotas(t, Config{})
	for _, class := range []string{"", "MakeCoffee", Class("GenerateDataKeyPair", "ML_DSA_44")} {
		if q.Request(account, "us-east-1", class) == nil {
			t.Errorf("class %q was let through", class)
		}
	}
}

// Over any span of time no more passes than the span's worth and one burst.
func TestNoMorePassesThanRateAndBurst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		perSecond := rapid.Float64Range(0.1, 200).Draw(t, "rate")
		h := &hands{t: time.Unix(1e9, 0)}
		q, err := New(Config{Now: h.now, Values: File{Requests: map[string]float64{"ListKeys": perSecond}}})
		if err != nil {
			t.Fatal(err)
		}
		start, passed := h.t, 0
		for range rapid.IntRange(1, 100).Draw(t, "rounds") {
			h.t = h.t.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "pause")) * time.Millisecond)
			for range rapid.IntRange(1, 20).Draw(t, "requests") {
				if q.Request(account, "us-east-1", "ListKeys") == nil {
					passed++
				}
			}
		}
		limit := max(1, perSecond) + perSecond*h.t.Sub(start).Seconds()
		if float64(passed) > limit+1e-6 {
			t.Fatalf("%d requests passed, want at most %.2f", passed, limit)
		}
	})
}

func TestConcurrentCallersShareOneBucket(t *testing.T) {
	h := &hands{t: time.Unix(1e9, 0)}
	q := newQuotas(t, Config{Now: h.now})
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				if q.Request(account, "us-east-1", "DescribeKey") == nil {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if passed.Load() != 2000 {
		t.Errorf("%d requests passed, want 2000", passed.Load())
	}
}
