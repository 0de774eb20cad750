package cloudhsmv2

import "testing"

// FuzzDecode: no body makes the checks panic, and what passes them is decoded.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{}`, `{"HsmType":"hsm1.medium","SubnetIds":["subnet-00000000"]}`, `{"TagList":[{"Key":1}]}`, `{"SubnetIds":{"a":[]}}`, `[null]`, `1e9`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		in := new(createClusterRequest)
		if err := decode("CreateCluster", []byte(body), in); err == nil && (in.HsmType == "" || len(in.SubnetIDs) == 0) {
			t.Errorf("%q passes without what is required", body)
		}
	})
}
