package loadgen

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// measured is a run of two operations with latencies over many decades and some errors.
func measured(t *testing.T, seed uint64, c Config) *Report {
	t.Helper()
	dice := rand.New(rand.NewPCG(seed, 1))
	var mu sync.Mutex
	throw := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return dice.IntN(n)
	}
	do := func(context.Context) error {
		if throw(20) == 0 {
			return errors.New("no <luck> & more")
		}
		time.Sleep(time.Duration(1) << throw(31))
		return nil
	}
	c.Operations = []Operation{{Name: "Encrypt", Target: `alias/"a"<b>`, Do: do}, {Name: "Decrypt", Target: "alias/c", Do: do}}
	c.MaxInFlight = 5000
	var p *Report
	run(t, c, func(_ *testing.T, got *Report) { p = got })
	return p
}

type svgElement struct {
	Points string `xml:"points,attr"`
	Text   string `xml:",chardata"`
}

func TestSVGIsXMLWithAllPointsWithinItsAxes(t *testing.T) {
	for name, c := range map[string]Config{
		"short":   {Rate: 1000, Duration: 300 * time.Millisecond},
		"one":     {Rate: 1, Duration: 500 * time.Millisecond},
		"minutes": {Rate: 10, Duration: 5 * time.Minute},
		"closed":  {Callers: 1, Duration: 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			p := measured(t, 5, c)
			var doc struct {
				Lines []svgElement `xml:"polyline"`
				Texts []svgElement `xml:"text"`
			}
			if err := xml.Unmarshal(p.SVG("Load & <more>"), &doc); err != nil {
				t.Fatal(err)
			}
			if len(doc.Lines) < 5 && name != "one" {
				t.Errorf("%d lines", len(doc.Lines))
			}
			panels := []*panel{p.overTime(), p.percentiles()}
			for i, l := range doc.Lines {
				in := panels[min(i/3, 1)]
				for _, pt := range strings.Fields(l.Points) {
					var x, y float64
					if _, err := fmt.Sscanf(pt, "%f,%f", &x, &y); err != nil {
						t.Fatal(err)
					}
					if x < plotLeft || x > plotRight || y < in.top || y > in.bottom {
						t.Fatalf("line %d leaves its axes at %s", i, pt)
					}
				}
			}
			all := ""
			for _, x := range doc.Texts {
				all += x.Text + "\n"
			}
			for _, want := range []string{"Load & <more>\n", "latency\n", "seconds since the start\n", "percentile of the answers\n", "p50\n", "p99\n"} {
				if !strings.Contains(all, want) {
					t.Errorf("the texts lack %q", want)
				}
			}
		})
	}
}

func TestSVGOfARunWithoutAnswersIsStillXML(t *testing.T) {
	run(t, Config{Rate: 10, Duration: time.Second, Operations: []Operation{{Do: func(context.Context) error { return io.EOF }}}},
		func(t *testing.T, p *Report) {
			if err := xml.Unmarshal(p.SVG(""), new(struct{})); err != nil {
				t.Error(err)
			}
			if b := p.SVG(""); bytes.Contains(b, []byte("NaN")) || bytes.Contains(b, []byte("Inf")) {
				t.Error("a number is none")
			}
		})
}

func TestTextHasEveryTable(t *testing.T) {
	p := measured(t, 3, Config{Rate: 200, Duration: 5 * time.Second})
	p.Limits = []string{"it was slow"}
	var b strings.Builder
	if err := p.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		fmt.Sprintf("1000 sent in %s, %d answered, %d errors", p.Took, p.OK, p.Errors), "open loop, 200 a second",
		"\nOPERATION  KEY", "\nEncrypt    alias/\"a\"<b>  ", "\nDecrypt    alias/c", "\nall    ", "\nLATENCY\n", "≤ 500ms", "█",
		"\nERROR  COUNT  SHARE", "no <luck> & more\n", "\nThe generator was the limit: it was slow.\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("lacks %q:\n%s", want, &b)
		}
	}
}

func TestJSONIsInMilliseconds(t *testing.T) {
	p := measured(t, 3, Config{Rate: 200, Duration: 5 * time.Second})
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Sent    int64
		Latency map[string]float64
		Limits  []string `json:"generator_limits"`
		Rows    []any    `json:"timeline"`
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if ms := float64(p.Latency.P99) / 1e6; got.Sent != 1000 || got.Latency["p99_ms"] < ms*0.999 || got.Latency["p99_ms"] > ms*1.001 || ms == 0 {
		t.Errorf("%+v, want p99 %f ms", got, ms)
	}
	var again Report
	if err := json.Unmarshal(b, &again); err != nil {
		t.Fatal(err)
	}
	within(t, "p99 read again", again.Latency.P99, time.Duration(p.Latency.P99), time.Microsecond)
	if len(got.Rows) < 50 || got.Limits == nil {
		t.Errorf("%d rows, limits %v", len(got.Rows), got.Limits)
	}
}

