package cluster_test

import (
	"os"
	"testing"

	"hyok/proxy/cluster"
	"hyok/proxy/xks"
)

func writeFile(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) }

func TestFiveWrongPasswordsLockKmsuserUntilItGetsANewOne(t *testing.T) { // guide 004:19806
	r := newFleetRig(t, 0)
	id := r.active()
	c := r.client(id)
	for range 4 {
		is(t, c.Connect(t.Context(), "wrongPass1", ""), xks.ClusterWrongPassword)
	}
	must(t, c.Connect(t.Context(), password, "")) // which begins the count anew
	must(t, c.Disconnect(t.Context()))
	for range 5 {
		is(t, c.Connect(t.Context(), "wrongPass1", ""), xks.ClusterWrongPassword)
	}
	is(t, c.Connect(t.Context(), password, ""), xks.ClusterLockedOut)
	must(t, r.SetPassword(t.Context(), id, cluster.KMSUser, "another12"))
	is(t, c.Connect(t.Context(), password, ""), xks.ClusterWrongPassword)
	must(t, c.Connect(t.Context(), "another12", ""))
}

func TestALockMeetsWhoIsLoggedIn(t *testing.T) { // CH-17, M-22
	r := newFleetRig(t, 0)
	id := r.active()
	c := r.client(id)
	must(t, c.Connect(t.Context(), password, ""))
	must(t, r.Lock(id, cluster.KMSUser))
	_, err := c.Random(t.Context(), 8)
	is(t, err, xks.ClusterLockedOut)
	must(t, r.Unlock(id, cluster.KMSUser))
	_, err = c.Random(t.Context(), 8)
	must(t, err)
}

func TestOnlyOneIsLoggedInAsKmsuser(t *testing.T) { // guide 004:18898, 19954
	r := newFleetRig(t, 0)
	id := r.active()
	c := r.client(id)
	must(t, r.LogIn(t.Context(), id, cluster.KMSUser, password))
	is(t, c.Connect(t.Context(), password, ""), xks.ClusterUserLoggedIn)
	_, err := c.CreateKey(t.Context(), "k")
	is(t, err, xks.ClusterNotLoggedIn)
	must(t, c.Disconnect(t.Context())) // logs nobody out but KMS
	if _, err := r.Keys(t.Context(), id); err != nil {
		t.Errorf("the administrator has been logged out: %v", err)
	}
	refused(t, r.SetPassword(t.Context(), id, cluster.KMSUser, "another12"), cluster.Invalid, "logged in")
	must(t, r.LogOut(t.Context(), id, cluster.KMSUser))
	must(t, c.Connect(t.Context(), password, ""))
	refused(t, r.LogIn(t.Context(), id, cluster.KMSUser, password), cluster.Invalid, "AWS KMS is logged in")
	refused(t, r.SetPassword(t.Context(), id, cluster.KMSUser, "another12"), cluster.Invalid, "logged in")
	must(t, r.LogOut(t.Context(), id, cluster.KMSUser)) // which is not KMS's login
	_, err = c.CreateKey(t.Context(), "k")
	must(t, err)
}

func TestKeysAreFoundByHandleAndDeletedByTheirOwner(t *testing.T) { // guide 004:19594-19630, 19880
	r := newFleetRig(t, 0)
	id := r.active()
	c := r.client(id)
	must(t, c.Connect(t.Context(), password, ""))
	k, err := c.CreateKey(t.Context(), "arn:1")
	must(t, err)
	keys, err := r.Keys(t.Context(), id) // without disconnecting
	must(t, err)
	if len(keys) != 1 || keys[0].ClusterKey != *k || keys[0].Owner != cluster.KMSUser {
		t.Errorf("the keys are %+v", keys)
	}
	refused(t, r.DeleteKey(t.Context(), id, k.Handle), cluster.Invalid, "only its owner")
	must(t, c.Disconnect(t.Context()))
	_, err = r.Keys(t.Context(), id)
	refused(t, err, cluster.Invalid, "nobody is logged in")
	must(t, r.LogIn(t.Context(), id, cluster.KMSUser, password))
	refused(t, r.DeleteKey(t.Context(), id, "1"), cluster.NotFound, "handle 1")
	must(t, r.DeleteKey(t.Context(), id, k.Handle))
	if keys, err := r.Keys(t.Context(), id); err != nil || len(keys) != 0 {
		t.Errorf("after it, the keys are %+v, %v", keys, err)
	}
}

