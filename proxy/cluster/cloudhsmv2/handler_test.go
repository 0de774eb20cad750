package cloudhsmv2_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hyok/hsm"
	"hyok/internal/sigv4"
	"hyok/proxy/cluster"
	"hyok/proxy/cluster/cloudhsmv2"
	"hyok/softhsm"
	"hyok/softhsm/softhsmtest"
)

const region = "us-east-1"

var caller = sigv4.Credential{AccessKeyID: "AKIAABCDEFGHIJKLMNOP", Secret: "secret"}

// A rig is the API of a fleet without clusters.
type rig struct {
	t     *testing.T
	fleet *cluster.Fleet
	url   string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	tokens := softhsmtest.TestDir(t)
	path, err := softhsm.Module()
	must(t, err)
	module, err := hsm.Load(hsm.ModuleConfig{Path: path})
	must(t, err)
	t.Cleanup(func() { must(t, module.Close()) })
	f, err := cluster.OpenFleet(t.Context(), cluster.FleetConfig{
		Dir: t.TempDir(), Tokens: tokens, Module: module, SecurityPIN: softhsmtest.SOPIN, Credentials: []sigv4.Credential{caller},
	})
	must(t, err)
	server := httptest.NewServer(cloudhsmv2.New(cloudhsmv2.Config{
		Fleet: f, Regions: []string{region, "eu-west-1"},
		Authenticate: func(id string) (secret, token, account string, ok bool) {
			return caller.Secret, "", "111122223333", id == caller.AccessKeyID
		},
	}))
	t.Cleanup(server.Close)
	return &rig{t, f, server.URL}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// call signs a request and gives the status and the answer.
func (r *rig) call(c sigv4.Credential, in, operation, body string) (int, map[string]any) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url+"/cloudhsmv2/", strings.NewReader(body))
	must(r.t, err)
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "BaldrApiService."+operation)
	if c.AccessKeyID != "" {
		must(r.t, sigv4.Sign(req, []byte(body), c, in, "cloudhsm", time.Now(), sigv4.Options{}))
	}
	resp, err := http.DefaultClient.Do(req)
	must(r.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(r.t, err)
	out := map[string]any{}
	must(r.t, json.Unmarshal(b, &out))
	return resp.StatusCode, out
}

// ok wants success, and gives the answer.
func (r *rig) ok(operation, body string) map[string]any {
	r.t.Helper()
	status, out := r.call(caller, region, operation, body)
	if status != http.StatusOK {
		r.t.Fatalf("%s %s: %d %v", operation, body, status, out)
	}
	return out
}

// refused wants an error with that code whose message has these words.
func (r *rig) refused(operation, body, code, words string) {
	r.t.Helper()
	status, out := r.call(caller, region, operation, body)
	message, _ := out["Message"].(string)
	if status != http.StatusBadRequest || out["__type"] != code || !strings.Contains(message, words) {
		r.t.Errorf("%s %s: %d %v, want %s with %q", operation, body, status, out, code, words)
	}
}

const (
	badRequest = "CloudHsmInvalidRequestException"
	notThere   = "CloudHsmResourceNotFoundException"
)

func TestRequestsAreHeldToTheModel(t *testing.T) {
	r := newRig(t)
	for _, row := range []struct{ operation, body, code, words string }{
		{"CreateCluster", `{`, "SerializationException", "not JSON"},
		{"CreateCluster", `[]`, "SerializationException", "structure"},
		{"CreateCluster", `{"HsmType":1,"SubnetIds":[]}`, "SerializationException", "hsmType must be a string"},
		{"CreateCluster", `{}`, badRequest, "2 validation errors detected: Value 'null' at 'hsmType' failed to satisfy constraint: Member must not be null; Value 'null' at 'subnetIds'"},
		{"CreateCluster", `{"HsmType":"hsm1.medium","SubnetIds":[]}`, badRequest, "Member must have length greater than or equal to 1"},
		{"CreateCluster", `{"HsmType":"hsm1.medium","SubnetIds":[null]}`, badRequest, "Value 'null' at 'subnetIds.1.member'"},
		{"CreateCluster", `{"HsmType":"hsm1.medium","SubnetIds":["subnet-x"]}`, badRequest, "Value 'subnet-x' at 'subnetIds.1.member' failed to satisfy constraint: Member must satisfy regular expression pattern"},
		{"CreateCluster", `{"HsmType":"hsm1.medium","SubnetIds":["subnet-00000000000000000"],"Mode":"X"}`, badRequest, "enum value set: [FIPS, NON_FIPS]"},
		{"CreateCluster", `{"HsmType":"hsm9.large","SubnetIds":["subnet-00000000000000000"]}`, badRequest, "HsmType must be"},
		{"CreateCluster", `{"HsmType":"hsm2m.medium","SubnetIds":["subnet-00000000000000000"]}`, badRequest, "Mode is required"},
		{"CreateCluster", `{"HsmType":"hsm1.medium","SubnetIds":["subnet-00000000000000000"]}`, badRequest, "there is no subnet"},
		{"DescribeClusters", `{"MaxResults":26}`, badRequest, "Member must have value less than or equal to 25"},
		{"DescribeClusters", `{"Filters":{"colour":["red"]}}`, badRequest, "no filter"},
		{"DescribeClusters", `{"NextToken":"x"}`, badRequest, "NextToken"},
		{"CreateHsm", `{"ClusterId":"cluster-aaaaaaaaaaa","AvailabilityZone":"us-east-1a"}`, notThere, "cluster-aaaaaaaaaaa"},
		{"DeleteHsm", `{"ClusterId":"cluster-aaaaaaaaaaa"}`, badRequest, "one of HsmId"},
		{"ListTags", `{"ResourceId":"backup-aaaaaaaaaaa"}`, notThere, "backup-aaaaaaaaaaa"},
		{"DeleteBackup", `{"BackupId":"backup-aaaaaaaaaaa"}`, notThere, "backup-aaaaaaaaaaa"},
		{"ModifyCluster", `{"ClusterId":"cluster-aaaaaaaaaaa"}`, "CloudHsmServiceException", "ModifyCluster is not simulated"},
		{"PutResourcePolicy", `{}`, "CloudHsmServiceException", "PutResourcePolicy is not simulated"},
		{"MakeCoffee", `{}`, "UnknownOperationException", "no operation"},
	} {
		r.refused(row.operation, row.body, row.code, row.words)
	}
}

