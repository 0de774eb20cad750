package cluster_test

import (
	"context"
	"testing"
	"time"

	"hyok/certs/certstest"
	"hyok/proxy/cluster"
	"hyok/proxy/xks"
)

func TestAClusterFromCreateToDelete(t *testing.T) {
	r := newFleetRig(t, time.Minute)
	c := r.create()
	if c.State != cluster.StateCreating {
		t.Errorf("a new cluster is %s", c.State)
	}
	step := func(want string) {
		t.Helper()
		must(t, r.clock.Advance(time.Minute))
		waitFor(t, func() bool { return r.record(c.ID).State == want })
	}
	step(cluster.StateUninitialized)
	_, err := r.AddHSM(owner, c.ID, "us-east-1a", "")
	must(t, err)
	_, err = r.Initialize(owner, c.ID, sign(t, c.CSR, r.kit, time.Now()), string(r.kit.Authority.CertPEM()))
	must(t, err)
	if got := r.record(c.ID); got.State != cluster.StateInitializing || got.HSMs[0].State != cluster.StateCreating {
		t.Errorf("the cluster is %s, its HSM %s", got.State, got.HSMs[0].State)
	}
	step(cluster.StateInitialized)
	if csr := r.record(c.ID).CSR; csr != "" {
		t.Error("an initialized cluster still has its certificate signing request")
	}
	must(t, r.SetPassword(t.Context(), c.ID, "admin", "officer1"))
	if s := r.record(c.ID).State; s != cluster.StateActive {
		t.Errorf("the first crypto officer has a password, and the cluster is %s", s)
	}
	_, err = r.Delete(owner, c.ID)
	refused(t, err, cluster.Invalid, "delete them first")
	h := r.record(c.ID).HSMs[0]
	_, err = r.DeleteHSM(owner, c.ID, func(x cluster.HSM) bool { return x.ID == h.ID })
	must(t, err)
	must(t, r.clock.Advance(time.Minute))
	waitFor(t, func() bool { return len(r.record(c.ID).HSMs) == 0 })
	_, err = r.Delete(owner, c.ID)
	must(t, err)
	must(t, r.clock.Advance(time.Minute))
	waitFor(t, func() bool { return len(r.All()) == 0 })
	_, err = r.client(c.ID).Describe(t.Context())
	is(t, err, xks.ClusterNotFound)
	if n := len(r.Clusters(owner)); n != 1 {
		t.Errorf("DescribeClusters would show %d clusters, not the deleted one", n)
	}
}

// waitFor waits for what a timer brings about.
func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !holds() {
		if ctx.Err() != nil {
			t.Fatal("it does not come about")
		}
	}
}

func TestInitializeWantsTheClustersOwnCertificate(t *testing.T) {
	r := newFleetRig(t, 0)
	c, other := r.create(), r.create()
	stranger := certstest.New(t)
	good, anchor := sign(t, c.CSR, r.kit, time.Now()), string(r.kit.Authority.CertPEM())
	for words, in := range map[string][2]string{
		"not a certificate of the key":      {sign(t, other.CSR, r.kit, time.Now()), anchor},
		"not signed with the key":           {good, string(stranger.Authority.CertPEM())},
		"must be a self-signed certificate": {good, good},
		"SignedCert is not valid now":       {sign(t, c.CSR, r.kit, time.Now().Add(48*time.Hour)), anchor},
		"SignedCert must be a PEM":          {c.CSR, anchor},
		"TrustAnchor must be a PEM":         {good, "customerCA.crt"},
	} {
		_, err := r.Initialize(owner, c.ID, in[0], in[1])
		refused(t, err, cluster.Invalid, words)
	}
	_, err := r.Initialize(cluster.Owner{Account: "444455556666", Region: "us-east-1"}, c.ID, good, anchor)
	refused(t, err, cluster.NotFound, c.ID)
	_, err = r.Initialize(owner, c.ID, good, anchor)
	must(t, err)
	_, err = r.Initialize(owner, c.ID, good, anchor)
	refused(t, err, cluster.Invalid, "UNINITIALIZED")
}

