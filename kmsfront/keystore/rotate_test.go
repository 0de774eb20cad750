package keystore

import (
	"context"
	"regexp"
	"testing"

	"hyok/proxy/xks"
)

// passwords gives what the record holds: the current one and the pending one.
func (e *env) passwords(id string) (current, next string) {
	e.t.Helper()
	r, ok := e.Get(id)
	if !ok {
		e.t.Fatal("the key store is gone")
	}
	return string(r.Cluster.Password), string(r.Cluster.Next)
}

func TestEachConnectionRotatesThePassword(t *testing.T) { // guide 004:18403-18405
	e, c := withCluster(t)
	id := e.create(c.request("one"))
	seen := map[string]bool{firstPassword: true}
	for range 3 {
		e.connected(id)
		p, next := e.passwords(id)
		if seen[p] || next != "" || !regexp.MustCompile(`^[A-Za-z0-9]{32}$`).MatchString(p) {
			t.Fatalf("after connecting the password is %q, pending %q", p, next)
		}
		seen[p] = true
		e.disconnected(id)
	}
	if err := c.token.Login(t.Context(), firstPassword); err == nil {
		t.Error("the first password still logs in")
	}
	if n := c.asked(xks.ClusterOpConnect); n != 3 {
		t.Errorf("three connections took %d logins", n)
	}
}

// interrupted is a key store whose Manager stopped while it rotated the
// password: the new one is stored, and set or not. The delay keeps the step from
// beginning before the restart.
func interrupted(t *testing.T, set bool) (e *env, c *realCluster, id, next string) {
	t.Helper()
	e, c = withCluster(t)
	e.c.ConnectDelay = long
	e.restart()
	id, next = e.create(c.request("one")), string(newPassword())
	err := e.change(context.Background(), id, func(r *Record) error {
		r.State, r.Attempt, r.Cluster.Next = connecting, r.Attempt+1, secret(next)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if set {
		c.setPassword(firstPassword, next)
	}
	e.restart()
	return e, c, id, next
}

// passed lets the delay pass and waits for the state.
func (e *env) passed(id, state string) {
	e.t.Helper()
	if err := e.clock.Advance(long); err != nil {
		e.t.Fatal(err)
	}
	e.await(id, state)
}

func TestARotationThatWasInterruptedIsFinished(t *testing.T) {
	for name, set := range map[string]bool{"before the password was set": false, "after the password was set": true} {
		t.Run(name, func(t *testing.T) {
			e, c, id, next := interrupted(t, set)
			if d := e.describe(id); d.ConnectionState != "CONNECTING" {
				t.Fatalf("after the restart the state is %s", d.ConnectionState)
			}
			e.passed(id, "CONNECTED")
			if p, pending := e.passwords(id); p != next || pending != "" {
				t.Errorf("the password is %q, pending %q, want %q", p, pending, next)
			}
			if n := c.asked(xks.ClusterOpConnect); n > 2 {
				t.Errorf("it took %d logins", n)
			}
			e.disconnect(id)
			e.passed(id, "DISCONNECTED")
			e.connect(id)
			e.passed(id, "CONNECTED")
		})
	}
}

func TestALostAnswerToTheRotationIsMadeGoodByTheNextConnection(t *testing.T) {
	e, c := withCluster(t)
	id := e.create(c.request("one"))
	c.misbehave(xks.ClusterOpConnect, c.cut(true)) // done, but nobody hears of it
	e.connect(id)
	e.await(id, "FAILED")
	if got := e.describe(id).ConnectionErrorCode; got != "NETWORK_ERRORS" {
		t.Errorf("the code is %s", got)
	}
	c.misbehave(xks.ClusterOpConnect, nil)
	e.disconnected(id)
	e.connected(id)
	if n := c.asked(xks.ClusterOpConnect); n != 3 {
		t.Errorf("it took %d logins, want one that was lost, one with the old password, one with the new", n)
	}
}

func TestTheAdministratorsPasswordReplacesAPendingOne(t *testing.T) { // guide 004:19829-19832
	e, c := withCluster(t)
	id := e.create(c.request("one"))
	c.setPassword(firstPassword, "changedByAnAdmin1")
	e.connect(id)
	e.await(id, "FAILED")
	if _, next := e.passwords(id); next != "" {
		t.Error("a password that was never set stays pending")
	}
	e.disconnected(id)
	in := updateOf(id)
	in.KeyStorePassword = "changedByAnAdmin1"
	if err := e.update(in); err != nil {
		t.Fatal(err)
	}
	e.connected(id)
}

func TestAClusterThatWasStartedAnewIsLoggedInToOnce(t *testing.T) {
	e, c := withCluster(t)
	id := e.connected(e.create(c.request("one")))
	k := e.key(id, "")
	if _, err := e.prepare(k); err != nil {
		t.Fatal(err)
	}
	if err := c.token.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	logins := c.asked(xks.ClusterOpConnect)
	done := make(chan error)
	for range 8 {
		go func() {
			_, err := e.encrypt(k, "p")
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := c.asked(xks.ClusterOpConnect) - logins; n != 1 {
		t.Errorf("it took %d logins", n)
	}
}

func TestAWrongStoredPasswordIsTriedOnce(t *testing.T) {
	e, c := withCluster(t)
	id := e.connected(e.create(c.request("one")))
	p, _ := e.passwords(id)
	if err := c.token.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.setPassword(p, "changedByAnAdmin1")
	logins := c.asked(xks.ClusterOpConnect)
	for range 5 {
		_, err := e.Random(t.Context(), alice, id, 8)
		refused(t, err, "CustomKeyStoreInvalidStateException", msgClusterNetwork)
	}
	if n := c.asked(xks.ClusterOpConnect) - logins; n != 1 {
		t.Errorf("it was tried %d times", n)
	}
}

func TestAConnectedClusterIsLoggedInToAgainAfterARestart(t *testing.T) {
	e, c := withCluster(t)
	id := e.connected(e.create(c.request("one")))
	k := e.key(id, "")
	if _, err := e.prepare(k); err != nil {
		t.Fatal(err)
	}
	before, _ := e.passwords(id)
	if err := c.token.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.restart()
	e.roundTrip(k)
	if !c.token.LoggedIn() {
		t.Error("nobody is logged in")
	}
	if after, _ := e.passwords(id); after != before {
		t.Error("the password was rotated without a connection")
	}
}
