package fault_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"hyok/internal/fault"
)

func TestRulesThatMakeNoSense(t *testing.T) {
	for _, row := range []struct {
		name   string
		rule   fault.Rule
		member string
	}{
		{"no hop", fault.Rule{Reset: true}, "at"},
		{"a hop that does not exist", fault.Rule{At: "moon", Reset: true}, "at"},
		{"an operation that does not exist", fault.Rule{At: fault.Proxy, Op: "encrypt", Reset: true}, "op"},
		{"an ID of its own", fault.Rule{ID: "x", At: fault.Proxy, Reset: true}, "id"},
		{"negative latency", fault.Rule{At: fault.Proxy, Latency: -1}, "latency"},
		{"negative probability", fault.Rule{At: fault.Proxy, Reset: true, Probability: -0.1}, "probability"},
		{"probability above 1", fault.Rule{At: fault.Proxy, Reset: true, Probability: 1.1}, "probability"},
		{"probability that is no number", fault.Rule{At: fault.Proxy, Reset: true, Probability: math.NaN()}, "probability"},
		{"negative count", fault.Rule{At: fault.Proxy, Reset: true, Count: -1}, "count"},
		{"an error in the network", fault.Rule{At: fault.Network, Error: "InternalException"}, "error"},
		{"a device's error in the proxy", fault.Rule{At: fault.Proxy, Error: "CKR_DEVICE_ERROR"}, "error"},
		{"a proxy's error in the device", fault.Rule{At: fault.HSM, Error: "InternalException"}, "error"},
		{"a device's error in lower case", fault.Rule{At: fault.HSM, Error: "CKR_device_error"}, "error"},
		{"a device's error without a name", fault.Rule{At: fault.HSM, Error: "CKR_"}, "error"},
		{"a device that is reset", fault.Rule{At: fault.HSM, Reset: true}, "reset"},
		{"a device in a black hole", fault.Rule{At: fault.HSM, Blackhole: true}, "blackhole"},
		{"error and reset", fault.Rule{At: fault.Proxy, Error: "InternalException", Reset: true}, "error"},
		{"error and blackhole", fault.Rule{At: fault.Proxy, Error: "InternalException", Blackhole: true}, "error"},
		{"reset and blackhole", fault.Rule{At: fault.Network, Reset: true, Blackhole: true}, "reset"},
		{"latency and blackhole", fault.Rule{At: fault.Network, Latency: 1, Blackhole: true}, "latency"},
		{"nothing to do", fault.Rule{At: fault.Network, Op: "Encrypt", Count: 3, Probability: 0.5}, "fault"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := fault.New(nil)
			id, err := s.Add(row.rule)
			wrong, ok := errors.AsType[*fault.RuleError](err)
			if !ok || id != "" || len(s.List()) != 0 {
				t.Fatalf("it is added as %q, %v", id, err)
			}
			if wrong.Member != row.member || strings.Contains(err.Error(), "\n") {
				t.Errorf("the error is %q, want one line about %s", err, row.member)
			}
		})
	}
}

func TestRulesThatMakeSense(t *testing.T) {
	for _, rule := range []fault.Rule{
		{At: fault.Network, Latency: time.Second},
		{At: fault.Network, Latency: time.Second, Reset: true},
		{At: fault.Network, Blackhole: true},
		{At: fault.Proxy, Op: "GetHealthStatus", Reset: true, Probability: 1},
		{At: fault.Proxy, Op: "GetKeyMetadata", Latency: time.Second, Error: "KeyNotFoundException"},
		{At: fault.Proxy, Op: "*", Blackhole: true, Count: 1},
		{At: fault.HSM, Op: "Encrypt", Latency: time.Second, Error: "CKR_FUNCTION_FAILED"},
	} {
		if _, err := fault.New(nil).Add(rule); err != nil {
			t.Errorf("%+v: %v", rule, err)
		}
	}
}

// The error names of the XKS protocol, as its table has them.
func TestEveryErrorOfTheProxyCanBeMade(t *testing.T) {
	s := fault.New(nil)
	for _, name := range strings.Fields(`ValidationException InvalidStateException InvalidCiphertextException
		InvalidKeyUsageException AuthenticationFailedException AccessDeniedException KeyNotFoundException
		InvalidUriPathException ThrottlingException UnsupportedOperationException DependencyTimeoutException
		InternalException`) {
		mustAdd(t, s, fault.Rule{At: fault.Proxy, Error: name})
	}
	if n := len(s.List()); n != 12 {
		t.Errorf("%d rules, want 12", n)
	}
}
