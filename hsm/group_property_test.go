package hsm_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hyok/hsm"
	"hyok/internal/fault"
)

// deviceFaults are codes of each class that a device can give, for a fault of
// its own or not.
var deviceFaults = []string{
	"CKR_DEVICE_ERROR", "CKR_GENERAL_ERROR", "CKR_FUNCTION_FAILED", "CKR_ARGUMENTS_BAD", "CKR_DATA_LEN_RANGE",
	"CKR_KEY_FUNCTION_NOT_PERMITTED", "CKR_ENCRYPTED_DATA_INVALID", "CKR_SESSION_HANDLE_INVALID", "CKR_OBJECT_HANDLE_INVALID",
	"CKR_USER_NOT_LOGGED_IN", "CKR_SESSION_COUNT", "CKR_MECHANISM_INVALID", "CKR_DEVICE_REMOVED",
}

// callersFault are the errors that tell a caller that it has done something wrong.
var callersFault = []error{hsm.ErrBadInput, hsm.ErrKeyNotFound, hsm.ErrKeyDisabled, hsm.ErrKeyUsage, hsm.ErrInvalidCiphertext}

// TestNoFailureOfAMemberIsTheCallersFault has members fail in any way while at
// least one is well: work is done, and never is its caller blamed.
func TestNoFailureOfAMemberIsTheCallersFault(t *testing.T) {
	g, sides := newGroup(t, 3)
	rapid.Check(t, func(t *rapid.T) {
		for _, s := range sides {
			s.faults.Clear()
		}
		well := rapid.IntRange(0, len(sides)-1).Draw(t, "well")
		for i, s := range sides {
			if i == well || !rapid.Bool().Draw(t, "fails") {
				continue
			}
			if _, err := s.faults.Add(fault.Rule{At: fault.HSM,
				Op:      rapid.SampledFrom([]string{"", "Encrypt", "Decrypt", "GetKeyMetadata", "GetHealthStatus"}).Draw(t, "op"),
				Error:   rapid.SampledFrom(deviceFaults).Draw(t, "code"),
				Latency: time.Duration(rapid.IntRange(0, 5).Draw(t, "ms")) * time.Millisecond,
				Count:   rapid.IntRange(0, 3).Draw(t, "count"),
			}); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
			_, keyErr := g.Key(ctx, "k")
			err := errors.Join(keyErr, throughGroup(ctx, g, "k"))
			cancel()
			for _, blame := range callersFault {
				if errors.Is(err, blame) {
					t.Errorf("the caller is blamed: %v", err)
				}
			}
			if err != nil {
				t.Errorf("with a well member: %v", err)
			}
		}
	})
}

func BenchmarkGroup(b *testing.B) {
	g, sides := newGroup(b, 2)
	text, aad := make([]byte, 60), make([]byte, 100)
	for name, device := range map[string]interface {
		EncryptNamed(context.Context, string, []byte, []byte, int) (hsm.Sealed, error)
	}{"token": sides[0].token, "group": g} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				if _, err := device.EncryptNamed(ctx, "k", text, aad, 0); err != nil {
					b.Fatal(err)
				}
				cancel()
			}
		})
	}
}

func BenchmarkCompare(b *testing.B) {
	g, _ := newGroup(b, 2)
	for b.Loop() {
		if found, err := g.Compare(context.Background(), []string{"k"}); err != nil || len(found) > 0 {
			b.Fatal(found, err)
		}
	}
}
