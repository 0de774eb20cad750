package loadgen

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// barWidth is the longest bar of the histogram in characters.
const barWidth = 50

// WriteText writes the report for people, as tables with a histogram.
func (p *Report) WriteText(w io.Writer) error {
	fmt.Fprintf(w, "%s\n\n", p.summary())
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "OPERATION\tKEY\tSENT\tOK\tERRORS\tOK/S\tP50\tP90\tP95\tP99\tP99.9\tMAX")
	for _, s := range p.Series {
		s.write(t)
	}
	if len(p.Series) > 1 {
		(&Series{Name: "all", Sent: p.Sent, OK: p.OK, Errors: p.Errors, PerSecond: p.PerSecond, Latency: p.Latency}).write(t)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	p.writeBars(w)
	if err := p.writeFailures(w); err != nil {
		return err
	}
	for _, l := range p.Limits {
		if _, err := fmt.Fprintf(w, "\nThe generator was the limit: %s.", l); err != nil {
			return err
		}
	}
	if len(p.Limits) > 0 {
		_, err := fmt.Fprintln(w)
		return err
	}
	return nil
}

// summary is the first line.
func (p *Report) summary() string {
	how := fmt.Sprintf("open loop, %g a second; latencies count from when a request was due", p.Rate)
	if p.Rate == 0 {
		how = fmt.Sprintf("closed loop, %d callers; latencies count from the sending, use a rate to see stalls in full", p.Callers)
	}
	return fmt.Sprintf("%d sent in %s, %d answered, %d errors, %.1f answers a second (%s)",
		p.Sent, Millis(p.Took), p.OK, p.Errors, p.PerSecond, how)
}

func (s *Series) write(w io.Writer) {
	l := s.Latency
	fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%.1f\t%s\t%s\t%s\t%s\t%s\t%s\n",
		s.Name, s.Target, s.Sent, s.OK, s.Errors, s.PerSecond, l.P50, l.P90, l.P95, l.P99, l.P999, l.Max)
}

func (p *Report) writeBars(w io.Writer) {
	most := int64(1)
	for _, b := range p.Bars {
		most = max(most, b.Count)
	}
	for i, b := range p.Bars {
		if i == 0 {
			fmt.Fprintln(w, "\nLATENCY")
		}
		fmt.Fprintf(w, "%12s  %-*s  %9d  %5.1f %%\n", "≤ "+edge(b.To), barWidth, bar(b.Count, most), b.Count, 100*float64(b.Count)/float64(p.OK))
	}
}

// edge writes the end of a bar, a round number: 500ms, 1s, 3m20s.
func edge(m Millis) string { return time.Duration(m).String() }

// eighths are blocks of one to seven eighths of a character.
var eighths = []string{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"}

// bar is as long as count is large; what is not nothing can be seen.
func bar(count, most int64) string {
	n := int(float64(count) / float64(most) * barWidth * 8)
	if count > 0 {
		n = max(n, 1)
	}
	return strings.Repeat("█", n/8) + eighths[n%8]
}

func (p *Report) writeFailures(w io.Writer) error {
	if len(p.Failures) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ERROR\tCOUNT\tSHARE\tP50\tMAX\tFIRST MESSAGE")
	for _, f := range p.Failures {
		fmt.Fprintf(t, "%s\t%d\t%.2f %%\t%s\t%s\t%s\n", f.Name, f.Count, 100*float64(f.Count)/float64(p.Sent), f.P50, f.Max,
			strings.Join(strings.Fields(f.First), " "))
	}
	return t.Flush()
}
