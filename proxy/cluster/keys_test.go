package cluster_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hyok/hsm"
	"hyok/internal/fault"
	"hyok/proxy/xks"
)

func TestKeysAreMadeListedUsedAndDeleted(t *testing.T) {
	r := connected(t)
	k, err := r.CreateKey(t.Context(), "arn:1")
	if err != nil {
		t.Fatal(err)
	}
	if k.Label != "arn:1" || len(k.BackingID) != 32 || k.Handle == "" {
		t.Errorf("the key is %+v", k)
	}
	_, err = r.CreateKey(t.Context(), "arn:1")
	is(t, err, xks.ClusterKeyExists)
	list, err := r.ListKeys(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(&xks.ClusterKeys{Keys: []xks.ClusterKey{*k}}, list); d != "" {
		t.Error(d)
	}
	s, err := r.Encrypt(t.Context(), xks.ClusterEncryptRequest{Label: "arn:1", Plaintext: []byte("p"), AAD: []byte("a")})
	if err != nil {
		t.Fatal(err)
	}
	open := xks.ClusterDecryptRequest{Label: "arn:1", IV: s.IV, Ciphertext: s.Ciphertext, Tag: s.Tag, AAD: []byte("a")}
	if p, err := r.Decrypt(t.Context(), open); err != nil || string(p) != "p" {
		t.Errorf("Decrypt: %q, %v", p, err)
	}
	open.AAD = []byte("b")
	_, err = r.Decrypt(t.Context(), open)
	is(t, err, xks.ClusterInvalidCiphertext)
	if err := r.DeleteKey(t.Context(), "arn:1"); err != nil {
		t.Fatal(err)
	}
	_, err = r.Decrypt(t.Context(), open)
	is(t, err, xks.ClusterKeyNotFound)
	is(t, r.DeleteKey(t.Context(), "arn:1"), xks.ClusterKeyNotFound)
}

func TestListKeysGivesPages(t *testing.T) {
	r := connected(t)
	var want, got []string
	for i := range xks.ClusterPage + 2 {
		label := fmt.Sprintf("k%02d", i)
		want = append(want, label)
		if _, err := r.CreateKey(t.Context(), label); err != nil {
			t.Fatal(err)
		}
	}
	for after, more := "", true; more; after = got[len(got)-1] {
		page, err := r.ListKeys(t.Context(), after)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range page.Keys {
			got = append(got, k.Label)
		}
		more = page.More
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestWithoutALoginNothingIsDone(t *testing.T) {
	r := connected(t)
	if _, err := r.CreateKey(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if err := r.Disconnect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Disconnect(t.Context()); err != nil {
		t.Errorf("a second logout: %v", err)
	}
	for op, do := range uses(r) {
		t.Run(op, func(t *testing.T) { is(t, do(), xks.ClusterNotLoggedIn) })
	}
}

// uses are all operations that need a login, on the key "k".
func uses(r *rig) map[string]func() error {
	ctx := context.Background()
	return map[string]func() error{
		xks.ClusterOpCreateKey: func() error { _, err := r.CreateKey(ctx, "other"); return err },
		xks.ClusterOpDeleteKey: func() error { return r.DeleteKey(ctx, "k") },
		xks.ClusterOpListKeys:  func() error { _, err := r.ListKeys(ctx, ""); return err },
		xks.ClusterOpRandom:    func() error { _, err := r.Random(ctx, 8); return err },
		xks.ClusterOpEncrypt: func() error {
			_, err := r.Encrypt(ctx, xks.ClusterEncryptRequest{Label: "k", Plaintext: []byte("p")})
			return err
		},
		xks.ClusterOpDecrypt: func() error {
			_, err := r.Decrypt(ctx, xks.ClusterDecryptRequest{Label: "k", IV: make([]byte, 12), Ciphertext: []byte("c"), Tag: make([]byte, 16)})
			return err
		},
	}
}

func TestADeviceThatIsAwayIsNotAMissingKey(t *testing.T) {
	r := connected(t)
	if err := r.token.Close(); err != nil {
		t.Fatal(err)
	}
	for op, do := range uses(r) {
		t.Run(op, func(t *testing.T) { is(t, do(), xks.ClusterUnavailable) })
	}
}

func TestWhatTheTokenSaysIsToldApart(t *testing.T) {
	for code, want := range map[string]xks.ClusterErrorName{
		"CKR_DEVICE_ERROR":      xks.ClusterUnavailable,
		"CKR_TOKEN_NOT_PRESENT": xks.ClusterUnavailable,
	} {
		t.Run(code, func(t *testing.T) {
			r := connected(t)
			if _, err := r.faults.Add(fault.Rule{At: fault.HSM, Op: "*", Error: code}); err != nil {
				t.Fatal(err)
			}
			_, err := r.CreateKey(t.Context(), "k")
			is(t, err, want)
			r.faults.Clear()
		})
	}
}

func TestALockedUserIsNotAWrongPassword(t *testing.T) {
	r := newRig(t)
	if _, err := r.faults.Add(fault.Rule{At: fault.HSM, Op: "*", Error: "CKR_PIN_LOCKED"}); err != nil {
		t.Fatal(err)
	}
	is(t, r.Connect(t.Context(), password, ""), xks.ClusterLockedOut)
}

func TestADisabledKeyIsNotUsed(t *testing.T) {
	r := connected(t)
	if _, err := r.CreateKey(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if err := r.token.SetEnabled(t.Context(), "k", false); err != nil {
		t.Fatal(err)
	}
	_, err := r.Encrypt(t.Context(), xks.ClusterEncryptRequest{Label: "k", Plaintext: []byte("p")})
	is(t, err, xks.ClusterKeyUnusable)
}

func TestWhenAllSessionsAreTakenTheClusterSaysSo(t *testing.T) { // guide 004:19716
	r := newRigWith(t, hsm.TokenConfig{Workers: 2, Wait: 50 * time.Millisecond})
	if err := r.Connect(t.Context(), password, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := r.CreateKey(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.faults.Add(fault.Rule{At: fault.HSM, Op: "Encrypt", Latency: time.Hour}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	for range 3 { // two take the sessions, whichever they are
		go func() {
			_, err := r.Encrypt(ctx, xks.ClusterEncryptRequest{Label: "k", Plaintext: []byte("p")})
			done <- err
		}()
	}
	is(t, <-done, xks.ClusterNoSession)
	cancel()
	<-done
	<-done
}

func TestSizesAreLimited(t *testing.T) {
	r := connected(t)
	if _, err := r.CreateKey(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	most, err := r.Random(t.Context(), xks.ClusterMaxRandom)
	if err != nil || len(most) != xks.ClusterMaxRandom {
		t.Errorf("%d random bytes, %v", len(most), err)
	}
	for _, n := range []int{-1, 0, xks.ClusterMaxRandom + 1} {
		_, err := r.Random(t.Context(), n)
		is(t, err, xks.ClusterInvalidRequest)
	}
	_, err = r.Encrypt(t.Context(), xks.ClusterEncryptRequest{Label: "k", Plaintext: make([]byte, xks.ClusterMaxPlaintext+1)})
	is(t, err, xks.ClusterTooLarge)
	_, err = r.Encrypt(t.Context(), xks.ClusterEncryptRequest{Label: "k", AAD: make([]byte, xks.ClusterMaxBody)})
	is(t, err, xks.ClusterTooLarge)
	_, err = r.CreateKey(t.Context(), "")
	is(t, err, xks.ClusterInvalidRequest)
	_, err = r.Decrypt(t.Context(), xks.ClusterDecryptRequest{Label: "k", IV: make([]byte, 16), Tag: make([]byte, 16)})
	is(t, err, xks.ClusterInvalidCiphertext)
}

// TestKeysOfOthersAreLeftAlone has a key on the cluster that KMS has not made
// (custom-key-stores CH-18).
func TestKeysOfOthersAreLeftAlone(t *testing.T) {
	r := connected(t)
	if _, err := r.token.CreateKey(t.Context(), "payroll"); err != nil {
		t.Fatal(err)
	}
	sealed, err := r.token.Encrypt(t.Context(), "payroll", []byte("p"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.CreateKey(t.Context(), "arn:1"); err != nil {
		t.Fatal(err)
	}
	if err := r.DeleteKey(t.Context(), "arn:1"); err != nil {
		t.Fatal(err)
	}
	if err := r.Disconnect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Connect(t.Context(), password, ""); err != nil {
		t.Fatal(err)
	}
	if p, err := r.token.Decrypt(t.Context(), "payroll", sealed.IV, sealed.Ciphertext, sealed.Tag, nil); err != nil || string(p) != "p" {
		t.Errorf("another's key: %q, %v", p, err)
	}
}