func TestUsersOfACluster(t *testing.T) {
	r := newFleetRig(t, 0)
	ctx := t.Context()
	c := r.create()
	co := cluster.User{Name: "bob", Type: cluster.UserCO}
	refused(t, r.CreateUser(ctx, c.ID, co, "password1"), cluster.Invalid, "before it is initialized")
	id := r.active()
	must(t, r.CreateUser(ctx, id, co, "password1"))
	for words, try := range map[string]func() error{
		"has a user bob":       func() error { return r.CreateUser(ctx, id, co, "password1") },
		"7 to 32 alphanumeric": func() error { return r.CreateUser(ctx, id, cluster.User{Name: "eve", Type: "CU"}, "short") },
		"of the type CO or CU": func() error { return r.CreateUser(ctx, id, cluster.User{Name: "eve", Type: "AU"}, "password1") },
		"must be of the type CU": func() error {
			return r.CreateUser(ctx, id, cluster.User{Name: "kmsuser", Type: "CO"}, "password1")
		},
		"not that of bob": func() error { return r.LogIn(ctx, id, "bob", "password2") },
	} {
		refused(t, try(), cluster.Invalid, words)
	}
	must(t, r.LogIn(ctx, id, "bob", "password1"))
	must(t, r.DeleteUser(ctx, id, "admin"))
	refused(t, r.DeleteUser(ctx, id, "bob"), cluster.Invalid, "last crypto officer")
	must(t, r.DeleteUser(ctx, id, cluster.KMSUser))
	is(t, r.client(id).Connect(ctx, password, ""), xks.ClusterUserNotFound)
	must(t, r.CreateUser(ctx, id, cluster.User{Name: cluster.KMSUser, Type: cluster.UserCU, TwoFactor: true}, password))
	is(t, r.client(id).Connect(ctx, password, ""), xks.ClusterWrongPassword) // guide 004:18617
	users, err := r.Users(id)
	must(t, err)
	for _, u := range users {
		if u.Hash != "" {
			t.Error("a list of users tells hashes of passwords")
		}
	}
}

func TestWhatKeepsKeysFromBeingUsed(t *testing.T) { // CH-15, CH-16, CH-17
	r := newFleetRig(t, 0)
	id := r.active()
	c := r.client(id)
	must(t, c.Connect(t.Context(), password, ""))
	none := 0
	for _, row := range []struct {
		name      xks.ClusterErrorName
		make, end func() error
	}{
		{xks.ClusterNoSession, func() error { return r.SetLimits(id, cluster.Limits{Sessions: &none}) }, func() error { return r.SetLimits(id, cluster.Limits{}) }},
		{xks.ClusterBusy, func() error { return r.SetLimits(id, cluster.Limits{Busy: true}) }, func() error { return r.SetLimits(id, cluster.Limits{}) }},
		{xks.ClusterUnavailable, func() error { return r.SetGroup(id, false) }, func() error { return r.SetGroup(id, true) }},
		{xks.ClusterNoHSM, func() error { return r.removeHSMs(id) }, func() error { _, err := r.AddHSM(owner, id, "us-east-1a", ""); return err }},
	} {
		must(t, row.make())
		_, err := c.CreateKey(t.Context(), "k")
		is(t, err, row.name)
		must(t, row.end())
		if _, err := c.Random(t.Context(), 8); err != nil {
			t.Errorf("%s has no end: %v", row.name, err)
		}
	}
}

func (r *fleetRig) removeHSMs(id string) error {
	for _, h := range r.record(id).HSMs {
		if _, err := r.DeleteHSM(owner, id, func(x cluster.HSM) bool { return x.ID == h.ID }); err != nil {
			return err
		}
	}
	return nil
}
