package fault

import (
	"regexp"
	"slices"
	"strings"
)

// At is a hop on a call's way.
type At string

// The hops.
const (
	Front   At = "front"   // in the KMS front end, which answers by itself
	Network At = "network" // from the KMS front end to the proxy
	Proxy   At = "proxy"   // in the proxy's handlers
	HSM     At = "hsm"     // around the calls of the PKCS#11 module
)

// AnyOp is the Op of a rule for every operation.
const AnyOp = "*"

var (
	hops = []At{Front, Network, Proxy, HSM}

	// operations are those of the XKS protocol (XKS fact 18).
	operations = []string{"Encrypt", "Decrypt", "GetKeyMetadata", "GetHealthStatus", AnyOp}

	// proxyErrors are the error names of the XKS protocol (guide XKS §1.11).
	proxyErrors = []string{
		"ValidationException",
		"InvalidStateException",
		"InvalidCiphertextException",
		"InvalidKeyUsageException",
		"AuthenticationFailedException",
		"AccessDeniedException",
		"KeyNotFoundException",
		"InvalidUriPathException",
		"ThrottlingException",
		"UnsupportedOperationException",
		"DependencyTimeoutException",
		"InternalException",
	}

	// hsmError is the form of a PKCS#11 return value's name. Which of them exist
	// is the device's business.
	hsmError = regexp.MustCompile(`^CKR_[A-Z0-9]+(_[A-Z0-9]+)*$`)
)

// check finds what is wrong with a rule, row by row of what can be.
func (r *Rule) check() error {
	for _, row := range []struct {
		wrong       bool
		member, msg string
	}{
		{!slices.Contains(hops, r.At), "at", "must be one of " + list(hops)},
		{r.At != Front && !slices.Contains(operations, r.Op), "op", "must be one of " + list(operations)},
		{r.ID != "", "id", "is given by the set, leave it out"},
		{r.Applied != 0, "applied", "is counted by the set, leave it out"},
		{r.Latency < 0, "latency", "must not be negative"},
		{!(r.Probability >= 0 && r.Probability <= 1), "probability", "must be above 0 and at most 1; leave it out for always"},
		{r.Count < 0, "count", "must be at least 1; leave it out for no limit"},
		{r.Seed != 0 && r.Probability == 0, "seed", "is of the dice for a probability, which is missing"},
		{r.At == Network && r.Error != "", "error", "the network has no errors by name, use reset or blackhole, or at proxy or hsm"},
		{r.At == HSM && r.Reset, "reset", "a device has no connection to reset, use error, or at network or proxy"},
		{r.At == HSM && r.Blackhole, "blackhole", "a device has no connection to lose, use latency or error, or at network or proxy"},
		{r.At == Proxy && r.Error != "" && !slices.Contains(proxyErrors, r.Error), "error", "at proxy it must be one of " + list(proxyErrors)},
		{r.At == HSM && r.Error != "" && !hsmError.MatchString(r.Error), "error", "at hsm it must be the name of a PKCS#11 return value, such as CKR_DEVICE_ERROR"},
		{r.Error != "" && r.Reset, "error", "contradicts reset: an aborted connection carries no answer"},
		{r.Error != "" && r.Blackhole, "error", "contradicts blackhole: nothing is ever answered"},
		{r.Reset && r.Blackhole, "reset", "contradicts blackhole, take one of them"},
		{r.Latency > 0 && r.Blackhole, "latency", "contradicts blackhole: nothing is ever answered"},
		{r.Latency == 0 && r.Error == "" && !r.Reset && !r.Blackhole, "fault", "does nothing, give at least one of latency, error, reset, blackhole"},
	} {
		if row.wrong {
			return &RuleError{Member: row.member, Msg: row.msg}
		}
	}
	return nil
}

// list joins names with commas.
func list[T ~string](names []T) string {
	var b strings.Builder
	for i, name := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(name))
	}
	return b.String()
}
