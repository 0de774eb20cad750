package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strings"
	"sync"
)

// maxKeys bounds a keyCache. One key serves a day; a verifier for every Region
// and a dozen credentials stays below it.
const maxKeys = 512

// A scope is what a signing key is good for.
type scope struct{ day, region, service string }

// append writes day/region/service/aws4_request.
func (s scope) append(b []byte) []byte {
	b = append(append(b, s.day...), '/')
	b = append(append(b, s.region...), '/')
	b = append(append(b, s.service...), '/')
	return append(b, terminator...)
}

// A signingKey is a derived key, kept as HMACs ready to use.
type signingKey struct{ macs sync.Pool }

// deriveKey is the chain secret, day, Region, service, terminator (XKS fact 34).
func deriveKey(secret string, s scope) *signingKey {
	key := []byte("AWS4" + secret)
	for _, part := range [...]string{s.day, s.region, s.service, terminator} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	k := new(signingKey)
	k.macs.New = func() any { return hmac.New(sha256.New, key) }
	return k
}

// sign leaves the signature of w.toSign in w.signature.
func (k *signingKey) sign(w *work) {
	mac := k.macs.Get().(hash.Hash)
	mac.Reset()
	mac.Write(w.toSign)
	hex.Encode(w.signature[:], mac.Sum(w.sum[:0]))
	k.macs.Put(mac)
}

type keyID struct {
	secret string
	scope
}

// A keyCache remembers derived keys. When it is full it forgets them all: that
// needs no bookkeeping on the way that is taken a thousand times a second, and
// costs 3 µs for each key that is still in use.
type keyCache struct {
	mu   sync.RWMutex
	keys map[keyID]*signingKey
}

// get finds or derives a key; derived reports that it was not there.
func (c *keyCache) get(secret string, s scope) (k *signingKey, derived bool) {
	id := keyID{secret, s}
	c.mu.RLock()
	k = c.keys[id]
	c.mu.RUnlock()
	if k != nil {
		return k, false
	}
	// The scope is cut out of a request's header, which must not live on.
	s = scope{strings.Clone(s.day), strings.Clone(s.region), strings.Clone(s.service)}
	k = deriveKey(secret, s)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys == nil {
		c.keys = make(map[keyID]*signingKey)
	}
	if len(c.keys) >= maxKeys {
		clear(c.keys)
	}
	c.keys[keyID{secret, s}] = k
	return k, true
}