// The timeline stays within its bounds and loses no answer.
func TestTimelineCountsEveryAnswer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.IntRange(1, 4000).Draw(t, "seconds")) * time.Second
		c := Config{Duration: d, Operations: make([]Operation, 1), Name: func(error) string { return "x" }}
		start := time.Unix(1e9, 0)
		r := newRecorder(&c, start)
		at, want := start, int64(0)
		for range rapid.IntRange(1, 50).Draw(t, "answers") {
			at = at.Add(time.Duration(rapid.Int64Range(0, int64(d/50)).Draw(t, "gap")))
			r.done(0, at, start, nil)
			want++
		}
		p := r.finish(d, Usage{})
		var got int64
		for i, row := range p.Timeline {
			got += row.OK
			if row.End != Millis(i+1)*p.Step {
				t.Fatalf("row %d ends at %s", i, row.End)
			}
		}
		if got != want || len(p.Timeline) > maxRows+1 {
			t.Fatalf("%d of %d answers in %d rows", got, want, len(p.Timeline))
		}
	})
}

func TestDurationsAreShort(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0.00 µs": 0, "1.00 µs": time.Microsecond, "12.3 µs": 12345, "123 µs": 123456, "1.23 ms": 1234567, "999 ms": 999 * time.Millisecond,
		"1.00 s": time.Second, "75.0 s": 75 * time.Second,
	} {
		if got := Millis(d).String(); got != want {
			t.Errorf("%d is %q, want %q", d, got, want)
		}
	}
	for want, d := range map[string]time.Duration{"1s": time.Second, "50µs": 50000, "20s": 20 * time.Second, "3m20s": 200 * time.Second, "16m40s": 1000 * time.Second} {
		if got := edge(Millis(d)); got != want {
			t.Errorf("edge %s is %q, want %q", d, got, want)
		}
	}
}

func TestMachineShareIsReadFromProcStat(t *testing.T) {
	if busy, total := parseStat("cpu  10 1 5 100 20 2 3 4 0 0\ncpu0 1 1\n"); busy != 25 || total != 145 {
		t.Errorf("%d of %d", busy, total)
	}
	if busy, total := parseStat("nothing of it"); busy != 0 || total != 0 {
		t.Errorf("%d of %d", busy, total)
	}
	u := usage{own: 3 * time.Second, busy: 90, total: 100}.since(usage{own: time.Second}, 2*time.Second, 2)
	if u != (Usage{Cores: 1, Of: 2, Machine: 0.9}) {
		t.Errorf("%+v", u)
	}
}

// Percentiles are those of the sorted list, within the histogram's three digits.
func TestPercentilesAreThoseOfASortedList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed, n := rapid.Uint64().Draw(t, "seed"), rapid.IntRange(1, 3000).Draw(t, "n")
		spread := rapid.Float64Range(0, 6).Draw(t, "decades")
		dice := rand.New(rand.NewPCG(seed, 0))
		h := newHistogram(digits)
		sorted := make([]time.Duration, n)
		for i := range sorted {
			sorted[i] = time.Duration(float64(10*time.Microsecond) * math.Pow(10, spread*dice.Float64()))
			record(h, sorted[i])
		}
		slices.Sort(sorted)
		check := func(percent float64, got Millis) {
			want := sorted[max(int(math.Ceil(percent/100*float64(n)-1e-9)), 1)-1]
			if off := float64(got)/float64(want) - 1; math.Abs(off) > 0.001+float64(time.Microsecond)/float64(want) {
				t.Fatalf("p%g of %d is %s, the sorted list has %s", percent, n, time.Duration(got), want)
			}
		}
		l := latency(h)
		for percent, got := range map[float64]Millis{50: l.P50, 90: l.P90, 95: l.P95, 99: l.P99, 99.9: l.P999, 100: l.Max} {
			check(percent, got)
		}
		last := Point{-1, 0}
		for _, p := range curve(h) {
			check(p.Percent, p.Latency)
			if p.Percent <= last.Percent || p.Latency < last.Latency {
				t.Fatalf("the curve falls from %+v to %+v", last, p)
			}
			last = p
		}
		var counted int64
		all := bars(h)
		for i, b := range all {
			counted += b.Count
			if i > 0 && b.From != all[i-1].To {
				t.Fatalf("a gap between bars: %+v", all)
			}
		}
		if counted != int64(n) || last.Percent != 100 || all[0].Count == 0 || all[len(all)-1].Count == 0 {
			t.Fatalf("%d counted of %d, curve to %g: %+v", counted, n, last.Percent, all)
		}
	})
}
