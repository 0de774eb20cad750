package cloudwatch

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A hand is a clock that stands still until it is set.
type hand struct{ t time.Time }

func (h *hand) Now() time.Time                              { return h.t }
func (h *hand) AfterFunc(time.Duration, func()) func() bool { panic("nothing is awaited here") }
func (h *hand) add(d time.Duration)                         { h.t = h.t.Add(d) }

// noon begins a minute, five minutes and an hour.
var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func newMetrics() (*Metrics, *hand) {
	h := &hand{noon}
	return New(h), h
}

func call(store, exception string) Series {
	return Of(XksProxyErrors, Dimension{CustomKeyStoreID, store}, Dimension{ExceptionName, exception}, Dimension{KeySpec, ""})
}

// ask gives "label: time=value …" for each result.
func ask(t *testing.T, m *Metrics, body string) []string {
	t.Helper()
	in, err := Decode(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range m.Get(in).MetricDataResults {
		line := r.Label + ":"
		for i, at := range r.Timestamps {
			line += fmt.Sprintf(" %s=%.4g", at.UTC().Format("15:04"), r.Values[i])
		}
		all = append(all, line)
	}
	return all
}

// request asks one thing of XksProxyErrors from eleven to one o'clock.
func request(period int, stat, rest string) string {
	return fmt.Sprintf(`{"StartTime":"2026-01-31T11:00:00Z","EndTime":1769864400,"ScanBy":"TimestampAscending","MetricDataQueries":[
		{"Id":"q","MetricStat":{"Metric":{"Namespace":"AWS/KMS","MetricName":"XksProxyErrors"%s},"Period":%d,"Stat":"%s"}}]}`, rest, period, stat)
}

func TestStatisticsOfPeriods(t *testing.T) {
	m, now := newMetrics()
	for _, p := range []struct {
		after time.Duration
		value float64
	}{{0, 10}, {59 * time.Second, 20}, {time.Second, 60}, {4 * time.Minute, 0}} { // 12:00, 12:00, 12:01, 12:05
		now.add(p.after)
		m.Put(call("cks-1", "None"), p.value)
	}
	for _, tc := range []struct {
		period     int
		stat, want string
	}{
		{60, "Sum", "12:00=30 12:01=60 12:05=0"},
		{60, "Average", "12:00=15 12:01=60 12:05=0"},
		{60, "Minimum", "12:00=10 12:01=60 12:05=0"},
		{60, "Maximum", "12:00=20 12:01=60 12:05=0"},
		{60, "SampleCount", "12:00=2 12:01=1 12:05=1"},
		{120, "Sum", "12:00=90 12:04=0"},
		{300, "Sum", "12:00=90 12:05=0"},
		{300, "p50", "12:00=20.09 12:05=0"},
		{3600, "Average", "12:00=22.5"},
		{3600, "p100", "12:00=60"},
		{3600, "p0", "12:00=0"},
	} {
		want := []string{"XksProxyErrors: " + tc.want}
		if d := cmp.Diff(want, ask(t, m, request(tc.period, tc.stat, ""))); d != "" {
			t.Errorf("%s of %d s: %s", tc.stat, tc.period, d)
		}
	}
}

func TestSeriesArePickedAndGrouped(t *testing.T) {
	m, _ := newMetrics()
	for exception, n := range map[string]int{"None": 4, "InternalException": 1, "KeyNotFoundException": 2} {
		for range n {
			m.Put(call("cks-1", exception), 1)
		}
	}
	m.Put(call("cks-2", "None"), 1)
	one := `,"Dimensions":[{"Name":"CustomKeyStoreId","Value":"cks-1"}]`
	for _, tc := range []struct {
		name, body string
		want       []string
	}{
		{"all together", request(300, "Sum", ""), []string{"XksProxyErrors: 12:00=8"}},
		{"of one key store", request(300, "Sum", one), []string{"XksProxyErrors: 12:00=7"}},
		{"none", request(300, "Sum", strings.ReplaceAll(one, "cks-1", "cks-3")), []string{"XksProxyErrors:"}},
		{"the highest first", strings.Replace(request(300, "Sum", one), `"Id":"q"`, `"Id":"q","GroupBy":["ExceptionName"]`, 1),
			[]string{"None: 12:00=4", "KeyNotFoundException: 12:00=2", "InternalException: 12:00=1"}},
		{"a label, and a dimension that the series do not have", strings.Replace(request(300, "Sum", one), `"Id":"q"`, `"Id":"q","Label":"l","GroupBy":["KeySpec"]`, 1),
			[]string{"l -: 12:00=7"}},
	} {
		if d := cmp.Diff(tc.want, ask(t, m, tc.body)); d != "" {
			t.Errorf("%s: %s", tc.name, d)
		}
	}
}

func TestTimeIsHalfOpenAndNewestFirst(t *testing.T) {
	m, now := newMetrics()
	for range 4 {
		m.Put(call("cks-1", "None"), 1)
		now.add(time.Minute)
	}
	body := `{"StartTime":"2026-01-31T12:01:30Z","EndTime":"2026-01-31T12:03:00Z","MetricDataQueries":[
		{"Id":"q","MetricStat":{"Metric":{"Namespace":"AWS/KMS","MetricName":"XksProxyErrors"},"Period":60,"Stat":"Sum"}}]}`
	if d := cmp.Diff([]string{"XksProxyErrors: 12:02=1 12:01=1"}, ask(t, m, body)); d != "" {
		t.Error(d)
	}
}

// Minutes are kept for three hours, five minutes for three days.
func TestOldPointsAreForgotten(t *testing.T) {
	m, now := newMetrics()
	s := call("cks-1", "None")
	count := func() [2]int { return [2]int{len(m.series[s][0]), len(m.series[s][1])} }
	for range 60 {
		m.Put(s, 1)
		now.add(time.Minute)
	}
	if got := count(); got != [2]int{60, 12} {
		t.Errorf("after an hour: %v", got)
	}
	now.add(2*time.Hour + 30*time.Minute)
	m.Put(s, 1)
	if got := count(); got != [2]int{31, 13} { // from 12:30 on
		t.Errorf("after three hours and a half: %v", got)
	}
	if d := cmp.Diff([]string{"XksProxyErrors: 12:00=60"}, ask(t, m, request(3600, "Sum", ""))); d != "" {
		t.Errorf("the five minutes are there still: %s", d)
	}
	now.add(73 * time.Hour)
	m.Put(s, 1)
	if got := count(); got != [2]int{1, 1} {
		t.Errorf("after three days: %v", got)
	}
}

func TestAClockThatGoesBackForgetsWhatLayAhead(t *testing.T) {
	m, now := newMetrics()
	m.Put(call("cks-1", "None"), 1)
	now.add(time.Hour - time.Minute)
	m.Put(call("cks-1", "None"), 10)
	now.t = noon
	m.Put(call("cks-1", "None"), 2)
	if d := cmp.Diff([]string{"XksProxyErrors: 12:00=3"}, ask(t, m, request(60, "Sum", ""))); d != "" {
		t.Error(d)
	}
}

func TestTheNumberOfSeriesIsBounded(t *testing.T) {
	m, now := newMetrics()
	for i := range maxSeries {
		m.Put(call(fmt.Sprint("cks-", i), "None"), 1)
	}
	m.Put(call("one more", "None"), 1)
	in, err := Decode(strings.NewReader(request(60, "Sum", "")))
	if err != nil {
		t.Fatal(err)
	}
	out := m.Get(in)
	if out.MetricDataResults[0].Values[0] != maxSeries || len(out.Messages) != 1 || out.Messages[0].Code != "Dropped" {
		t.Errorf("%+v", out)
	}
	now.add(73 * time.Hour)
	m.Put(call("one more", "None"), 1)
	if len(m.series) != 1 {
		t.Errorf("%d series, of which one has points that are kept", len(m.series))
	}
}

// Whatever comes when: sums and numbers are those of all values, and percentiles
// those of the sorted values, within 1 %.
func TestAggregatesAreThoseOfTheValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, now := newMetrics()
		values := rapid.SliceOfN(rapid.Float64Range(0.01, 1e6), 1, 200).Draw(t, "values")
		for _, v := range values {
			m.Put(call(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "store"), "None"), v)
			now.add(time.Duration(rapid.IntRange(0, 17).Draw(t, "seconds")) * time.Second)
		}
		slices.Sort(values)
		p := rapid.IntRange(1, 100).Draw(t, "p")
		sum := 0.0
		for _, v := range values {
			sum += v
		}
		for stat, want := range map[string]float64{
			"Sum": sum, "SampleCount": float64(len(values)), "Minimum": values[0], "Maximum": values[len(values)-1],
			fmt.Sprint("p", p): values[int(math.Ceil(float64(p)/100*float64(len(values))))-1],
		} {
			for _, period := range []int{60, 300, 3600} {
				in, err := Decode(strings.NewReader(request(period, stat, "")))
				if err != nil {
					t.Fatal(err)
				}
				if stat[0] == 'p' || stat[0] == 'M' {
					in.MetricDataQueries[0].MetricStat.Period = 3600
				}
				got := fold(stat, m.Get(in).MetricDataResults[0].Values)
				if math.Abs(got-want) > want*0.0101 {
					t.Fatalf("%s of %d s: %v, want %v", stat, period, got, want)
				}
			}
		}
	})
}

// fold adds up sums and numbers; of the others there is one.
func fold(stat string, values []float64) float64 {
	if stat[0] != 'S' {
		return values[0]
	}
	all := 0.0
	for _, v := range values {
		all += v
	}
	return all
}

func TestASeriesThatIsNoneIsAMistake(t *testing.T) {
	for name, f := range map[string]func(){
		"metric":    func() { Of("XksProxyHsmStates") }, // contradiction 12
		"dimension": func() { Of(XksProxyCertificateDaysToExpire, Dimension{"XksProxyCertificateName", "cn"}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func TestManyPutAndAskAtOnce(t *testing.T) {
	m, _ := newMetrics()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 100 {
				m.Put(call(fmt.Sprint("cks-", i%3), "None"), 1)
				ask(t, m, request(60, "Sum", ""))
			}
		})
	}
	all.Wait()
	if d := cmp.Diff([]string{"XksProxyErrors: 12:00=800"}, ask(t, m, request(60, "Sum", ""))); d != "" {
		t.Error(d)
	}
}

func BenchmarkPut(b *testing.B) {
	m := New(nil)
	s := call("cks-1", "None")
	b.ReportAllocs()
	for b.Loop() {
		m.Put(s, 12.5)
	}
}
