package proxy

import (
	"errors"
	"strconv"
	"time"

	"hyok/hsm"
	"hyok/proxy/xks"
)

// externalKey finds the key of the request in the store's list and gives its
// label on the token. Whether the token has it is seen when it is used.
func (x *exchange) externalKey() (label string, disabled bool, f *refusal) {
	label = x.keyID
	if x.store.Keys != nil {
		key, ok := x.store.Keys[x.keyID]
		if !ok && !x.store.AllKeys {
			return "", false, failure(xks.KeyNotFoundException, "this key store has no such external key")
		}
		if key.Label != "" {
			label = key.Label
		}
		disabled = key.Disabled
	}
	return label, disabled, nil
}

// usableKey is externalKey for a request that uses the key. fields is a fault
// of the request's fields; a denial by the policy comes before it. Both come
// after the faults of the key, which only the device knows when the store lists
// no keys; so it is asked, but only then: a good request does not pay for the
// look-up.
func (x *exchange) usableKey(fields *refusal) (label string, f *refusal) {
	label, disabled, f := x.externalKey()
	switch {
	case f != nil:
		return "", f
	case x.store.Disabled:
		return "", failure(xks.InvalidStateException, "this key store is disabled")
	case disabled:
		return "", failure(xks.InvalidStateException, "the external key is disabled in the proxy")
	}
	if denied := x.authorize(); denied != nil {
		fields = denied
	}
	if fields == nil {
		return label, nil
	}
	key, err := x.describe(label)
	if err == nil && !key.Enabled {
		err = hsm.ErrKeyDisabled
	}
	if errors.Is(err, hsm.ErrKeyNotFound) || errors.Is(err, hsm.ErrKeyDisabled) {
		return "", deviceFailure(err)
	}
	return "", fields
}

// describe asks the device for a key.
func (x *exchange) describe(label string) (hsm.Key, error) {
	defer x.timeHSM(time.Now())
	return x.store.Token.Key(x.ctx, label)
}

// timeHSM adds the time since start to what the device has taken.
func (x *exchange) timeHSM(start time.Time) {
	end := time.Now()
	x.hsmTime += end.Sub(start)
	x.traceDevice(start, end)
}

// getKeyMetadata serves GetKeyMetadata (XKS facts 57 to 60).
func (x *exchange) getKeyMetadata() *refusal {
	var req xks.GetKeyMetadataRequest
	if _, f := x.decode(&req, &req.RequestMetadata); f != nil {
		return f
	}
	label, disabled, f := x.externalKey()
	if f != nil {
		return f
	}
	denied := x.authorize()
	key, err := x.describe(label)
	switch {
	case denied != nil && !errors.Is(err, hsm.ErrKeyNotFound):
		return denied
	case err != nil:
		return deviceFailure(err)
	}
	return x.answer(keyMetadata(key, disabled || x.store.Disabled))
}

// keyMetadata describes key. One that is disabled on the device has lost both
// usages there, and has them again once it is enabled.
func keyMetadata(key hsm.Key, disabled bool) *xks.GetKeyMetadataResponse {
	m := &xks.GetKeyMetadataResponse{KeySpec: keySpec(key), KeyStatus: xks.StatusEnabled, KeyUsage: []string{}}
	if disabled || !key.Enabled {
		m.KeyStatus = xks.StatusDisabled
	}
	if key.Encrypt || !key.Enabled {
		m.KeyUsage = append(m.KeyUsage, xks.UsageEncrypt)
	}
	if key.Decrypt || !key.Enabled {
		m.KeyUsage = append(m.KeyUsage, xks.UsageDecrypt)
	}
	return m
}

// keySpec is the type and the bits: AES_256 for what KMS takes.
func keySpec(key hsm.Key) string {
	if key.Bits == 0 {
		return key.Type
	}
	return key.Type + "_" + strconv.Itoa(key.Bits)
}
