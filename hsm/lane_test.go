package hsm

import "testing"

func (l *lane) aliveNow() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.alive
}

// TestWorkersWithoutSessionLeaveTheWorkToOthers has a device run out of
// sessions, and have some again after a reload.
func TestWorkersWithoutSessionLeaveTheWorkToOthers(t *testing.T) {
	token := openToken(t, TokenConfig{Workers: 3})
	left := 0
	noSession := func(w *worker) error {
		if w.lane.leave() {
			left++
			return errShrunk
		}
		return nil
	}
	if err := token.do(t.Context(), token.quick, opEncrypt, noSession, nil); err != nil {
		t.Error(err)
	}
	if n := token.quick.aliveNow(); n != 1 {
		t.Errorf("%d workers are left, want 1", n)
	}
	if left != 2 {
		t.Errorf("%d workers left, want 2: the last one stays", left)
	}
	if _, err := token.Encrypt(t.Context(), "k", nil, nil); err != nil {
		t.Errorf("the last worker does not work: %v", err)
	}
	if err := token.lib.reload(token.lib.epoch.Load()); err != nil {
		t.Fatal(err)
	}
	if _, err := token.Encrypt(t.Context(), "k", nil, nil); err != nil {
		t.Errorf("after a reload: %v", err)
	}
	if n := token.quick.aliveNow(); n != 3 {
		t.Errorf("after a reload there are %d workers, want 3", n)
	}
}
