package cloudhsmv2

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"hyok/proxy/cluster"
)

// operation decodes its request and does it for an owner.
type operation func(f *cluster.Fleet, ctx context.Context, o cluster.Owner, body []byte) (any, error)

// operations are those of the model that are simulated.
var operations = map[string]operation{
	"CopyBackupToRegion":     simulated("CopyBackupToRegion", copyBackup),
	"CreateCluster":          simulated("CreateCluster", createCluster),
	"CreateHsm":              simulated("CreateHsm", createHSM),
	"DeleteBackup":           simulated("DeleteBackup", deleteBackup),
	"DeleteCluster":          simulated("DeleteCluster", deleteCluster),
	"DeleteHsm":              simulated("DeleteHsm", deleteHSM),
	"DescribeBackups":        simulated("DescribeBackups", describeBackups),
	"DescribeClusters":       simulated("DescribeClusters", describeClusters),
	"InitializeCluster":      simulated("InitializeCluster", initialize),
	"ListTags":               simulated("ListTags", listTags),
	"ModifyBackupAttributes": simulated("ModifyBackupAttributes", modifyBackup),
	"RestoreBackup":          simulated("RestoreBackup", restoreBackup),
	"TagResource":            simulated("TagResource", tagResource),
	"UntagResource":          simulated("UntagResource", untagResource),
}

// simulated makes an operation of a function that takes its request decoded.
func simulated[In any](name string, do func(context.Context, *cluster.Fleet, cluster.Owner, *In) (any, error)) operation {
	return func(f *cluster.Fleet, ctx context.Context, o cluster.Owner, body []byte) (any, error) {
		in := new(In)
		if err := decode(name, body, in); err != nil {
			return nil, err
		}
		return do(ctx, f, o, in)
	}
}

// modes are what a type of HSM makes of the Mode that is asked for: the first
// generation knows FIPS only, and the second has to be told (CloudHSM v2 API).
var modes = map[string]struct{ whenEmpty, only string }{
	"hsm1.medium":  {"FIPS", "FIPS"},
	"hsm2m.medium": {"", ""},
}

func createCluster(ctx context.Context, f *cluster.Fleet, o cluster.Owner, in *createClusterRequest) (any, error) {
	kind, known := modes[in.HsmType]
	mode := cmp.Or(in.Mode, kind.whenEmpty)
	switch {
	case !known:
		return nil, invalid("HsmType must be hsm1.medium or hsm2m.medium.")
	case mode == "" && in.SourceBackupID == "":
		return nil, invalid("Mode is required for %s.", in.HsmType)
	case kind.only != "" && mode != kind.only:
		return nil, invalid("%s has the mode %s only.", in.HsmType, kind.only)
	case in.NetworkType == "DUALSTACK":
		return nil, &fault{codeService, "CreateCluster: the network type DUALSTACK is not simulated by this version of hyok."}
	case in.BackupRetentionPolicy != nil && *in.BackupRetentionPolicy != defaultRetention:
		return nil, &fault{codeService, "CreateCluster: a BackupRetentionPolicy other than 90 DAYS is not simulated by this version of hyok."}
	}
	source := in.SourceBackupID[strings.LastIndexByte(in.SourceBackupID, '/')+1:]
	r, err := f.Create(ctx, o, cluster.NewCluster{
		Subnets: in.SubnetIDs, HSMType: in.HsmType, Mode: mode, SourceBackup: source, Tags: tagMap(in.TagList),
	})
	return answerCluster(f, r, err)
}

func answerCluster(f *cluster.Fleet, r *cluster.Record, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return clusterResponse{viewCluster(f, r)}, nil
}

func initialize(_ context.Context, f *cluster.Fleet, o cluster.Owner, in *initializeRequest) (any, error) {
	r, err := f.Initialize(o, in.ClusterID, in.SignedCert, in.TrustAnchor)
	if err != nil {
		return nil, err
	}
	return initializeResponse{r.State, "Cluster is initializing. State will change to INITIALIZED upon completion."}, nil
}

func deleteCluster(_ context.Context, f *cluster.Fleet, o cluster.Owner, in *clusterRequest) (any, error) {
	r, err := f.Delete(o, in.ClusterID)
	return answerCluster(f, r, err)
}

func createHSM(_ context.Context, f *cluster.Fleet, o cluster.Owner, in *createHSMRequest) (any, error) {
	h, err := f.AddHSM(o, in.ClusterID, in.AvailabilityZone, in.IPAddress)
	if err != nil {
		return nil, err
	}
	return createHSMResponse{viewHSM(in.ClusterID, "", h)}, nil
}

// deleteHSM takes one of three names of an HSM.
func deleteHSM(_ context.Context, f *cluster.Fleet, o cluster.Owner, in *deleteHSMRequest) (any, error) {
	given := 0
	for _, name := range []string{in.HsmID, in.EniID, in.EniIP} {
		if name != "" {
			given++
		}
	}
	if given != 1 {
		return nil, invalid("Specify one of HsmId, EniId and EniIp.")
	}
	h, err := f.DeleteHSM(o, in.ClusterID, func(h cluster.HSM) bool {
		return h.ID == in.HsmID || h.ENI == in.EniID || h.IP == in.EniIP
	})
	if err != nil {
		return nil, err
	}
	return deleteHSMResponse{h.ID}, nil
}

