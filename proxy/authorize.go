package proxy

import (
	"log/slog"

	"hyok/proxy/policy"
	"hyok/proxy/xks"
)

// Outcomes of policy decisions in the metrics.
const (
	policyAllowed   = "allowed"
	policyDenied    = "denied"
	policyWouldDeny = "would_deny" // in a dry run, where it is let through
)

// FilePolicy is the key owner's authorization for a key store.
type FilePolicy struct {
	File   string `yaml:"file"` // Cedar; empty: everything is allowed
	DryRun bool   `yaml:"dry_run"`
}

func (p FilePolicy) validate() error {
	if p.DryRun && p.File == "" {
		return fieldError("dry_run", "needs file, the policies to try")
	}
	return nil
}

// load compiles the policies; nil when there are none.
func (p FilePolicy) load(pathPrefix string) (*policy.Set, error) {
	if p.File == "" {
		return nil, nil
	}
	return policy.Load(p.File, pathPrefix)
}

// CheckPolicies loads the policy files of all key stores. The error is one line
// with file and line.
func (f *File) CheckPolicies() error {
	for _, s := range f.Stores {
		if _, err := s.Policy.load(s.PathPrefix); err != nil {
			return err
		}
	}
	return nil
}

// errDenied tells nothing of the policies: the log does.
var errDenied = failure(xks.AccessDeniedException, "the owner of the external key does not allow this request")

// authorize asks the store's policies (XKS facts 43 to 46): nil when they allow
// the request, there are none, or they are only being tried.
func (x *exchange) authorize() *refusal {
	if x.store.Policy == nil {
		return nil
	}
	m := &x.metadata
	x.decision = x.store.Policy.Decide(&policy.Request{
		Operation: x.op.name, Key: x.keyID,
		Principal: m.AWSPrincipalArn, KMSOperation: m.KMSOperation, KMSKeyARN: m.KMSKeyArn,
		ViaService: m.KMSViaService, SourceVPC: m.AWSSourceVpc, SourceVPCE: m.AWSSourceVpce,
	})
	switch {
	case x.decision.Allowed:
		x.store.decisions[policyAllowed].Inc()
		return nil
	case x.store.PolicyDryRun:
		x.store.decisions[policyWouldDeny].Inc()
		return nil
	}
	x.store.decisions[policyDenied].Inc()
	return errDenied
}

// wouldDeny reports whether a policy that is only being tried is against the
// request.
func (x *exchange) wouldDeny() bool {
	return x.decision.Policy != "" && !x.decision.Allowed && x.store.PolicyDryRun
}

// appendDecision adds what the policy has decided, if it was asked.
func (x *exchange) appendDecision(attrs []slog.Attr) []slog.Attr {
	d := &x.decision
	if d.Policy == "" {
		return attrs
	}
	attrs = append(attrs, slog.String("policy", d.Policy))
	if x.wouldDeny() {
		attrs = append(attrs, slog.Bool("policy_would_deny", true))
	}
	if d.Fault != "" {
		attrs = append(attrs, slog.String("policy_fault", xks.PrintableMessage(d.Fault)))
	}
	return attrs
}