func TestCreateAndAddHSMRefuse(t *testing.T) {
	r := newFleetRig(t, 0)
	ids := r.subnets(3)
	for words, subnets := range map[string][]string{
		"at least one": nil, "there is no subnet": {"subnet-0123456789abcdef0"}, "two of the subnets": {ids[0], ids[0]},
	} {
		_, err := r.Create(t.Context(), owner, cluster.NewCluster{Subnets: subnets})
		refused(t, err, cluster.Invalid, words)
	}
	_, err := r.Create(t.Context(), owner, cluster.NewCluster{Subnets: ids, SourceBackup: "backup-aaaaaaaaaaa"})
	refused(t, err, cluster.NotFound, "backup-aaaaaaaaaaa")
	c := r.create()
	_, err = r.AddHSM(owner, c.ID, "us-east-1c", "")
	refused(t, err, cluster.Invalid, "no subnet in the Availability Zone")
	must(t, r.SetFree(ids[0], 0))
	_, err = r.AddHSM(owner, c.ID, "us-east-1a", "")
	refused(t, err, cluster.Invalid, "no free address")
	_, err = r.AddHSM(owner, c.ID, "us-east-1b", "10.0.2.77")
	must(t, err)
	_, err = r.AddHSM(owner, c.ID, "us-east-1b", "10.0.2.77")
	refused(t, err, cluster.Invalid, "in use")
}

func TestAFleetIsTheSameAfterARestart(t *testing.T) {
	r := newFleetRig(t, 0)
	id := r.active()
	c := r.client(id)
	must(t, c.Attach(t.Context(), "cks-1"))
	must(t, c.Connect(t.Context(), password, "second12"))
	k, err := c.CreateKey(t.Context(), "k")
	must(t, err)
	before := r.record(id)
	must(t, r.Close())
	r.open()
	c = r.client(id)
	if got := r.record(id); len(got.Attached) != 1 || len(got.HSMs) != len(before.HSMs) || got.Certificate != before.Certificate {
		t.Errorf("the cluster was %+v and is %+v", before, got)
	}
	must(t, c.Connect(t.Context(), "second12", ""))
	if keys, err := c.ListKeys(t.Context(), ""); err != nil || len(keys.Keys) != 1 || keys.Keys[0] != *k {
		t.Errorf("its keys are %+v, %v", keys, err)
	}
}

func TestADamagedFleetIsNotOverwritten(t *testing.T) {
	r := newFleetRig(t, 0)
	must(t, writeFile(r.conf.Dir+"/fleet.json", "{"))
	if _, err := cluster.OpenFleet(t.Context(), r.conf); err == nil {
		t.Error("a damaged file is taken for an empty one")
	}
}

func TestTheNetworkOfAKeyStore(t *testing.T) {
	r := newFleetRig(t, 0)
	id := r.active()
	c := r.client(id)
	free := func() (n int) {
		all, err := r.Subnets(owner)
		must(t, err)
		for _, s := range all {
			n += s.Free
		}
		return n
	}
	before := free()
	for range 2 { // once more changes nothing
		must(t, c.Attach(t.Context(), "cks-1"))
	}
	a := r.record(id).Attached
	if len(a) != 1 || a[0].GroupName != "kms-cks-1" || len(a[0].ENIs) != 2 || a[0].Description != "KMS managed ENI for cluster "+id {
		t.Errorf("it is %+v", a)
	}
	if n := free(); n != before-2 {
		t.Errorf("%d addresses are free, of %d before", n, before)
	}
	for range 2 {
		must(t, c.Detach(t.Context(), "cks-1"))
	}
	if n := free(); n != before || len(r.record(id).Attached) != 0 {
		t.Errorf("after it, %d addresses are free, of %d", n, before)
	}
	ids := r.subnets(2)
	must(t, r.SetFree(ids[1], 0))
	is(t, c.Attach(t.Context(), "cks-1"), xks.ClusterNoAddress)
	if n := len(r.record(id).Attached); n != 0 {
		t.Error("half of the interfaces stay")
	}
	must(t, r.DeleteSubnet(ids[0]))
	is(t, c.Attach(t.Context(), "cks-1"), xks.ClusterSubnetNotFound)
}
