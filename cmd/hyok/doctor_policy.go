package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"hyok/hsm/doctor"
	"hyok/proxy"
	"hyok/proxy/policy"
)

// examinePolicy has a key store's policies decide on example requests.
func examinePolicy(st proxy.FileStore) []doctor.Step {
	var found []doctor.Step
	add := func(s doctor.Step) {
		s.Step, s.Subject = "policy", cmp.Or(st.PathPrefix, "/")
		found = append(found, s)
	}
	if st.Policy.File == "" {
		add(finding(doctor.OK, "", "none: whoever KMS lets may use the keys"))
		return found
	}
	var keys []string
	for _, k := range st.Keys {
		keys = append(keys, k.ID)
	}
	set, err := policy.Load(st.Policy.File, st.PathPrefix)
	var trials []policy.Trial
	if err == nil {
		trials, err = set.Try(keys, st.Regions)
	}
	if err != nil {
		add(finding(doctor.Failed, "correct the line that is named", "%v", err))
		return found
	}
	add(policyVerdict(st.Policy, set, trials))
	for _, t := range trials {
		add(finding(doctor.OK, "", "%s", trialText(t)))
	}
	return found
}

// policyVerdict is what all trials say together.
func policyVerdict(f proxy.FilePolicy, set *policy.Set, trials []policy.Trial) doctor.Step {
	nobody := !slices.ContainsFunc(trials, func(t policy.Trial) bool { return t.Allowed != nil })
	everybody := !slices.ContainsFunc(trials, func(t policy.Trial) bool { return !t.Stranger.Decision.Allowed })
	switch {
	case nobody:
		return finding(doctor.Warning, "permit those who are to use the keys; the lines below name what refused",
			"%s: it seems to let nobody in: no example of what it names is allowed", f.File)
	case everybody:
		return finding(doctor.Warning, "name the accounts that may use the keys, unless the KMS key policy is to decide alone",
			"%s: it lets everybody in: a stranger may do everything", f.File)
	case f.DryRun:
		return finding(doctor.Warning, "leave out dry_run: true once the log has no policy_would_deny any more",
			"%s: it is only being tried: nothing is refused", f.File)
	}
	return finding(doctor.OK, "", "%s: policies: %d; they let some in, and not everybody", f.File, set.Len())
}

// trialText says in a line what is decided on an operation of KMS.
func trialText(t policy.Trial) string {
	var b strings.Builder
	b.WriteString(t.KMSOperation)
	if t.KMSOperation == "ReEncrypt" {
		fmt.Fprintf(&b, " (%s)", t.Operation)
	}
	if t.Allowed == nil {
		b.WriteString(": no example is allowed")
	} else {
		r := t.Allowed.Request
		fmt.Fprintf(&b, ": %s for key %s", r.Principal, r.Key)
		for _, way := range []struct{ word, value string }{{"through", r.ViaService}, {"from", r.SourceVPC}, {"at", r.SourceVPCE}} {
			if way.value != "" {
				fmt.Fprintf(&b, " %s %s", way.word, way.value)
			}
		}
		fmt.Fprintf(&b, " is allowed by %s", t.Allowed.Decision.Policy)
	}
	verb := "refused"
	if t.Stranger.Decision.Allowed {
		verb = "allowed"
	}
	fmt.Fprintf(&b, "; a stranger is %s by %s", verb, t.Stranger.Decision.Policy)
	return b.String()
}
