package softhsmtest

import (
	"errors"
	"os"
	"testing"

	"hyok/softhsm"
)

func TestLabelsAreFreeAgainAndNothingStays(t *testing.T) {
	var path string
	for range 2 {
		t.Run("user", func(t *testing.T) {
			d := TestDir(t, "one")
			path = d.Path()
			if err := d.InitToken("one", PIN, SOPIN); !errors.Is(err, softhsm.ErrExists) {
				t.Errorf("the token is not there: %v", err)
			}
			if got := os.Getenv("SOFTHSM2_CONF"); got != d.Conf() {
				t.Errorf("SoftHSM would use %q", got)
			}
		})
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there after the test: %v", path, err)
		}
	}
}

func TestDirectoryStaysWhileOneTestUsesIt(t *testing.T) {
	outer := TestDir(t, Label(t))
	t.Run("inner", func(t *testing.T) {
		if inner := TestDir(t, Label(t)); inner != outer {
			t.Error("two tests of one process have two directories")
		}
	})
	if _, err := os.Stat(outer.Conf()); err != nil {
		t.Errorf("the inner test removed it: %v", err)
	}
}
