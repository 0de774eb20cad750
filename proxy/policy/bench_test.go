package policy_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"hyok/proxy/policy"
)

// A decision with ten policies must stay under 10 µs, also on a request that was
// never seen before.
func BenchmarkDecide(b *testing.B) {
	var text strings.Builder
	for i := range 9 {
		fmt.Fprintf(&text, "forbid (principal, action, resource) when { principal.arn like \"arn:aws:sts::*:assumed-role/gone-%d/*\" || context.sourceVpc == \"vpc-%d\" };\n", i, i)
	}
	text.WriteString(`permit (principal in Account::"111122223333", action in [Action::"Encrypt", Action::"Decrypt"], resource) when { ["Encrypt", "GenerateDataKey"].contains(context.kmsOperation) };`)
	set, err := policy.Parse("ten.cedar", []byte(text.String()), "/tenant-1")
	if err != nil {
		b.Fatal(err)
	}
	r := asked("Encrypt", "GenerateDataKey")
	run := func(name string, next func()) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				next()
				if !set.Decide(&r).Allowed {
					b.Fatal("refused")
				}
			}
		})
	}
	run("again", func() {})
	n := 0
	run("new", func() { n++; r.SourceVPC = "vpc-x" + strconv.Itoa(n) })
}
