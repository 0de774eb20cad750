package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"hyok/internal/fault"
	"hyok/kmsfront"
)

type faultCmd struct {
	Add   faultAddCmd   `cmd:"" help:"Make calls fail, and print the fault's ID."`
	List  faultListCmd  `cmd:"" help:"List the faults that are in force."`
	Clear faultClearCmd `cmd:"" help:"End the faults named, or all of them."`
	Log   faultLogCmd   `cmd:"" help:"Show the last calls that a fault hit."`
}

// Help shows up behind `hyok fault --help`.
func (*faultCmd) Help() string {
	return `Faults live as long as the hyok they were given to. The first one that applies to
a call decides alone. With a probability each has dice of its own: the same seed hits
the same calls again. See docs/faults.md.

Examples:
  1. hyok fault add --at proxy --op Decrypt --latency 300ms
  2. hyok fault add --at proxy --error ThrottlingException --probability 0.1
  3. hyok fault add --at network --blackhole --count 10
  4. hyok fault add --at hsm --error CKR_DEVICE_ERROR
  5. hyok fault add --at front --op CreateKey --error LimitExceededException --count 1
  6. hyok fault clear`
}

const faultsPath = "/faults"

type faultAddCmd struct {
	At          string        `required:"" enum:"front,network,proxy,hsm" placeholder:"front|network|proxy|hsm" help:"Where: in the KMS front end, on the way to the proxy, in the proxy, or at the device."`
	Op          string        `default:"*" placeholder:"OPERATION" help:"What suffers: Encrypt, Decrypt, GetKeyMetadata, GetHealthStatus, or * for everything; at front an operation of the KMS API."`
	Latency     time.Duration `placeholder:"DURATION" help:"Wait so long first, for example 300ms."`
	Error       string        `placeholder:"NAME" help:"Answer with this error: an exception of KMS at front, an XKS error name at the proxy, a CKR_ name at the device."`
	Reset       bool          `help:"Abort the connection."`
	Blackhole   bool          `help:"Cut open connections and let new ones never complete."`
	Probability *float64      `placeholder:"P" help:"Hit one call with this probability, above 0 and up to 1; every call without it."`
	Count       *int          `placeholder:"N" help:"Hit so many calls, then be gone; no limit without it."`
	Seed        *uint64       `placeholder:"N" help:"Of the dice for --probability; without it one is chosen, and listed."`
	remote
}

// rule checks what was asked for as the running hyok would, so that wrong usage
// is told from a failure.
func (c *faultAddCmd) rule() (fault.Rule, error) {
	r := fault.Rule{
		At: fault.At(c.At), Op: c.Op, Latency: c.Latency, Error: c.Error, Reset: c.Reset, Blackhole: c.Blackhole,
	}
	// The rule's zeros mean always and no limit, which nobody asks for with a 0.
	if c.Probability != nil {
		if r.Probability = *c.Probability; r.Probability == 0 {
			return r, usagef("--probability: must be above 0 and at most 1; leave it out for always")
		}
	}
	if c.Count != nil {
		if r.Count = *c.Count; r.Count == 0 {
			return r, usagef("--count: must be at least 1; leave it out for no limit")
		}
	}
	if c.Seed != nil {
		if r.Seed = *c.Seed; r.Seed == 0 {
			return r, usagef("--seed: must be at least 1; leave it out for one that is chosen")
		}
	}
	trial := fault.New(nil)
	trial.ServeFront(kmsfront.CheckFault)
	_, err := trial.Add(r)
	wrong, ok := errors.AsType[*fault.RuleError](err)
	switch {
	case !ok:
		return r, err
	case wrong.Member == "fault":
		return r, usagef("this does nothing, give at least one of --latency, --error, --reset, --blackhole")
	}
	return r, usagef("--%v", wrong)
}

// Run adds the fault and prints its ID.
func (c *faultAddCmd) Run(ctx context.Context, s streams) error {
	wanted, err := c.rule()
	if err != nil {
		return err
	}
	var added fault.Rule
	if err := c.call(ctx, http.MethodPost, faultsPath, wanted, &added); err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(added)
	}
	_, err = fmt.Fprintln(s.Out, added.ID)
	return err
}

type faultListCmd struct{ remote }

// Run lists the faults.
func (c *faultListCmd) Run(ctx context.Context, s streams) error {
	var all []fault.Rule
	if err := c.call(ctx, http.MethodGet, faultsPath, nil, &all); err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(all)
	}
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tAT\tOPERATION\tFAULT\tPROBABILITY\tSEED\tLEFT\tAPPLIED")
	for _, r := range all {
		probability, seed, left := "always", "", "no limit"
		if r.Probability > 0 {
			probability, seed = fmt.Sprint(r.Probability), fmt.Sprint(r.Seed)
		}
		if r.Count > 0 {
			left = fmt.Sprint(r.Count)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", r.ID, r.At, r.Op, effect(r.Effect()), probability, seed, left, r.Applied)
	}
	return w.Flush()
}

// effect words what a call suffers, in the order in which it does.
func effect(r fault.Effect) string {
	var all []string
	for _, e := range []struct {
		set  bool
		word string
	}{
		{r.Latency > 0, r.Latency.String()}, {r.Error != "", r.Error}, {r.Reset, "reset"}, {r.Blackhole, "blackhole"},
	} {
		if e.set {
			all = append(all, e.word)
		}
	}
	return strings.Join(all, ", ")
}

type faultClearCmd struct {
	IDs []string `arg:"" optional:"" name:"id" help:"What hyok fault add printed; every fault without it."`
	remote
}

// Run ends faults and prints how many.
func (c *faultClearCmd) Run(ctx context.Context, s streams) error {
	path := faultsPath
	if len(c.IDs) > 0 {
		path += "?" + url.Values{"id": c.IDs}.Encode()
	}
	var answer struct {
		Removed int `json:"removed"`
	}
	err := c.call(ctx, http.MethodDelete, path, nil, &answer)
	refused, ok := errors.AsType[*refusal](err)
	noneFound := ok && refused.status == http.StatusNotFound && len(c.IDs) > 0
	if err != nil && !noneFound {
		return err
	}
	if n := len(c.IDs); answer.Removed < n {
		return fmt.Errorf("%d of %d faults were not in force; hyok fault list shows those that are", n-answer.Removed, n)
	}
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(answer)
	}
	_, err = fmt.Fprintf(s.Out, "%d removed\n", answer.Removed)
	return err
}
