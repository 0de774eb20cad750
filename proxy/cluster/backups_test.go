package cluster_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"hyok/proxy/cluster"
	"hyok/proxy/xks"
)

func TestABackupBringsBackKeysUsersAndPasswordsOfItsTime(t *testing.T) { // CH-11, guide 004:19915-19926
	r := newFleetRig(t, 0)
	id := r.active()
	c := r.client(id)
	must(t, c.Connect(t.Context(), password, ""))
	_, err := c.CreateKey(t.Context(), "k")
	must(t, err)
	sealed, err := c.Encrypt(t.Context(), xks.ClusterEncryptRequest{Label: "k", Plaintext: []byte("p")})
	must(t, err)
	b, err := r.BackUp(id)
	must(t, err)
	must(t, c.DeleteKey(t.Context(), "k"))
	must(t, c.Connect(t.Context(), password, "rotated12"))

	n, err := r.Create(t.Context(), owner, cluster.NewCluster{Subnets: r.subnets(2), SourceBackup: b.ID})
	must(t, err)
	if s := r.record(n.ID).State; s != cluster.StateInitialized {
		t.Errorf("a restored cluster without HSMs is %s", s)
	}
	_, err = r.AddHSM(owner, n.ID, "us-east-1a", "")
	must(t, err)
	restored := r.client(n.ID)
	old, err := c.Describe(t.Context())
	must(t, err)
	now, err := restored.Describe(t.Context())
	must(t, err)
	if now.State != cluster.StateActive || now.Certificate != old.Certificate || now.TrustAnchor != old.TrustAnchor {
		t.Errorf("the restored cluster is %+v", now)
	}
	is(t, restored.Connect(t.Context(), "rotated12", ""), xks.ClusterWrongPassword)
	must(t, restored.Connect(t.Context(), password, ""))
	got, err := restored.Decrypt(t.Context(), xks.ClusterDecryptRequest{Label: "k", IV: sealed.IV, Ciphertext: sealed.Ciphertext, Tag: sealed.Tag})
	if err != nil || string(got) != "p" {
		t.Errorf("the restored key decrypts to %q, %v", got, err)
	}
}

func TestHSMsMakeBackups(t *testing.T) {
	r := newFleetRig(t, 0)
	id := r.active() // its HSMs were added before there was anything to back up
	before := len(r.Backups(owner))
	h, err := r.AddHSM(owner, id, r.ChooseZone(r.record(id)), "")
	must(t, err)
	_, err = r.DeleteHSM(owner, id, func(x cluster.HSM) bool { return x.ENI == h.ENI })
	must(t, err)
	if n := len(r.Backups(owner)) - before; n != 2 {
		t.Errorf("%d backups were made", n)
	}
}

func TestABackupInAnotherRegionIsAnotherCluster(t *testing.T) { // CH-12
	r := newFleetRig(t, 0)
	id := r.active()
	b, err := r.BackUp(id)
	must(t, err)
	_, err = r.CopyBackup(owner, b.ID, owner.Region, nil)
	refused(t, err, cluster.Invalid, "already")
	far := cluster.Owner{Account: owner.Account, Region: "eu-west-1"}
	n, err := r.CopyBackup(owner, b.ID, far.Region, map[string]string{"a": "b"})
	must(t, err)
	if n.SourceBackup != b.ID || n.SourceRegion != owner.Region || n.SourceCluster != id || n.Owner != far {
		t.Errorf("the copy is %+v", n)
	}
	subnets, err := r.Subnets(far)
	must(t, err)
	_, err = r.Create(t.Context(), owner, cluster.NewCluster{Subnets: r.subnets(2), SourceBackup: n.ID})
	refused(t, err, cluster.NotFound, n.ID)
	c, err := r.Create(t.Context(), far, cluster.NewCluster{Subnets: []string{subnets[0].ID, subnets[1].ID}, SourceBackup: n.ID})
	must(t, err)
	d, err := r.client(c.ID).Describe(t.Context())
	must(t, err)
	if d.Region != far.Region || d.Account != far.Account {
		t.Errorf("it is in %s of %s", d.Region, d.Account)
	}
}

func TestADeletedBackupCanBeRestoredForSevenDays(t *testing.T) {
	r := newFleetRig(t, 0)
	id := r.active()
	b, err := r.BackUp(id)
	must(t, err)
	path := filepath.Join(r.conf.Dir, "backups", b.ID)
	_, err = r.RestoreBackup(owner, b.ID)
	refused(t, err, cluster.Invalid, "PENDING_DELETION")
	_, err = r.DeleteBackup(owner, b.ID)
	must(t, err)
	_, err = r.DeleteBackup(owner, b.ID)
	refused(t, err, cluster.Invalid, "READY")
	must(t, r.clock.Advance(6*24*time.Hour))
	_, err = r.RestoreBackup(owner, b.ID)
	must(t, err)
	_, err = r.DeleteBackup(owner, b.ID)
	must(t, err)
	must(t, r.clock.Advance(8*24*time.Hour))
	waitFor(t, func() bool { return len(r.Backups(owner)) == 0 })
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("its files stay: %v", err)
	}
}
