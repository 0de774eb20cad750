package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"hyok/softhsm"
)

// A device that is away is never a key that is lost, and work goes on when it
// is back, without a restart.
func TestTokenAwayAndBack(t *testing.T) {
	ctx := t.Context()
	r := up(t, t.TempDir())
	r.makeAll(ctx)
	blob := r.encrypt(ctx, external)
	tokens, err := softhsm.New(filepath.Join(r.dir, "softhsm"))
	must(t, err)
	path, err := tokens.TokenPath(keysToken)
	must(t, err)
	away := filepath.Join(r.dir, "away")

	must(t, os.Rename(path, away))
	want := exception(invalidState, noManager)
	r.soon(time.Second, "the token is away", want, func() string { return r.decrypts(ctx, blob) }) // the proxy has a copy of the key
	for range 5 {
		if got := r.decrypts(ctx, blob); got != want {
			t.Errorf("with the token away:\n got %s\nwant %s", got, want)
		}
	}
	r.opens(ctx, r.encrypt(ctx, software))

	must(t, os.Rename(away, path))
	r.soon(2*time.Second, "the token is back", ok, func() string { return r.decrypts(ctx, blob) })
	r.opens(ctx, r.encrypt(ctx, external))
}
