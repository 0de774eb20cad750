// Package softhsmtest gives tests real SoftHSM tokens.
//
// SoftHSM reads its configuration from the process's environment, so all tokens
// of a test binary lie in one directory. It is made for the first test that
// asks and removed when the last one has ended; no TestMain is needed.
package softhsmtest

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"hyok/softhsm"
)

// PINs of the tokens that TestDir makes.
const (
	PIN   = "1234"     // of the user
	SOPIN = "12345678" // of the security officer
)

// shared is the directory of this process. path stays the same for good, as
// the environment does; users counts the tests that hold it.
var shared struct {
	sync.Mutex
	path  string
	dir   *softhsm.Dir
	users int
}

// TestDir gives the directory of this test process, in use (softhsm.Dir.Use),
// with a new token for each label. When the test ends the tokens are removed,
// and their labels free again; tests that run at the same time need different
// ones: take them from Label.
//
// A module already initialised in this process does not see the new tokens
// until it is initialised again; hsm.Module.Open does so by itself.
func TestDir(t testing.TB, labels ...string) *softhsm.Dir {
	t.Helper()
	d := acquire(t)
	for _, label := range labels {
		if err := d.InitToken(label, PIN, SOPIN); err != nil {
			t.Fatal(err)
		}
		path, err := d.TokenPath(label)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := d.RemoveToken(path); err != nil {
				t.Error(err)
			}
		})
	}
	return d
}

// Label gives a token label that no other call in this process gives.
func Label(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("token-%d", labels.Add(1))
}

var labels atomic.Int64

// acquire takes a hold on the shared directory for the time of the test.
func acquire(t testing.TB) *softhsm.Dir {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.path == "" {
		path, err := os.MkdirTemp("", "softhsmtest-")
		if err != nil {
			t.Fatal(err)
		}
		shared.path = path
	}
	if shared.users == 0 {
		d, err := softhsm.New(shared.path)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Use(); err != nil {
			t.Fatal(err)
		}
		shared.dir = d
	}
	shared.users++
	t.Cleanup(func() { release(t) })
	return shared.dir
}

func release(t testing.TB) {
	shared.Lock()
	defer shared.Unlock()
	shared.users--
	if shared.users > 0 {
		return
	}
	if err := os.RemoveAll(shared.path); err != nil {
		t.Error(err)
	}
}