func TestOnlyGoodSignaturesAreTaken(t *testing.T) {
	r := newRig(t)
	for code, c := range map[string]sigv4.Credential{
		"MissingAuthenticationTokenException": {},
		"UnrecognizedClientException":         {AccessKeyID: "AKIAZZZZZZZZZZZZZZZZ", Secret: "secret"},
		"InvalidSignatureException":           {AccessKeyID: caller.AccessKeyID, Secret: "another"},
	} {
		if status, out := r.call(c, region, "DescribeClusters", `{}`); status != http.StatusBadRequest || out["__type"] != code {
			t.Errorf("%d %v, want %s", status, out, code)
		}
	}
	if status, out := r.call(caller, "ap-south-1", "DescribeClusters", `{}`); status == http.StatusOK {
		t.Errorf("a Region that is not served answers %v", out)
	}
}

func TestClustersAreTaggedListedByPageAndTheRegionsOwn(t *testing.T) {
	r := newRig(t)
	subnets, err := r.fleet.Subnets(cluster.Owner{Account: "111122223333", Region: region})
	must(t, err)
	var ids []string
	for range 2 {
		out := r.ok("CreateCluster", `{"HsmType":"hsm1.medium","SubnetIds":["`+subnets[0].ID+`"],"TagList":[{"Key":"a","Value":"1"}]}`)
		c := out["Cluster"].(map[string]any)
		if c["State"] != "CREATE_IN_PROGRESS" || c["SubnetMapping"].(map[string]any)[subnets[0].Zone] != subnets[0].ID || c["Mode"] != "FIPS" {
			t.Errorf("a new cluster is %v", c)
		}
		ids = append(ids, c["ClusterId"].(string))
	}
	first := r.ok("DescribeClusters", `{"MaxResults":1}`)
	next, _ := first["NextToken"].(string)
	second := r.ok("DescribeClusters", `{"MaxResults":1,"NextToken":"`+next+`"}`)
	if len(first["Clusters"].([]any)) != 1 || len(second["Clusters"].([]any)) != 1 || second["NextToken"] != nil {
		t.Errorf("the pages are %v and %v", first, second)
	}
	one := r.ok("DescribeClusters", `{"Filters":{"clusterIds":["`+ids[0]+`"],"states":["UNINITIALIZED"]}}`)["Clusters"].([]any)
	if len(one) != 1 || one[0].(map[string]any)["Certificates"].(map[string]any)["ClusterCsr"] == nil {
		t.Errorf("by ID and state: %v", one)
	}
	r.ok("TagResource", `{"ResourceId":"`+ids[0]+`","TagList":[{"Key":"b","Value":"2"}]}`)
	r.ok("UntagResource", `{"ResourceId":"`+ids[0]+`","TagKeyList":["a"]}`)
	tags := r.ok("ListTags", `{"ResourceId":"`+ids[0]+`"}`)["TagList"].([]any)
	if len(tags) != 1 || tags[0].(map[string]any)["Key"] != "b" {
		t.Errorf("the tags are %v", tags)
	}
	if _, out := r.call(caller, "eu-west-1", "DescribeClusters", `{}`); len(out["Clusters"].([]any)) != 0 {
		t.Errorf("another Region has %v", out)
	}
	r.ok("DeleteCluster", `{"ClusterId":"`+ids[1]+`"}`)
	r.refused("DeleteCluster", `{"ClusterId":"`+ids[1]+`"}`, notThere, ids[1])
}
