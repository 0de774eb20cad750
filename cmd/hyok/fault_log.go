package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"text/tabwriter"

	"hyok/internal/fault"
)

type faultLogCmd struct {
	Last int `default:"20" help:"How many; a thousand are kept."`
	remote
}

// Run shows the last calls that suffered, the last one last.
func (c *faultLogCmd) Run(ctx context.Context, s streams) error {
	if c.Last < 1 {
		return usagef("--last: must be at least 1")
	}
	var all []fault.Applied
	if err := c.call(ctx, http.MethodGet, fmt.Sprintf("%s?log=%d", faultsPath, c.Last), nil, &all); err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(all)
	}
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TIME\tID\tAT\tOPERATION\tFAULT")
	for _, a := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", a.Time.Format("15:04:05.000"), a.Rule, a.At, a.Op, effect(a.Effect))
	}
	return w.Flush()
}