// filter tells whether a thing with these attributes passes the filters: one of
// the values of each.
func filter(filters map[string][]string, attributes map[string]string) (bool, error) {
	for _, name := range slices.Sorted(maps.Keys(filters)) {
		value, known := attributes[name]
		if !known {
			return false, invalid("There is no filter %q; there are %s.", name, strings.Join(slices.Sorted(maps.Keys(attributes)), ", "))
		}
		if !slices.Contains(filters[name], value) {
			return false, nil
		}
	}
	return true, nil
}

// page cuts a list: NextToken is where it goes on.
func page[T any](all []T, limit *int, token string, most int) ([]T, string, error) {
	begin := 0
	if token != "" {
		n, err := strconv.Atoi(token)
		if err != nil || n < 0 || n > len(all) {
			return nil, "", invalid("NextToken is not one of this operation.")
		}
		begin = n
	}
	size := most
	if limit != nil {
		size = *limit
	}
	end := min(begin+size, len(all))
	if end == len(all) {
		return all[begin:], "", nil
	}
	return all[begin:end], strconv.Itoa(end), nil
}

func describeClusters(_ context.Context, f *cluster.Fleet, o cluster.Owner, in *describeRequest) (any, error) {
	if _, err := filter(in.Filters, map[string]string{"clusterIds": "", "vpcIds": "", "states": ""}); err != nil {
		return nil, err
	}
	out := describeClustersResponse{Clusters: []*wireCluster{}}
	for _, r := range f.Clusters(o) {
		pass, err := filter(in.Filters, map[string]string{"clusterIds": r.ID, "vpcIds": r.VPC, "states": r.State})
		if err != nil {
			return nil, err
		}
		if pass {
			out.Clusters = append(out.Clusters, viewCluster(f, r))
		}
	}
	var err error
	out.Clusters, out.NextToken, err = page(out.Clusters, in.MaxResults, in.NextToken, 25)
	return out, err
}

func describeBackups(_ context.Context, f *cluster.Fleet, o cluster.Owner, in *describeRequest) (any, error) {
	attributes := func(b *cluster.Backup) map[string]string {
		return map[string]string{
			"backupIds": b.ID, "sourceBackupIds": b.SourceBackup, "clusterIds": b.Cluster, "states": b.State,
			"neverExpires": strconv.FormatBool(b.NeverExpires),
		}
	}
	if _, err := filter(in.Filters, attributes(&cluster.Backup{})); err != nil {
		return nil, err
	}
	out := describeBackupsResponse{Backups: []*wireBackup{}}
	for _, b := range f.Backups(o) { // the oldest first
		pass, err := filter(in.Filters, attributes(b))
		if err != nil {
			return nil, err
		}
		if pass && !in.Shared { // nobody shares any
			out.Backups = append(out.Backups, viewBackup(b))
		}
	}
	if in.SortAscending == nil || !*in.SortAscending {
		slices.Reverse(out.Backups)
	}
	var err error
	out.Backups, out.NextToken, err = page(out.Backups, in.MaxResults, in.NextToken, 50)
	return out, err
}

func answerBackup(b *cluster.Backup, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return backupResponse{viewBackup(b)}, nil
}

func deleteBackup(_ context.Context, f *cluster.Fleet, o cluster.Owner, in *backupRequest) (any, error) {
	return answerBackup(f.DeleteBackup(o, in.BackupID))
}

func restoreBackup(_ context.Context, f *cluster.Fleet, o cluster.Owner, in *backupRequest) (any, error) {
	return answerBackup(f.RestoreBackup(o, in.BackupID))
}

func modifyBackup(_ context.Context, f *cluster.Fleet, o cluster.Owner, in *backupRequest) (any, error) {
	return answerBackup(f.KeepBackup(o, in.BackupID, in.NeverExpires))
}

func copyBackup(_ context.Context, f *cluster.Fleet, o cluster.Owner, in *copyRequest) (any, error) {
	b, err := f.CopyBackup(o, in.BackupID, in.DestinationRegion, tagMap(in.TagList))
	if err != nil {
		return nil, err
	}
	return copyResponse{destinationBackup{at(b.Copied), b.SourceBackup, b.SourceCluster, b.SourceRegion}}, nil
}

func tagResource(_ context.Context, f *cluster.Fleet, o cluster.Owner, in *tagRequest) (any, error) {
	_, err := f.Tag(o, in.ResourceID, tagMap(in.TagList), nil)
	return empty{}, err
}

func untagResource(_ context.Context, f *cluster.Fleet, o cluster.Owner, in *tagRequest) (any, error) {
	_, err := f.Tag(o, in.ResourceID, nil, in.TagKeyList)
	return empty{}, err
}

func listTags(_ context.Context, f *cluster.Fleet, o cluster.Owner, in *listTagsRequest) (any, error) {
	tags, err := f.Tag(o, in.ResourceID, nil, nil)
	if err != nil {
		return nil, err
	}
	var out listTagsResponse
	out.TagList, out.NextToken, err = page(tagList(tags), in.MaxResults, in.NextToken, 100)
	return out, err
}
