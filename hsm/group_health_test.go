package hsm_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"hyok/hsm"
	"hyok/internal/fault"
)

func init() {
	childActions["give-a-wrong-pin"] = func(ctx context.Context, t *hsm.Token, _ string) error {
		if err := t.Logout(ctx); err != nil {
			return err
		}
		if err := t.Login(ctx, wrongPIN); !errors.Is(err, hsm.ErrPIN) {
			return fmt.Errorf("the wrong PIN gives %w", err)
		}
		return nil
	}
}

// A token that works can have something about it that will stop it.
func TestHealthWarns(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(t *testing.T, s *side)
		want string
	}{
		{"nothing", func(*testing.T, *side) {}, ""},
		{"a call hangs", func(t *testing.T, s *side) {
			s.fail(t, fault.Rule{Latency: 3 * time.Second, Count: 1})
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			defer cancel()
			if _, err := s.token.Encrypt(ctx, "k", nil, nil); !errors.Is(err, hsm.ErrTimeout) {
				t.Errorf("the call did not hang: %v", err)
			}
		}, "1 calls hang"},
		{"a wrong PIN of another process", func(t *testing.T, s *side) {
			s.elsewhere(t, "give-a-wrong-pin", "k")
		}, "wrong PIN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, sides := newGroup(t, 1)
			c.do(t, sides[0])
			var h hsm.Health
			within(t, 2*time.Second, nil, nil, func() error {
				h = sides[0].token.Health(soon(t))
				if (h.Warning != nil) != (c.want != "") {
					return errors.New("the warning is not as it should be")
				}
				return nil
			})
			if !h.OK {
				t.Errorf("the token is not well: %v", h.Err)
			}
			if c.want != "" && !strings.Contains(h.Warning.Error(), c.want) {
				t.Errorf("got %v", h.Warning)
			}
		})
	}
}
