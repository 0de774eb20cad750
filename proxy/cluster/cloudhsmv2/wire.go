package cloudhsmv2

import (
	"regexp"
	"strconv"
	"time"
)

// The structures of the API that are simulated, member by member as the model
// names them.

// epoch is a time as AWS JSON writes it: seconds since 1970, with a fraction.
type epoch time.Time

func (e epoch) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Time(e).UnixMilli())/1000, 'f', 3, 64), nil
}

// at is t for the wire; nil when there is none.
func at(t time.Time) *epoch {
	if t.IsZero() {
		return nil
	}
	e := epoch(t)
	return &e
}

func regionForm() *regexp.Regexp { return theModel().Shapes["Region"].pattern }

type tag struct{ Key, Value string }

type retentionPolicy struct{ Type, Value string }

type wireHSM struct {
	HsmID            string `json:"HsmId"`
	AvailabilityZone string
	ClusterID        string `json:"ClusterId"`
	SubnetID         string `json:"SubnetId,omitempty"`
	EniID            string `json:"EniId,omitempty"`
	EniIP            string `json:"EniIp,omitempty"`
	HsmType          string `json:",omitempty"`
	State            string
}

type certificates struct {
	ClusterCsr         string `json:",omitempty"`
	ClusterCertificate string `json:",omitempty"`
}

type wireCluster struct {
	ClusterID             string `json:"ClusterId"`
	State                 string
	CreateTimestamp       *epoch
	HsmType               string
	Mode                  string
	NetworkType           string
	Hsms                  []wireHSM
	SecurityGroup         string
	SubnetMapping         map[string]string
	VpcID                 string `json:"VpcId"`
	SourceBackupID        string `json:"SourceBackupId,omitempty"`
	BackupPolicy          string
	BackupRetentionPolicy retentionPolicy
	Certificates          certificates
	TagList               []tag
}

type wireBackup struct {
	BackupID        string `json:"BackupId"`
	BackupArn       string
	BackupState     string
	ClusterID       string `json:"ClusterId"`
	CreateTimestamp *epoch
	CopyTimestamp   *epoch `json:",omitempty"`
	DeleteTimestamp *epoch `json:",omitempty"`
	HsmType         string
	Mode            string
	NeverExpires    bool
	SourceBackup    string `json:",omitempty"`
	SourceCluster   string `json:",omitempty"`
	SourceRegion    string `json:",omitempty"`
	TagList         []tag
}

type clusterResponse struct{ Cluster *wireCluster }

type backupResponse struct{ Backup *wireBackup }

type createClusterRequest struct {
	HsmType, Mode, NetworkType string
	SourceBackupID             string   `json:"SourceBackupId"`
	SubnetIDs                  []string `json:"SubnetIds"`
	TagList                    []tag
	BackupRetentionPolicy      *retentionPolicy
}

type initializeRequest struct {
	ClusterID               string `json:"ClusterId"`
	SignedCert, TrustAnchor string
}

type initializeResponse struct{ State, StateMessage string }

type clusterRequest struct {
	ClusterID string `json:"ClusterId"`
}

type createHSMRequest struct {
	ClusterID        string `json:"ClusterId"`
	AvailabilityZone string
	IPAddress        string `json:"IpAddress"`
}

type createHSMResponse struct{ Hsm wireHSM }

type deleteHSMRequest struct {
	ClusterID string `json:"ClusterId"`
	HsmID     string `json:"HsmId"`
	EniID     string `json:"EniId"`
	EniIP     string `json:"EniIp"`
}

type deleteHSMResponse struct {
	HsmID string `json:"HsmId"`
}

type describeRequest struct {
	Filters       map[string][]string
	MaxResults    *int
	NextToken     string
	Shared        bool
	SortAscending *bool
}

type describeClustersResponse struct {
	Clusters  []*wireCluster
	NextToken string `json:",omitempty"`
}

type describeBackupsResponse struct {
	Backups   []*wireBackup
	NextToken string `json:",omitempty"`
}

type backupRequest struct {
	BackupID     string `json:"BackupId"`
	NeverExpires bool
}

type copyRequest struct {
	BackupID          string `json:"BackupId"`
	DestinationRegion string
	TagList           []tag
}

type destinationBackup struct {
	CreateTimestamp                           *epoch
	SourceBackup, SourceCluster, SourceRegion string
}

type copyResponse struct{ DestinationBackup destinationBackup }

type tagRequest struct {
	ResourceID string `json:"ResourceId"`
	TagList    []tag
	TagKeyList []string
}

type listTagsRequest struct {
	ResourceID string `json:"ResourceId"`
	MaxResults *int
	NextToken  string
}

type listTagsResponse struct {
	TagList   []tag
	NextToken string `json:",omitempty"`
}

type empty struct{}
