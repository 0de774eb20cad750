package policy_test

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"hyok/proxy/policy"
)

// calls are the KMS operations of the guide and how KMS asks for them (XKS fact
// 49), and one that is not there yet. ReEncrypt is two.
var calls = []struct{ kmsOperation, operation string }{
	{"CreateKey", "GetKeyMetadata"},
	{"DescribeKey", "GetKeyMetadata"},
	{"Encrypt", "Encrypt"},
	{"GenerateDataKey", "Encrypt"},
	{"GenerateDataKeyWithoutPlaintext", "Encrypt"},
	{"ReEncrypt", "Encrypt"},
	{"ReEncrypt", "Decrypt"},
	{"Decrypt", "Decrypt"},
	{"TransmogrifyKey", "Encrypt"},
}

const (
	app        = "arn:aws:sts::111122223333:assumed-role/app/s-1"
	breakGlass = "arn:aws:sts::111122223333:assumed-role/break-glass/s-1"
	stranger   = "arn:aws:sts::999999999999:assumed-role/app/s-1"
	ours       = "arn:aws:kms:us-east-1:111122223333:key/1"
	foreign    = "arn:aws:kms:us-east-1:999999999999:key/1"
)

// What each example says: one letter a row of calls, y for allowed.
var exampleRows = []struct {
	file, who string
	request   policy.Request
	want      string
}{
	{"accounts", "ours", policy.Request{Principal: app, KMSKeyARN: ours}, "yyyyyyyyy"},
	{"accounts", "before the KMS key exists", policy.Request{Principal: app}, "yyyyyyyyy"},
	{"accounts", "another account", policy.Request{Principal: stranger, KMSKeyARN: ours}, "nnnnnnnnn"},
	{"accounts", "another account's KMS key", policy.Request{Principal: app, KMSKeyARN: foreign}, "nnnnnnnnn"},
	{"accounts", "AWS Internal", policy.Request{Principal: "AWS Internal", KMSKeyARN: ours}, "nnnnnnnnn"},
	{"role", "the role", policy.Request{Principal: app, KMSKeyARN: ours}, "yyyyyyyyy"},
	{"role", "another role", policy.Request{Principal: breakGlass, KMSKeyARN: ours}, "yynnnnnnn"},
	{"role", "a role whose session is named like it", policy.Request{Principal: "arn:aws:sts::111122223333:assumed-role/x/app/", KMSKeyARN: ours}, "yynnnnnnn"},
	{"role", "another account", policy.Request{Principal: stranger, KMSKeyARN: ours}, "nnnnnnnnn"},
	{"services", "through S3", policy.Request{Principal: app, KMSKeyARN: ours, ViaService: "s3.us-east-1.amazonaws.com"}, "yyyyyyyyy"},
	{"services", "through EBS", policy.Request{Principal: app, KMSKeyARN: ours, ViaService: "ebs"}, "yyyyyyyyy"},
	{"services", "EC2 for itself", policy.Request{Principal: "ec2.amazonaws.com", KMSKeyARN: ours, ViaService: "ec2.us-east-1.amazonaws.com"}, "nnyyyyyyy"},
	{"services", "through another", policy.Request{Principal: app, KMSKeyARN: ours, ViaService: "rds.us-east-1.amazonaws.com"}, "yynnnnnnn"},
	{"services", "straight to KMS", policy.Request{Principal: app, KMSKeyARN: ours}, "yynnnnnnn"},
	{"vpc-endpoint", "from it", policy.Request{Principal: app, KMSKeyARN: ours, SourceVPC: "vpc-1", SourceVPCE: "vpce-1a2b3c4d"}, "yyyyyyyyy"},
	{"vpc-endpoint", "from another", policy.Request{Principal: app, KMSKeyARN: ours, SourceVPC: "vpc-1", SourceVPCE: "vpce-2"}, "yynnnnnnn"},
	{"vpc-endpoint", "from the internet", policy.Request{Principal: app, KMSKeyARN: ours}, "yynnnnnnn"},
	{"decrypt-only", "the role", policy.Request{Principal: breakGlass, KMSKeyARN: ours}, "nynnnnyyn"},
	{"decrypt-only", "another role", policy.Request{Principal: app, KMSKeyARN: ours}, "nynnnnnnn"},
	{"decrypt-only", "another account", policy.Request{Principal: stranger, KMSKeyARN: ours}, "nnnnnnnnn"},
	{"deny-principal", "everybody", policy.Request{Principal: stranger, KMSKeyARN: ours}, "yyyyyyyyy"},
	{"deny-principal", "AWS Internal", policy.Request{Principal: "AWS Internal", KMSKeyARN: ours}, "yyyyyyyyy"},
	{"deny-principal", "the user", policy.Request{Principal: "arn:aws:iam::111122223333:user/leaver", KMSKeyARN: ours}, "nnnnnnnnn"},
	{"deny-principal", "a session of the role", policy.Request{Principal: "arn:aws:sts::111122223333:assumed-role/retired/x", KMSKeyARN: ours}, "nnnnnnnnn"},
}

func TestTheExamplesDecideAsTheySay(t *testing.T) {
	sets := make(map[string]*policy.Set)
	shown := make(map[string]bool)
	guide, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.Glob(policy.Examples(), "*.cedar")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	for _, file := range files {
		text, err := fs.ReadFile(policy.Examples(), file)
		if err != nil {
			t.Fatal(err)
		}
		if sets[strings.TrimSuffix(file, ".cedar")], err = policy.Parse(file, text, "/tenant-1"); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(guide), "`"+file+"`") {
			t.Errorf("docs/policy.md does not tell of %s", file)
		}
	}
	for _, row := range exampleRows {
		shown[row.file] = true
		var got strings.Builder
		for _, c := range calls {
			r := row.request
			r.Key, r.Operation, r.KMSOperation = "orders", c.operation, c.kmsOperation
			if sets[row.file].Decide(&r).Allowed {
				got.WriteByte('y')
			} else {
				got.WriteByte('n')
			}
		}
		if got.String() != row.want {
			t.Errorf("%s, %s: got %s, want %s", row.file, row.who, got.String(), row.want)
		}
	}
	for name := range sets {
		if !shown[name] {
			t.Errorf("%s.cedar has no row", name)
		}
	}
}
