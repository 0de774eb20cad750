package proxy

import (
	"context"
	"time"

	"hyok/hsm"
)

// A Device holds external keys: a *hsm.Token, or a *hsm.Group of tokens that hold
// the same keys. What each method does stands there.
type Device interface {
	EncryptNamed(ctx context.Context, label string, plaintext, aad []byte, at int) (hsm.Sealed, error)
	DecryptVersion(ctx context.Context, label string, version uint32, iv, ciphertext, tag, aad []byte) ([]byte, error)
	Key(ctx context.Context, label string) (hsm.Key, error)
	// Backlog is how long a call that came now would wait for its turn.
	Backlog() time.Duration
	// Members are the tokens that it consists of, whose health is told of.
	Members() []hsm.Member
}
