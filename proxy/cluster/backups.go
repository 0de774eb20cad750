package cluster

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// backupsDir holds a directory for each backup: the copy of the token.
const backupsDir = "backups"

// retention is how long a deleted backup can be restored (CloudHSM v2 API).
const retention = 7 * 24 * time.Hour

func (f *Fleet) backupPath(id string) string { return filepath.Join(f.c.Dir, backupsDir, id) }

// backUpContents makes a backup of a cluster that has contents: HSMs are filled
// from it.
func (f *Fleet) backUpContents(id string) error {
	r, err := f.Cluster(id)
	if err != nil || !r.activated() || r.State != StateActive {
		return err
	}
	_, err = f.BackUp(id)
	return err
}

// BackUp makes a backup of a cluster: of its keys, users and passwords as they
// are now.
func (f *Fleet) BackUp(id string) (*Backup, error) {
	c := f.cluster(id)
	if c == nil {
		return nil, notFound("there is no cluster %s", id)
	}
	c.login.Lock() // passwords and users stay as they are meanwhile
	defer c.login.Unlock()
	c.tally.Lock()
	defer c.tally.Unlock()
	r, err := f.Cluster(id)
	if err != nil {
		return nil, err
	}
	if !r.activated() {
		return nil, invalid("cluster %s is not activated: it has nothing to back up", id)
	}
	b := &Backup{
		ID: newID("backup-"), Owner: r.Owner, State: StateCreating, Cluster: id, HSMType: r.HSMType, Mode: r.Mode,
		Users: r.Users, Certificate: r.Certificate, Anchor: r.Anchor, History: r.History,
	}
	if err := f.c.Tokens.Export(r.Token, f.backupPath(b.ID)); err != nil {
		return nil, err
	}
	return f.keep(b)
}

// keep puts a backup whose files are there into the state.
func (f *Fleet) keep(b *Backup) (out *Backup, err error) {
	return out, f.change(func(st *state) error {
		b.Created, b.Due = f.c.Clock.Now(), f.due()
		st.Backups[b.ID] = b
		out = copyOf(b)
		return nil
	})
}

// restore makes the token of a cluster out of its backup.
func (f *Fleet) restore(r *Record) error {
	if err := f.c.Tokens.Import(f.backupPath(r.SourceBackup), r.Token); err != nil {
		return fmt.Errorf("restoring %s: %w", r.SourceBackup, err)
	}
	return nil
}

// Backups gives the backups of o, the oldest first, without those whose deletion
// has ended.
func (f *Fleet) Backups(o Owner) []*Backup {
	out, _ := read(f, func(st *state) ([]*Backup, error) {
		var out []*Backup
		for _, b := range sorted(st.Backups) {
			if b.Owner == o && b.State != StateDeleted {
				out = append(out, copyOf(b))
			}
		}
		return out, nil
	})
	slices.SortStableFunc(out, func(a, b *Backup) int { return a.Created.Compare(b.Created) })
	return out
}

// editBackup changes a backup of o and gives it as it is then.
func (f *Fleet) editBackup(o Owner, id string, fn func(*Backup) error) (out *Backup, err error) {
	err = f.change(func(st *state) error {
		b := st.Backups[id]
		if b == nil || b.Owner != o || b.State == StateDeleted {
			return notFound("there is no backup %s", id)
		}
		if err := fn(b); err != nil {
			return err
		}
		out = copyOf(b)
		return nil
	})
	return out, err
}

// DeleteBackup begins the seven days in which a backup can still be restored.
func (f *Fleet) DeleteBackup(o Owner, id string) (*Backup, error) {
	return f.editBackup(o, id, func(b *Backup) error {
		if b.State != StateReady {
			return invalid("backup %s is %s; only one that is READY can be deleted", id, b.State)
		}
		b.Deleted = f.c.Clock.Now().Add(retention)
		b.State, b.Due = StatePending, b.Deleted
		return nil
	})
}

// RestoreBackup takes a deletion back.
func (f *Fleet) RestoreBackup(o Owner, id string) (*Backup, error) {
	return f.editBackup(o, id, func(b *Backup) error {
		if b.State != StatePending {
			return invalid("backup %s is %s; only one in PENDING_DELETION can be restored", id, b.State)
		}
		b.State, b.Due, b.Deleted = StateReady, time.Time{}, time.Time{}
		return nil
	})
}

// KeepBackup says whether a backup is kept for ever.
func (f *Fleet) KeepBackup(o Owner, id string, forEver bool) (*Backup, error) {
	return f.editBackup(o, id, func(b *Backup) error {
		b.NeverExpires = forEver
		return nil
	})
}

// CopyBackup copies a backup of o to another Region. A cluster that is restored
// there has the same certificate (guide 004:18594-18596).
func (f *Fleet) CopyBackup(o Owner, id, region string, tags map[string]string) (*Backup, error) {
	b, err := f.editBackup(o, id, func(b *Backup) error {
		switch {
		case b.State != StateReady:
			return invalid("backup %s is %s, not READY", id, b.State)
		case region == o.Region:
			return invalid("backup %s is in %s already", id, region)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	n := copyOf(b)
	n.ID, n.Region, n.State = newID("backup-"), region, StateCreating
	n.SourceBackup, n.SourceCluster, n.SourceRegion = b.ID, b.Cluster, o.Region
	n.Copied, n.Tags = f.c.Clock.Now(), maps.Clone(tags)
	if err := os.CopyFS(f.backupPath(n.ID), os.DirFS(f.backupPath(b.ID))); err != nil {
		return nil, fmt.Errorf("copying %s: %w", id, err)
	}
	return f.keep(n)
}

// tagged gives the tags of a cluster or backup of o, to be changed.
func (s *state) tagged(o Owner, id string) (*map[string]string, error) {
	if r, err := s.cluster(o, id); err == nil {
		return &r.Tags, nil
	}
	if b := s.Backups[id]; b != nil && b.Owner == o && b.State != StateDeleted {
		return &b.Tags, nil
	}
	return nil, notFound("there is no cluster or backup %s", id)
}

// maxTags is how many tags a resource can have (CloudHSM v2 API).
const maxTags = 50

// Tag sets and removes tags of a cluster or backup of o, and gives what it has then.
func (f *Fleet) Tag(o Owner, id string, set map[string]string, remove []string) (out map[string]string, err error) {
	err = f.change(func(st *state) error {
		tags, err := st.tagged(o, id)
		if err != nil {
			return err
		}
		next := maps.Clone(*tags)
		if next == nil {
			next = map[string]string{}
		}
		maps.Copy(next, set)
		for _, k := range remove {
			delete(next, k)
		}
		if len(next) > maxTags {
			return invalid("%s would have more than %d tags", id, maxTags)
		}
		*tags, out = next, maps.Clone(next)
		return nil
	})
	return out, err
}
