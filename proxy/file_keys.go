package proxy

import (
	"cmp"

	"hyok/proxy/xks"
)

// keys are the keys of a store by external key ID. With all_keys a key can be
// reached under its label, too, whatever ID an entry gives it: what is said of the
// key then holds under both, so that a switch has no way around it.
func (s FileStore) keys() map[string]Key {
	if s.AllKeys && len(s.Keys) == 0 {
		return nil
	}
	keys := make(map[string]Key, len(s.Keys))
	for _, k := range s.Keys {
		keys[k.ID] = k.key()
	}
	if !s.AllKeys {
		return keys
	}
	listed := make(map[string]bool, len(s.Keys))
	for _, k := range s.Keys {
		listed[k.ID] = true
	}
	for _, k := range s.Keys {
		key := k.key()
		if listed[key.Label] || !xks.ValidKeyID(key.Label) {
			continue // it has an entry of its own, or cannot be asked for
		}
		before := keys[key.Label]
		key.Disabled = key.Disabled || before.Disabled
		key.Sample = cmp.Or(before.Sample, key.Sample)
		keys[key.Label] = key
	}
	return keys
}

func (k FileKey) key() Key {
	return Key{Label: cmp.Or(k.Label, k.ID), Disabled: k.Disabled, Sample: k.SampleProxyCiphertexts.sample()}
}
