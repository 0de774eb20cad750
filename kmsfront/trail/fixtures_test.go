package trail

import "hyok/kmsfront/api"

const keyARN = "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

var alice = api.Caller{
	Account:     "111122223333",
	ARN:         "arn:aws:iam::111122223333:user/Alice",
	Type:        "IAMUser",
	PrincipalID: "AIDAEXAMPLE",
	UserName:    "Alice",
	AccessKeyID: "AKIAEXAMPLE",
}
