//go:build !race

package sigv4

import "testing"

// The ways of every request stay free of garbage. (The race detector makes pools
// forget on purpose.)
func TestAllocations(t *testing.T) {
	v, r := testVerifier(), signedRequest(t)
	if got := testing.AllocsPerRun(200, func() { _, _ = v.Verify(r, testBody, testNow) }); got > 1 {
		t.Errorf("Verify allocates %v times", got)
	}
	c := Credential{AccessKeyID: testID, Secret: testSecret}
	if got := testing.AllocsPerRun(200, func() {
		_ = Sign(r, testBody, c, testRegion, "kms-xks-proxy", testNow, Options{RawPath: true})
	}); got > 6 {
		t.Errorf("Sign allocates %v times", got)
	}
}
