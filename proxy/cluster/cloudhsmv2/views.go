package cloudhsmv2

import (
	"maps"
	"slices"

	"hyok/proxy/cluster"
)

var defaultRetention = retentionPolicy{"DAYS", "90"}

func viewCluster(f *cluster.Fleet, r *cluster.Record) *wireCluster {
	c := &wireCluster{
		ClusterID: r.ID, State: r.State, CreateTimestamp: at(r.Created), HsmType: r.HSMType, Mode: r.Mode, NetworkType: "IPV4",
		Hsms: []wireHSM{}, SecurityGroup: r.Group.ID, SubnetMapping: f.Zones(r), VpcID: r.VPC, SourceBackupID: r.SourceBackup,
		BackupPolicy: "DEFAULT", BackupRetentionPolicy: defaultRetention,
		Certificates: certificates{ClusterCertificate: r.Certificate}, TagList: tagList(r.Tags),
	}
	if r.State == cluster.StateUninitialized {
		c.Certificates.ClusterCsr = r.CSR
	}
	for _, h := range r.HSMs {
		c.Hsms = append(c.Hsms, viewHSM(r.ID, r.HSMType, h))
	}
	return c
}

func viewHSM(clusterID, kind string, h cluster.HSM) wireHSM {
	return wireHSM{
		HsmID: h.ID, AvailabilityZone: h.Zone, ClusterID: clusterID, SubnetID: h.Subnet,
		EniID: h.ENI, EniIP: h.IP, HsmType: kind, State: h.State,
	}
}

func viewBackup(b *cluster.Backup) *wireBackup {
	return &wireBackup{
		BackupID: b.ID, BackupArn: b.ARN(), BackupState: b.State, ClusterID: b.Cluster, CreateTimestamp: at(b.Created),
		CopyTimestamp: at(b.Copied), DeleteTimestamp: at(b.Deleted), HsmType: b.HSMType, Mode: b.Mode,
		NeverExpires: b.NeverExpires, SourceBackup: b.SourceBackup, SourceCluster: b.SourceCluster,
		SourceRegion: b.SourceRegion, TagList: tagList(b.Tags),
	}
}

// tagList is sorted by key, and never nil.
func tagList(tags map[string]string) []tag {
	out := []tag{}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, tag{k, tags[k]})
	}
	return out
}

func tagMap(tags []tag) map[string]string {
	out := make(map[string]string, len(tags))
	for _, t := range tags {
		out[t.Key] = t.Value
	}
	return out
}
