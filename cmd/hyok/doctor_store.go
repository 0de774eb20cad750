package main

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"time"

	"hyok/hsm/doctor"
	"hyok/proxy"
	"hyok/proxy/xks"
)

// regionForm is that of an AWS Region's name, such as us-east-1 or us-gov-west-1.
var regionForm = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$`)

// lateDeadline leaves too little of KMS's 250 ms to the network (XKS fact 94).
const lateDeadline = 230 * time.Millisecond

// examineStore looks at the settings of a key store and at its credentials.
func examineStore(st proxy.FileStore) []doctor.Step {
	subject := cmp.Or(st.PathPrefix, "/")
	var found []doctor.Step
	add := func(status doctor.Status, step, detail, do string) {
		found = append(found, doctor.Step{Status: status, Step: step, Subject: subject, Detail: detail, Do: do})
	}
	if err := xks.CheckPrefix(st.PathPrefix); err != nil {
		add(doctor.Failed, "path", err.Error(), "use / and letters, digits, / _ -, at most 117 characters")
	} else {
		add(doctor.OK, "path", "the URI path is "+st.PathPrefix+xks.BasePath, "")
	}
	add(regions(st.Regions))
	add(storeLimits(st))
	seen := make(map[string]bool)
	for i, c := range st.Credentials {
		status, step, detail, do := credentialForm(c)
		if seen[c.AccessKeyID] {
			status, detail, do = doctor.Failed, "its access key ID is that of another", "give each credential its own"
		}
		seen[c.AccessKeyID] = true
		add(status, step, fmt.Sprintf("number %d: %s", i+1, detail), do)
	}
	if len(st.Credentials) == 0 {
		add(doctor.Failed, "credential", "the key store has none", "add one, and give it to KMS")
	}
	return found
}

func regions(all []string) (status doctor.Status, step, detail, do string) {
	for _, r := range all {
		if !regionForm.MatchString(r) {
			return doctor.Failed, "regions", fmt.Sprintf("%q is no Region's name", r), "write it as us-east-1; KMS signs with the Region of the key store"
		}
	}
	if len(all) == 0 {
		return doctor.OK, "regions", "any Region may sign", ""
	}
	return doctor.OK, "regions", strings.Join(all, ", "), ""
}

func storeLimits(st proxy.FileStore) (status doctor.Status, step, detail, do string) {
	deadline := cmp.Or(st.Deadline, proxy.DefaultDeadline)
	switch {
	case st.Disabled:
		return doctor.Warning, "store", "the whole key store is disabled", "leave out disabled: true to serve it"
	case deadline > lateDeadline:
		return doctor.Warning, "store", fmt.Sprintf("the deadline of %s comes too late for KMS, which gives up after 250 ms with the network's time included", deadline), "use 200 ms or less"
	}
	return doctor.OK, "store", fmt.Sprintf("answers within %s", deadline), ""
}

// credentialForm checks the form alone (XKS fact 37): whether KMS has the same
// one shows only when it calls.
func credentialForm(c proxy.FileCredential) (status doctor.Status, step, detail, do string) {
	if err := proxy.CheckAccessKeyID(c.AccessKeyID); err != nil {
		return doctor.Failed, "credential", err.Error(), "make a new credential and give it to KMS with UpdateCustomKeyStore"
	}
	if err := proxy.CheckSecret(c.Secret.Reveal()); err != nil {
		return doctor.Failed, "credential", err.Error(), "make a new credential and give it to KMS with UpdateCustomKeyStore"
	}
	return doctor.OK, "credential", "access key ID and secret have the form that KMS takes", ""
}
