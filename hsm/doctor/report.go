package doctor

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/miekg/pkcs11"

	"hyok/hsm"
)

// Status is what a step came to.
type Status string

// The statuses. Only Failed makes a report fail.
const (
	OK      Status = "ok"
	Warning Status = "warning" // it works, and should be looked at
	Failed  Status = "failed"
	Skipped Status = "skipped" // it needs a step that failed
)

// Step is one line of a report. It holds no PIN and no secret.
type Step struct {
	Status  Status `json:"status"`
	Step    string `json:"step"`
	Subject string `json:"subject,omitempty"` // what was examined: a module, a token, a key
	Detail  string `json:"detail"`            // what was found
	Do      string `json:"do,omitempty"`      // what to do; empty when it is well
}

// Speed is what a number of sessions at work came to, each with one encryption
// of 32 bytes after the other.
type Speed struct {
	Token     string  `json:"token"`
	Sessions  int     `json:"sessions"`
	PerSecond float64 `json:"encryptions_per_second"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
}

// Report is what an examination found.
type Report struct {
	Steps  []Step  `json:"steps"`
	Speeds []Speed `json:"speeds,omitempty"`
	// Pools are the sessions recommended, by token.
	Pools map[string]int `json:"recommended_workers,omitempty"`
}

// Add appends a step.
func (r *Report) Add(s ...Step) { r.Steps = append(r.Steps, s...) }

// Join appends what another report found.
func (r *Report) Join(o *Report) {
	r.Steps = append(r.Steps, o.Steps...)
	r.Speeds = append(r.Speeds, o.Speeds...)
	for token, n := range o.Pools {
		r.recommend(token, n)
	}
}

func (r *Report) recommend(token string, workers int) {
	if r.Pools == nil {
		r.Pools = make(map[string]int)
	}
	r.Pools[token] = workers
}

// Count tells how many steps have that status.
func (r *Report) Count(s Status) (n int) {
	for _, step := range r.Steps {
		if step.Status == s {
			n++
		}
	}
	return n
}

// Write writes the report as a table for people, what to do under each line
// that needs it.
func (r *Report) Write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "STATUS\tSTEP\tOF\tFOUND")
	for _, s := range r.Steps {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", s.Status, s.Step, s.Subject, s.Detail)
		if s.Do != "" {
			fmt.Fprintf(t, "\t\t\t-> %s\n", s.Do)
		}
	}
	if len(r.Speeds) > 0 {
		fmt.Fprintln(t, "\nTOKEN\tSESSIONS\tENCRYPTIONS/S\tP50\tP99")
	}
	for _, s := range r.Speeds {
		fmt.Fprintf(t, "%s\t%d\t%.0f\t%.3f ms\t%.3f ms\n", s.Token, s.Sessions, s.PerSecond, s.P50, s.P99)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%d ok, %d warnings, %d failed, %d skipped\n",
		r.Count(OK), r.Count(Warning), r.Count(Failed), r.Count(Skipped))
	return err
}

// one is the usual outcome: a single line.
func one(s Status, detail, do string) []Step { return []Step{{Status: s, Detail: detail, Do: do}} }

// code says what a function of the module returned.
func code(function string, err error) string {
	var rv pkcs11.Error
	if errors.As(err, &rv) {
		return codeOf(function, uint(rv))
	}
	return fmt.Sprintf("%s: %v", function, err)
}

func codeOf(function string, rv uint) string {
	return (&hsm.CodeError{Function: function, Code: rv}).Error()
}
