package hsm_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"hyok/hsm"
	"hyok/softhsm/softhsmtest"
)

func TestThirtyTwoCallersAtOnce(t *testing.T) {
	_, token := newToken(t, hsm.TokenConfig{Wait: 2 * time.Second})
	end := time.Now().Add(700 * time.Millisecond)
	var callers sync.WaitGroup
	for i := range 32 {
		callers.Go(func() {
			label := fmt.Sprintf("k%d", i)
			for time.Now().Before(end) {
				var err error
				switch i % 4 {
				case 0: // keys come and go
					_, err = token.CreateKey(soon(t), label)
					if err == nil {
						err = errors.Join(encrypts(t, token, label)(), token.DeleteKey(soon(t), label))
					}
				case 1:
					_, err = token.Key(soon(t), "k")
				default:
					err = roundTrip(t, token)
				}
				if err != nil {
					t.Errorf("caller %d: %v", i, err)
					return
				}
			}
		})
	}
	callers.Wait()
	keys, err := token.Keys(soon(t))
	if err != nil || len(keys) != 1 {
		t.Errorf("%d keys are left, %v; want the one of the start", len(keys), err)
	}
}

func roundTrip(t testing.TB, token *hsm.Token) error {
	s, err := token.Encrypt(soon(t), "k", []byte("text"), []byte("aad"))
	if err != nil {
		return err
	}
	got, err := token.Decrypt(soon(t), "k", s.IV, s.Ciphertext, s.Tag, []byte("aad"))
	if err == nil && string(got) != "text" {
		err = fmt.Errorf("got %q", got)
	}
	return err
}

// TestClosingDuringWork closes the token, or the whole module, under callers at
// work, who must hear of it and of nothing else.
func TestClosingDuringWork(t *testing.T) {
	for _, c := range []struct {
		name  string
		close func(*rig, *hsm.Token) error
	}{
		{"the token", func(_ *rig, token *hsm.Token) error { return token.Close() }},
		{"the module", func(r *rig, _ *hsm.Token) error { return r.module.Close() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, token := newToken(t, hsm.TokenConfig{})
			var callers sync.WaitGroup
			atWork := make(chan struct{}, 16)
			for range 16 {
				callers.Go(func() {
					for n := 0; ; n++ {
						err := roundTrip(t, token)
						if n == 0 {
							atWork <- struct{}{}
						}
						if err == nil {
							continue
						}
						if !errors.Is(err, hsm.ErrClosed) {
							t.Errorf("got %v", err)
						}
						return
					}
				})
			}
			for range 16 {
				<-atWork
			}
			if err := c.close(r, token); err != nil {
				t.Error(err)
			}
			callers.Wait()
			if err := token.Close(); err != nil {
				t.Errorf("closing again: %v", err)
			}
		})
	}
}

func TestModuleLoadedAgainAfterClose(t *testing.T) {
	r, _ := newToken(t, hsm.TokenConfig{})
	if err := r.module.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.module.Open(soon(t), hsm.TokenConfig{Label: r.label}); !errors.Is(err, hsm.ErrClosed) {
		t.Errorf("opening a token of a closed module gives %v", err)
	}
	m, err := hsm.Load(hsm.ModuleConfig{Path: r.path})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	token, err := m.Open(soon(t), hsm.TokenConfig{Label: r.label, PIN: softhsmtest.PIN})
	if err != nil {
		t.Fatal(err)
	}
	if err := roundTrip(t, token); err != nil {
		t.Error(err)
	}
}

func TestOneCloseLeavesTheOthersOpen(t *testing.T) {
	r, first := newToken(t, hsm.TokenConfig{})
	m, err := hsm.Load(hsm.ModuleConfig{Path: r.path})
	if err != nil {
		t.Fatal(err)
	}
	second, err := m.Open(soon(t), hsm.TokenConfig{Label: r.label, PIN: softhsmtest.PIN})
	if err != nil {
		t.Fatal(err)
	}
	if err := roundTrip(t, second); err != nil {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := roundTrip(t, first); err != nil {
		t.Errorf("after another hold on the token was closed: %v", err)
	}
}
