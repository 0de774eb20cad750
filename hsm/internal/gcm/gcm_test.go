package gcm

import (
	"strings"
	"testing"
)

// TestOpenSaysWhyNot uses files that are there or not, but are no modules. What
// a module does is tested in package hsm.
func TestOpenSaysWhyNot(t *testing.T) {
	for _, c := range []struct{ path, says string }{
		{"/nonexistent.so", "/nonexistent.so"},
		{"gcm_test.go", "gcm_test.go"},
		{"libm.so.6", "not a PKCS#11 module"},
	} {
		f, err := Open(c.path)
		if f != nil || err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, %v; want an error that says %q", c.path, f, err, c.says)
		}
	}
}
